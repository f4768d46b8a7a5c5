"""Container images into nodes, without a registry: from an image archive, or from a plain tar of a root file system."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from skate.errors import SkateError
from skate.sandbox import host, node

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SECONDS = 600.0


def is_archive(tar: Path) -> bool:
    """Whether `tar` is an image archive (Docker's or OCI's), not a plain root file system. Raises SkateError for neither."""
    try:
        with tarfile.open(tar) as stream:
            # Image archives name only a handful of files; a root file system is not read to its end.
            names = {member.name.removeprefix("./") for member, _ in zip(stream, range(1000), strict=False)}
    except (OSError, tarfile.TarError) as error:
        raise SkateError(
            f"{tar} cannot be read as a tar: {error}",
            hint="give an image archive (`podman save`), or a tar of a root file system",
        ) from error
    return bool({"manifest.json", "index.json"} & names)


def load(target: node.Node, tar: Path, image: str) -> None:
    """Put the image in `tar` into one node, named `image`. Raises SkateError when podman refuses it."""
    if not is_archive(tar):
        _podman(target, ["import", "--quiet", f"--change=ENV PATH={_PATH}", "-", image], tar)
        return
    loaded = _podman(target, ["load", "--quiet"], tar)
    names = [line.partition(":")[2].strip() for line in loaded.splitlines() if line.startswith("Loaded image")]
    if not names:
        raise SkateError(f"{target.name}: podman found no image in {tar}", details=loaded.splitlines())
    target.run(["podman", "tag", names[0].split(",")[0], image])


def load_everywhere(targets: Sequence[node.Node], tar: Path, image: str, *, progress: host.Progress) -> None:
    """Put the image in `tar` into several nodes, side by side."""
    progress(f"loading {image} into {', '.join(target.name for target in targets)}")
    with ThreadPoolExecutor(max_workers=max(1, len(targets))) as pool:
        list(pool.map(lambda target: load(target, tar, image), targets))


def _podman(target: node.Node, argv: list[str], tar: Path) -> str:
    with tar.open("rb") as stream:
        done = subprocess.run(
            target.exec_argv(["podman", *argv]), stdin=stream, capture_output=True, timeout=_SECONDS, check=False
        )
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", errors="replace").strip().splitlines()
        raise SkateError(f"{target.name}: podman {argv[0]} of {tar} failed", details=lines[-5:])
    return done.stdout.decode("utf-8", errors="replace")
