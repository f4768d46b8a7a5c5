"""A container image that needs no registry: the distribution's own static busybox, for the demo and the tests.

The package is downloaded and unpacked, never installed: `busybox-static` would push the machine's own busybox out.
"""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path

from skate.sandbox import host, state

IMAGE = "localhost/skate-demo:latest"
"""The name that the examples ask for."""
_APPLETS = (
    "sh", "cat", "date", "echo", "env", "false", "hostname", "httpd", "id", "ip", "ls", "mkdir", "nc", "ping", "ps",
    "rm", "sleep", "tail", "touch", "true", "wget",
)  # fmt: skip


def image_tar(*, progress: host.Progress) -> Path:
    """The image's root file system as a tar, made once and cached. Raises HostCommandError when apt cannot download it."""
    target = state.cache() / "busybox.tar"
    if target.exists():
        return target
    progress("making the demo's image from the distribution's busybox")
    state.cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=state.cache()) as name:
        directory = Path(name)
        temporary = directory / "image.tar"
        temporary.write_bytes(_tar(_download(directory)))
        os.replace(temporary, target)
    return target


def _download(directory: Path) -> bytes:
    """The busybox of the package. apt as root reads its lists; it downloads into the directory it is started in."""
    argv = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", "busybox-static"]
    done = subprocess.run(argv, cwd=directory, capture_output=True, text=True, check=False)
    packages = list(directory.glob("busybox-static_*.deb"))
    if done.returncode != 0 or not packages:
        raise host.HostCommandError(argv, done.returncode, done.stderr)
    host.run(["dpkg-deb", "--extract", str(packages[0]), str(directory / "unpacked")])
    unpacked = directory / "unpacked"
    return next(path for path in (unpacked / "bin/busybox", unpacked / "usr/bin/busybox") if path.exists()).read_bytes()


def _tar(busybox: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for directory in ("bin", "etc", "tmp", "www"):
            member = tarfile.TarInfo(directory)
            member.type = tarfile.DIRTYPE
            member.mode = 0o1777 if directory == "tmp" else 0o755
            archive.addfile(member)
        _file(archive, "bin/busybox", busybox, 0o755)
        _file(archive, "etc/passwd", b"root:x:0:0:root:/:/bin/sh\n", 0o644)
        _file(archive, "www/index.html", b"Hello from a pod that skate runs.\n", 0o644)
        for applet in _APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type = tarfile.SYMTYPE
            link.linkname = "busybox"
            archive.addfile(link)
    return buffer.getvalue()


def _file(archive: tarfile.TarFile, path: str, data: bytes, mode: int) -> None:
    member = tarfile.TarInfo(path)
    member.size = len(data)
    member.mode = mode
    archive.addfile(member, io.BytesIO(data))
