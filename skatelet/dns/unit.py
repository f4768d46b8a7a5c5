"""skatelet-coredns.service: whether it is there and runs, and what it says when it does not.

Looking costs no process: systemd keeps a control group for a unit as long as it has processes (30 µs; `systemctl` takes 8 ms).
"""

from __future__ import annotations

from skatelet.paths import Paths
from skatelet.system import command

NAME = "skatelet-coredns.service"
_DIRECTORIES = ("/usr/lib/systemd/system", "/lib/systemd/system", "/etc/systemd/system")
_GROUP = f"/sys/fs/cgroup/system.slice/{NAME}/cgroup.procs"
_LINES = 8


def installed(paths: Paths) -> bool:
    """Whether the package skatelet-coredns is on the node."""
    return any(paths.below(f"{directory}/{NAME}").exists() for directory in _DIRECTORIES)


def running(paths: Paths) -> bool:
    """Whether the unit has a process."""
    try:
        return bool(paths.below(_GROUP).read_bytes().strip())
    except OSError:
        return False


def start() -> None:
    """Start it. Raises CommandError."""
    command.run(["systemctl", "start", NAME])


def reload() -> None:
    """Let it read the Corefile again. Raises CommandError."""
    command.run(["systemctl", "reload", NAME])


def last_words() -> str:
    """Why it does not do what it should, as far as its journal says; empty where that says nothing."""
    try:
        lines = command.run(
            ["journalctl", "--quiet", "--no-pager", "--output=cat", f"--unit={NAME}", f"--lines={_LINES}"], timeout=5
        ).splitlines()
    except command.CommandError:
        return ""
    telling = [line for line in lines if _tells(line)]
    return " ".join(telling[-1].split())[:500] if telling else ""


def _tells(line: str) -> bool:
    """Lines of CoreDNS' own about what went wrong, and not what systemd says about its end."""
    low = line.lower()
    return any(word in low for word in ("error", "fatal", "listen ", "cannot", "failed to")) and NAME not in line


def refusal() -> str:
    """Why the last reload came to nothing: CoreDNS then goes on with what it had. Empty where it came through."""
    try:
        lines = command.run(
            ["journalctl", "--quiet", "--no-pager", "--output=cat", f"--unit={NAME}", "--lines=60"], timeout=5
        ).splitlines()
    except command.CommandError:
        return ""
    for line in reversed(lines):
        if "Reloading complete" in line:
            return ""
        if "Corefile changed but reload failed" in line or ("SIGUSR1" in line and "ERROR" in line):
            return " ".join(line.split())[:500]
    return ""
