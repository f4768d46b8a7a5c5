"""The root file systems that nodes start from: built once for each release by mmdebstrap, then kept in a cache.

A cached tree is never changed: nodes put an overlay on it. Its name carries a hash of everything that went into it, so a changed
package list builds a new one. It is built under another name and renamed when it is whole; a lock keeps two builds of one
release apart, and what an interrupted build left is removed by the next.
"""

from __future__ import annotations

import fcntl
import hashlib
import platform
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from skate.errors import SkateError
from skate.sandbox import host, mirrors, state

PACKAGES = (
    "aardvark-dns",
    "adduser",
    "ca-certificates",
    "catatonit",  # only a recommendation of podman 4.3, but kube play fails without it
    "crun",
    "curl",
    "dbus",
    "iproute2",
    "iptables",
    "iputils-ping",
    "kmod",
    "netavark",
    "nftables",
    "nginx-light",
    "openssh-server",
    "podman",
    "procps",
    "python3",
    "python3-nacl",
    "runc",
    "sudo",
    "systemd",
    "systemd-resolved",
    "systemd-sysv",
    "uacme",
)
"""What a fresh server has, and what the .deb depends on: nodes have no way to the internet."""

ENABLED = ("systemd-networkd.service", "systemd-resolved.service")
DISABLED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "man-db.timer",
    "motd-news.timer",
    "nginx.service",
    "podman-auto-update.service",
    "podman-auto-update.timer",
    "podman-restart.service",
    "systemd-networkd-wait-online.service",
    "ubuntu-advantage.service",
)
"""Units that are slow, need the internet or take port 80: not started in nodes."""

_ENDS_WITH_US = (
    *("setpriv", "--pdeathsig", "KILL", "--"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"),
)
"""In front of a build: when `create` is killed, all of mmdebstrap, apt and dpkg ends, and their mounts go."""

RECIPE = 1
"""Raise when `_finish` does something else than before, so that caches are built anew."""


def key(release: str) -> str:
    """The name in the cache of the root file system that `release` has now."""
    recipe = "\n".join([str(RECIPE), *PACKAGES, *ENABLED, *DISABLED])
    return f"{release}-{platform.machine()}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def is_cached(release: str) -> bool:
    return (state.cache() / key(release)).is_dir()


def require(release: str) -> None:
    """Raises SkateError when `release` is not in the cache and cannot be built on this machine."""
    if not is_cached(release):
        mirrors.require_keyring(release)


def ensure(releases: list[str], *, progress: host.Progress) -> None:
    """Build what is missing in the cache of `releases`, side by side. Raises SkateError when a build fails."""
    wanted = [release for release in dict.fromkeys(releases) if not is_cached(release)]
    with ThreadPoolExecutor(max_workers=max(1, len(wanted))) as pool:
        list(pool.map(lambda release: _build(release, progress=progress), wanted))


def _build(release: str, *, progress: host.Progress) -> None:
    state.cache().mkdir(parents=True, exist_ok=True)
    target = state.cache() / key(release)
    with (state.cache() / f"{target.name}.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        if target.is_dir():
            return
        for stale in state.cache().glob(f"{target.name}.building-*"):
            host.remove_tree(stale)
        progress(f"building the {release} root file system (once; about a minute)")
        building = Path(tempfile.mkdtemp(dir=state.cache(), prefix=f"{target.name}.building-"))
        building.chmod(0o755)
        try:
            # The build holds the lock too: who comes next never removes a tree that somebody still writes to.
            lines = "\n".join(_apt_lines(release)) + "\n"
            host.run(
                [*_ENDS_WITH_US, *_mmdebstrap(release, building)], input=lines, timeout=1800, keep=[stream.fileno()]
            )
            _finish(building)
        except host.HostCommandError as error:
            host.remove_tree(building)
            raise SkateError(
                f"the {release} root file system could not be built",
                details=error.details,
                hint="see whether `apt-get update` works on this machine: nodes are built from its apt sources",
            ) from error
        except BaseException:
            host.remove_tree(building)
            raise
        building.rename(target)


def _apt_lines(release: str) -> list[str]:
    codename = host.os_release().get("VERSION_CODENAME", "")
    return mirrors.apt_lines(release, sources=mirrors.machine_sources(), codename=codename)


def _mmdebstrap(release: str, target: Path) -> list[str]:
    argv = ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--format=directory"]
    argv += [f"--include={','.join(PACKAGES)}", *(f"--aptopt={option}" for option in _apt_options())]
    return [*argv, release, str(target), "-"]


def _apt_options() -> list[str]:
    """How this machine's apt reaches its mirrors (proxies, certificates), for the apt that builds the nodes."""
    lines = host.run(["apt-config", "dump", "--no-empty", "Acquire"]).splitlines()
    return [line for line in lines if line.startswith(("Acquire::http::", "Acquire::https::"))]


def _finish(tree: Path) -> None:
    """Make `tree` what many nodes can start from: nothing in it that must be a node's own, nothing slow at boot."""
    systemctl = ["chroot", str(tree), "systemctl"]
    host.run([*systemctl, "enable", *ENABLED])
    present = [unit for unit in DISABLED if any((tree / place / unit).exists() for place in _UNIT_PLACES)]
    host.run([*systemctl, "disable", *present])
    for path in tree.glob("etc/ssh/ssh_host_*"):
        path.unlink()
    for name in ("etc/machine-id", "etc/hostname", "etc/hosts", "etc/resolv.conf", "var/lib/dbus/machine-id"):
        (tree / name).unlink(missing_ok=True)
    (tree / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    (tree / "etc/apt/apt.conf.d/99mmdebstrap").unlink(missing_ok=True)


_UNIT_PLACES = ("lib/systemd/system", "usr/lib/systemd/system")
