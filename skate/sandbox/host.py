"""Commands on this machine: run one, fail in words, and say at the start what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from skate.errors import SkateError
from skate.sandbox import launcher

Progress = Callable[[str], None]
"""Is told, in a few words, what is being done now."""

TOOLS = {
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "setsid": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "systemd-nspawn": "systemd-container",
    "unshare": "util-linux",
}
"""Every command that a sandbox needs of the machine, and the package that has it."""


class HostCommandError(SkateError):
    """A command on this machine failed. Keeps its argument list, exit code and standard error."""

    def __init__(self, argv: Sequence[str], returncode: int, stderr: str) -> None:
        lines = stderr.strip().splitlines()[-15:]
        super().__init__(f"`{' '.join(argv[:4])}{' …' if len(argv) > 4 else ''}` failed ({returncode})", details=lines)
        self.argv = list(argv)
        self.returncode = returncode
        self.stderr = stderr


def run(argv: Sequence[str], *, input: str | None = None, timeout: float = 120, keep: Sequence[int] = ()) -> str:
    """Run a command and return its standard output; it inherits the file descriptors in `keep`.

    Raises HostCommandError when it fails or takes over `timeout` seconds.
    """
    try:
        done = subprocess.run(
            argv, input=input, capture_output=True, text=True, timeout=timeout, check=False, pass_fds=keep
        )
    except FileNotFoundError as error:
        raise HostCommandError(argv, 127, f"{argv[0]}: not found") from error
    except subprocess.TimeoutExpired as error:
        raise HostCommandError(argv, 124, f"no end after {timeout:.0f} s") from error
    if done.returncode != 0:
        raise HostCommandError(argv, done.returncode, done.stderr)
    return done.stdout


def remove_tree(path: Path) -> None:
    """Remove a directory with everything in it; nothing happens when it is not there.

    Not by shutil: what a node wrote may be nested deeper than Python recurses.
    """
    run(["rm", "-rf", "--one-file-system", "--", str(path)], timeout=600)


def require_root() -> None:
    """Raises SkateError for anybody but root: bridges, mounts and namespaces need it."""
    if os.geteuid() != 0:
        raise SkateError("a sandbox needs root: it makes bridges, mounts and namespaces", hint="run it with sudo")


def require_tools() -> None:
    """Raises SkateError with the packages to install when a needed command is not on this machine."""
    missing = {tool: package for tool, package in TOOLS.items() if shutil.which(tool) is None}
    if missing:
        raise SkateError(
            f"this machine lacks {', '.join(sorted(missing))}",
            hint=f"apt-get install {' '.join(sorted(set(missing.values())))}",
        )


def require_cgroup2() -> None:
    """Raises SkateError when this machine has no cgroup v2 at all, which systemd in the nodes needs."""
    try:
        launcher.unified_mount()
    except FileNotFoundError as error:
        raise SkateError(str(error), hint="mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified") from error


def os_release(root: Path = Path("/")) -> dict[str, str]:
    """The fields of os-release(5) of the system under `root`; empty where there is none."""
    try:
        text = (root / "etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return {}
    fields = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip().strip("\"'") for key, _, value in fields}
