"""What `-f` may name: files, directories and `-`, read as text and bounded.

Nothing here raises for what a user did: whatever cannot be read becomes a sentence, and the other sources are read all the same.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from skate.manifests import problems

MAX_BYTES = 16 * 1024 * 1024
"""The largest file that is read; a larger one is a mistake, not a manifest."""
EXTENSIONS = (".json", ".yaml", ".yml")
"""What is taken from a directory; a file that is named by itself may be called anything."""


@dataclass
class Found:
    """The texts of the sources by file name, in order, and a sentence for each that could not be read."""

    texts: list[tuple[str, str]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def read(sources: Sequence[str], *, recursive: bool, stdin: IO[Any] | None) -> Found:
    """Everything that `sources` name."""
    found = Found()
    for source in sources:
        shown = problems.show(source)[1:-1]
        if source == "-":
            _take("stdin", stdin if stdin is not None else sys.stdin.buffer, found)
        elif source.lower().startswith(("http://", "https://")):
            found.broken.append(f"{shown}: skate does not read URLs yet: download it and name the file")
        elif os.path.isdir(source):
            _take_directory(source, recursive, found)
        elif not os.path.lexists(source):
            found.broken.append(f'the path "{shown}" does not exist')
        else:
            _take_file(source, found)
    return found


def _take_directory(directory: str, recursive: bool, found: Found) -> None:
    shown = problems.show(directory)[1:-1]
    count = 0

    def unreadable(error: OSError) -> None:
        name = problems.show(str(error.filename))[1:-1]
        found.broken.append(f"{name}: {error.strerror}")

    before = len(found.broken)
    for root, directories, files in os.walk(directory, onerror=unreadable):
        directories[:] = sorted(directories) if recursive else []
        for name in sorted(files):
            if name.endswith(EXTENSIONS):
                count += 1
                _take_file(os.path.join(root, name), found)
    if not count and len(found.broken) == before:
        deeper = "" if recursive else " (subdirectories are read with -R)"
        found.broken.append(f"{shown}: no {', '.join(EXTENSIONS[:-1])} or {EXTENSIONS[-1]} file in it{deeper}")


def _take_file(path: str, found: Found) -> None:
    name = problems.show(path)[1:-1]
    try:
        with open(path, "rb") as stream:
            _take(name, stream, found)
    except OSError as error:
        found.broken.append(f"{name}: {error.strerror or error}")
    except ValueError:
        found.broken.append(f"{name}: not a path")


def _take(name: str, stream: IO[Any], found: Found) -> None:
    try:
        raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        found.broken.append(f"{name}: {error.strerror or error}")
        return
    except UnicodeDecodeError:
        found.broken.append(f"{name}: not UTF-8")
        return
    if len(raw) > MAX_BYTES:
        found.broken.append(f"{name}: larger than {MAX_BYTES // 1024 // 1024} MiB: not a manifest")
        return
    if isinstance(raw, str):
        found.texts.append((name, raw))
        return
    try:
        found.texts.append((name, raw.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        found.broken.append(f"{name}:{line}: not UTF-8: byte 0x{raw[error.start]:02x}")
