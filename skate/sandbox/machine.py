"""A node's processes on this machine: boot it, find it, wait for it, stop it, kill it.

    init ─ launcher ─ systemd-nspawn ─ the node's PID 1 ("leader") ─ everything in the node

Nothing is remembered: what belongs to a node is what is in its cgroup, or has its argument `--directory=ROOT`, which no other
process has (the launcher begins outside of the cgroup). So there is no stale process id to kill somebody else by, after a crash
or a reboot of the machine. The tree of processes would not do: a leader whose systemd-nspawn is killed lives on, as init's child.
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
    with_systemd = _systemd_runs()
    cgroup = "" if with_systemd else str(_cgroup(machine))
    argv = ["setsid", "--fork", *(_scope(machine) if with_systemd else [])]
    argv += ["unshare", "--mount", "--propagation=slave", "--"]
    argv += [sys.executable, "-I", "-S", launcher.__file__, str(machine.lower)]
    argv += [str(machine.directory / part) for part in ("upper", "work", "root")]
    argv += [cgroup, "--", *_nspawn(machine)]
    with machine.console.open("wb") as console:
        subprocess.run(
            argv, env=_ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=console, stderr=console, cwd="/", check=True
        )


def _systemd_runs() -> bool:
    return Path("/run/systemd/system").is_dir()


def _cgroup(machine: Machine) -> Path:
    """The node's cgroup, whether it is there or not."""
    top = launcher.unified_mount()
    return top / "machine.slice" / f"{machine.unit}.scope" if _systemd_runs() else top / machine.unit


def _scope(machine: Machine) -> list[str]:
    """Without a scope of its own a node would be part of the login session, and end with it."""
    argv = ["systemd-run", "--quiet", "--scope", "--collect", f"--unit={machine.unit}", "--slice=machine.slice"]
    return [*argv, "--property=Delegate=yes", "--property=TasksMax=16384"]


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
    """Every process of the node, the launcher and systemd-nspawn included; empty when it is off."""
    return sorted({*_launching(machine), *_in_cgroup(machine)})


def _launching(machine: Machine) -> list[int]:
    wanted = f"--directory={machine.root}".encode()
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and wanted in _arguments(int(name))]


def _arguments(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def _in_cgroup(machine: Machine) -> list[int]:
    found: list[int] = []
    for path, _, _ in os.walk(_cgroup(machine)):
        # A cgroup may go while it is looked at.
        with contextlib.suppress(OSError):
            found.extend(int(pid) for pid in Path(path, "cgroup.procs").read_text().split())
    return found


def leader(machine: Machine) -> int | None:
    """The node's PID 1 as this machine numbers it; None when the node is off or only just starting."""
    return next((pid for pid in _in_cgroup(machine) if _is_leader(pid)), None)


def _is_leader(pid: int) -> bool:
    """Whether it is the first process of a namespace right below this machine's (containers' are further below)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    numbers = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    return len(numbers) == 2 and numbers[1] == "1"


def kill(machine: Machine) -> None:
    """End the node at once, as a power loss does: SIGKILL to all its processes. Nothing happens when it is off."""
    wait_until(lambda: _killed(machine), seconds=30, what=f"the processes of {machine.hostname} to end")
    _remove_cgroup(machine)


def _killed(machine: Machine) -> bool:
    for pid in _launching(machine):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(FileNotFoundError):
        (_cgroup(machine) / "cgroup.kill").write_text("1")
    return not processes(machine)


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
        lambda: not processes(machine),
        seconds=seconds,
        what=f"{machine.hostname} to shut down",
        hint="`skate sandbox kill` ends it at once",
    )
    _remove_cgroup(machine)


def _remove_cgroup(machine: Machine) -> None:
    """Remove the node's empty cgroup; where there is a systemd, it does so, and it is waited for."""
    if _systemd_runs():
        # A scope whose processes were killed while it was being made stays otherwise: systemd does not notice that it is empty.
        stop_scope = ["systemctl", "--quiet", "stop", f"{machine.unit}.scope"]
        subprocess.run(stop_scope, capture_output=True, check=False, timeout=60)
    wait_until(lambda: _removed(machine), seconds=10, what=f"the cgroup of {machine.hostname} to be empty")


def _removed(machine: Machine) -> bool:
    if _systemd_runs():
        return not _cgroup(machine).exists()
    # On a hybrid machine systemd-nspawn makes the same path in systemd's own v1 hierarchy.
    tops = [mount / machine.unit for mount in launcher.cgroup_mounts()]
    for top in tops:
        for path, _, _ in os.walk(top, topdown=False):
            # Processes that are just ending keep theirs a moment longer.
            with contextlib.suppress(OSError):
                Path(path).rmdir()
    return not any(top.exists() for top in tops)


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
