"""A node's processes on this machine: boot it, find it, wait for it, stop it, kill it.

    init ─ launcher ─ systemd-nspawn ─ the node's PID 1 ("leader") ─ everything in the node

Nothing is remembered. The launcher and systemd-nspawn are found by their argument `--directory=ROOT`, which no other process has,
and the leader is systemd-nspawn's child. So there is no stale process id to kill somebody else by, after a crash or a reboot.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from skate.errors import SkateError
from skate.sandbox import launcher

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    # Debian's systemd-nspawn takes the machine's cgroup layout for the node; nodes always have v2.
    "UNIFIED_CGROUP_HIERARCHY": "1",
    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
}
POLL_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What it takes to boot one node."""

    name: str
    """At most twelve characters: `vb-` and this is the name of its port, which the kernel bounds at fifteen."""
    hostname: str
    lower: Path
    directory: Path
    """The node's own: upper, work, var, root, console.log."""
    bridge: str

    @property
    def root(self) -> Path:
        return self.directory / "root"

    @property
    def console(self) -> Path:
        return self.directory / "console.log"

    @property
    def port(self) -> str:
        """The machine's end of the node's veth pair, as systemd-nspawn names it."""
        return f"vb-{self.name}"

    @property
    def unit(self) -> str:
        """The node's cgroup: a scope of the machine's systemd, or a plain directory where there is none."""
        return f"skate-sandbox-{self.name}"


def boot(machine: Machine) -> None:
    """Start the node's processes in a session of their own, so that they outlive the caller. Does not wait for the boot."""
    with_systemd = Path("/run/systemd/system").is_dir()
    cgroup = "" if with_systemd else str(_plain_cgroup(machine))
    argv = ["setsid", "--fork", *(_scope(machine) if with_systemd else [])]
    argv += ["unshare", "--mount", "--propagation=slave", "--"]
    argv += [sys.executable, "-I", "-S", launcher.__file__, str(machine.lower)]
    argv += [str(machine.directory / part) for part in ("upper", "work", "root")]
    argv += [cgroup, "--", *_nspawn(machine)]
    with machine.console.open("wb") as console:
        subprocess.run(
            argv, env=_ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=console, stderr=console, cwd="/", check=True
        )


def _scope(machine: Machine) -> list[str]:
    """Without a scope of its own a node would be part of the login session, and end with it."""
    argv = ["systemd-run", "--quiet", "--scope", "--collect", f"--unit={machine.unit}", "--slice=machine.slice"]
    return [*argv, "--property=Delegate=yes", "--property=TasksMax=16384"]


def _plain_cgroup(machine: Machine) -> Path:
    return launcher.unified_mount() / machine.unit


def _nspawn(machine: Machine) -> list[str]:
    return [
        "systemd-nspawn",
        "--quiet",
        "--register=no",
        "--keep-unit",
        "--boot",
        f"--directory={machine.root}",
        f"--machine={machine.name}",
        f"--hostname={machine.hostname}",
        f"--bind={machine.directory / 'var'}:/var",
        f"--network-bridge={machine.bridge}",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--console=pipe",
        "--capability=all",
        "--system-call-filter=add_key keyctl bpf",
    ]


def processes(machine: Machine) -> list[int]:
    """The launcher and systemd-nspawn of this node, oldest first; empty when it is off."""
    wanted = f"--directory={machine.root}".encode()
    return sorted(pid for pid in _all_pids() if wanted in _arguments(pid))


def leader(machine: Machine) -> int | None:
    """The node's PID 1 as this machine numbers it; None when the node is off or only just starting."""
    found = processes(machine)
    for pid in found:
        for child in _children(pid):
            if child not in found and _is_first_of_its_namespace(child):
                return child
    return None


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _arguments(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _is_first_of_its_namespace(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    numbers = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    return len(numbers) > 1 and numbers[-1] == "1"


def kill(machine: Machine) -> None:
    """End the node at once, as a power loss does: SIGKILL to all its processes. Nothing happens when it is off.

    The launcher goes first, lest it take the end for a reboot; the leader takes everything in the node with it.
    """
    found = processes(machine)
    first = leader(machine)
    for pid in [*found[:1], *([first] if first else []), *found[1:]]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: gone(machine, first), seconds=30, what=f"the processes of {machine.hostname} to end")
    remove_cgroup(machine)


def gone(machine: Machine, leader_pid: int | None) -> bool:
    """Whether nothing of the node is left running."""
    return not processes(machine) and (leader_pid is None or not Path(f"/proc/{leader_pid}/ns/pid").exists())


def stop(machine: Machine, *, seconds: float) -> None:
    """Shut the node down cleanly. Nothing happens when it is off. Raises SkateError after `seconds`."""
    first = leader(machine)
    if first is None:
        kill(machine)
        return
    # systemd(1): SIGRTMIN+4 powers off.
    with contextlib.suppress(ProcessLookupError):
        os.kill(first, signal.SIGRTMIN + 4)
    wait_until(
        lambda: gone(machine, first),
        seconds=seconds,
        what=f"{machine.hostname} to shut down",
        hint="`skate sandbox kill` ends it at once",
    )
    remove_cgroup(machine)


def remove_cgroup(machine: Machine) -> None:
    """Remove what the node left of its cgroup, where there is no systemd to do it."""
    if Path("/run/systemd/system").is_dir():
        return
    top = _plain_cgroup(machine)
    for path, _, _ in os.walk(top, topdown=False):
        # Processes that are just ending keep theirs a moment longer.
        wait_until(lambda path=path: _removed(Path(path)), seconds=10, what=f"{path} to be empty")  # type: ignore[misc]


def _removed(cgroup: Path) -> bool:
    with contextlib.suppress(OSError):
        cgroup.rmdir()
    return not cgroup.exists()


def console_tail(machine: Machine, lines: int = 15) -> list[str]:
    """The end of what the node printed since its last start."""
    try:
        text = machine.console.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [line for line in text.replace("\r", "").splitlines() if line.strip()][-lines:]


def wait_until(done: Callable[[], bool], *, seconds: float, what: str, hint: str = "") -> None:
    """Look until `done`. Raises SkateError, saying what was waited for, when it is not so after `seconds`."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise SkateError(f"waited {seconds:.0f} s for {what}, in vain", hint=hint)
        time.sleep(POLL_SECONDS)
