"""What the host says about itself: capacity, versions, addresses, boot. Files below /proc and /etc only; nothing is run."""

from __future__ import annotations

import contextlib
import datetime
import grp
import os
import platform
import socket

from skatelet import __version__
from skatelet.contract import bundle, drop, status, subnets
from skatelet.paths import Paths

RESERVED_CPU_MILLIS = 100
RESERVED_MEMORY_BYTES = 256 * 1024 * 1024
"""Kept for the system itself: allocatable is the capacity less these (of memory at most a quarter)."""
MAX_PODS = 110
"""Kubernetes' own default for a node."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}


def node_info(
    paths: Paths, *, identity: bundle.NodeIdentity, podman_version: str, images: list[str]
) -> status.NodeInfo:
    """The node as Kubernetes describes one."""
    cpu = (os.cpu_count() or 1) * 1000
    memory = _memory_bytes(paths)
    pods = min(MAX_PODS, len(subnets.instance_range(identity.subnet)))
    return status.NodeInfo(
        addresses=_addresses(identity),
        capacity=status.Resources(cpu_millis=cpu, memory_bytes=memory, pods=pods),
        allocatable=status.Resources(
            cpu_millis=max(0, cpu - RESERVED_CPU_MILLIS),
            memory_bytes=memory - min(RESERVED_MEMORY_BYTES, memory // 4),
            pods=pods,
        ),
        os_image=_os_image(paths),
        kernel=platform.release(),
        architecture=_ARCHITECTURES.get(platform.machine(), platform.machine()),
        podman_version=podman_version,
        skatelet_version=__version__,
        boot_time=_boot_time(paths),
        images=images,
    )


def boot_id(paths: Paths) -> str:
    """Another one after each boot; empty when the kernel does not say."""
    return _read(paths, "sys/kernel/random/boot_id").strip() + _container_boot(paths)


def drop_group() -> int | None:
    """The numeric group that may read the drop; None where there is no such group."""
    try:
        return grp.getgrnam(drop.ACCOUNT).gr_gid
    except KeyError:
        return None


def _container_boot(paths: Paths) -> str:
    """A system in a container shares the kernel's boot id with its host; the start of its own PID 1 tells boots apart."""
    fields = _read(paths, "1/stat").rpartition(")")[2].split()
    return f"-{fields[19]}" if len(fields) > 19 else ""


def _read(paths: Paths, name: str) -> str:
    try:
        return paths.proc(name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _memory_bytes(paths: Paths) -> int:
    for line in _read(paths, "meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def _boot_time(paths: Paths) -> str:
    """When PID 1 was started: the boot, of a machine as of a container."""
    booted = next((int(line.split()[1]) for line in _read(paths, "stat").splitlines() if line.startswith("btime ")), 0)
    ticks = _container_boot(paths).lstrip("-")
    if not booted:
        return ""
    seconds = booted + (int(ticks) // os.sysconf("SC_CLK_TCK") if ticks.isdecimal() else 0)
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _os_image(paths: Paths) -> str:
    with contextlib.suppress(OSError):
        for line in paths.below("/etc/os-release").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("PRETTY_NAME="):
                return line.partition("=")[2].strip().strip('"')
    return "Linux"


def _addresses(identity: bundle.NodeIdentity) -> list[str]:
    found = [identity.peer_host] if identity.peer_host else []
    # Connecting a datagram socket sends nothing; it only makes the kernel choose the address it would send from.
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        address = str(probe.getsockname()[0])
        if address not in found:
            found.append(address)
    return found
