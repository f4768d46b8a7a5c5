"""Runs in front of one node's systemd-nspawn, as root, in a mount namespace of its own; stays as long as the node does.

Imports nothing of skate: it is run by path. Three things have to be done by a process that is not systemd-nspawn:

- the node's root is mounted here (overlayfs), so that the mount is nobody else's and goes when the node goes, also by SIGKILL;
- the node gets a cgroup of its own. systemd-nspawn with --keep-unit puts the node into `payload` below the cgroup it is started
  in: two nodes started from one cgroup would share it, and each systemd would see the other's services;
- a node that reboots ends systemd-nspawn with exit code 133, and is started again, as systemd-nspawn@.service would do.

usage: launcher.py LOWER UPPER WORK ROOT CGROUP -- systemd-nspawn …       (CGROUP empty: the one it is started in)
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

REBOOT = 133


def main(arguments: list[str]) -> int:
    lower, upper, work, root, cgroup = arguments[:5]
    nspawn = arguments[6:]
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", root], check=True)
    own = Path(cgroup) if cgroup else current_cgroup()
    node = prepare(own)
    while True:
        # Runs in the child only: this process has one thread.
        code = subprocess.call(nspawn, preexec_fn=lambda: enter(node), close_fds=True)
        if code != REBOOT:
            return code
        print("launcher: the node reboots", flush=True)


def current_cgroup() -> Path:
    """The cgroup v2 directory that this process is in."""
    line = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
    return unified_mount() / line[3:].lstrip("/")


def unified_mount() -> Path:
    """Where cgroup v2 is mounted on this machine (a hybrid one has it beside the v1 hierarchies). Raises FileNotFoundError."""
    mounts = cgroup_mounts("cgroup2")
    if not mounts:
        raise FileNotFoundError("no cgroup2 file system is mounted on this machine")
    return mounts[0]


def cgroup_mounts(*types: str) -> list[Path]:
    """Where cgroup hierarchies of these types, or of both, are mounted on this machine."""
    fields = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [Path(mount[1]) for mount in fields if mount[2] in (types or ("cgroup", "cgroup2"))]


def prepare(own: Path) -> Path:
    """Move this process into `own`/launcher and give `own`/node every controller there is; returns the latter.

    A cgroup with processes in it cannot hand controllers down, so nothing may stay in `own` itself.
    """
    own.mkdir(exist_ok=True)
    (own / "launcher").mkdir(exist_ok=True)
    (own / "node").mkdir(exist_ok=True)
    enter(own / "launcher")
    for level in (own.parent, own):
        for controller in (level / "cgroup.controllers").read_text().split():
            # What cannot be handed down (another hierarchy's, or a parent with processes) nodes do without.
            with contextlib.suppress(OSError):
                (level / "cgroup.subtree_control").write_text(f"+{controller}")
    return own / "node"


def enter(cgroup: Path) -> None:
    """Move the calling process into `cgroup`."""
    (cgroup / "cgroup.procs").write_text(str(os.getpid()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
