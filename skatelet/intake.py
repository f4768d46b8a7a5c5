"""From the inbox to a bundle that is followed. What lies in the inbox was put there by an account that is not trusted.

Everything found there is consumed, whatever it is: while the inbox is not empty, PID 1 starts skatelet again and again. Files are
opened relative to the inbox's descriptor, never through a link, never blocking on a pipe, and read up to a bound; directories are
cleared without following anything and without recursion, however deep they are and whoever renames in them meanwhile.

A bundle is checked whole (skatelet.contract.bundle.unpack), then for being ours, newer, and built upon what we have; it is
stored durably before its file in the inbox goes, so that a power cut between the two loses nothing: what then lies there twice is
known by its bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import os
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from skatelet import durable
from skatelet.contract import bundle, drop
from skatelet.paths import Paths

LEFTOVER_SECONDS = 24 * 3600
"""A file in upload/ older than this is half of an upload that will never end."""
MAX_ENTRIES = 10_000
"""How many entries of one directory are handled in one go."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A bundle, or something else in the inbox, that is not followed."""

    generation: int | None
    sha256: str
    reason: str
    message: str


@dataclass(kw_only=True)
class Taken:
    """What came of one look into the inbox."""

    bundle: bundle.Bundle | None = None
    """The newest bundle that was accepted, if any."""
    data: bytes = b""
    refusals: list[Refusal] = field(default_factory=list)
    consumed: list[str] = field(default_factory=list)
    """Every name that was looked at, to be cleared once the status says what came of it."""


def waiting(paths: Paths) -> bool:
    """Whether anything lies in the inbox."""
    with contextlib.suppress(OSError), os.scandir(paths.inbox) as entries:
        return any(True for _ in entries)
    return False


def take(paths: Paths, *, identity: bundle.NodeIdentity | None, own: bundle.Bundle | None, own_data: bytes) -> Taken:
    """Look at all that lies in the inbox: each bundle, in order of generation, is stored if it may follow the one before.

    What was looked at stays there until `clear`: first the status must say which generation is followed. Who reads the inbox and
    then the status so never misses a bundle that is just being taken.
    """
    taken = Taken()
    try:
        inbox = os.open(paths.inbox, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return taken
    try:
        for name in sorted(_names(inbox), key=lambda name: (drop.inbox_generation(name) or 0, name)):
            try:
                data = _read(inbox, name)
                if data != own_data or not data:
                    own = _check(name, data, identity=identity, own=own)
                    durable.write(paths.bundle, data)
                    own_data, taken.bundle, taken.data = data, own, data
            except bundle.BundleError as error:
                taken.refusals.append(_refusal(name, error))
            except OSError as error:
                message = f"it could not be stored: {error.strerror}"
                taken.refusals.append(_refusal(name, bundle.BundleError("StorageFailed", message)))
            taken.consumed.append(name)
    finally:
        os.close(inbox)
    return taken


def clear(paths: Paths, names: Iterable[str]) -> list[str]:
    """Remove `names` from the inbox, whatever they are by now. Gives back what is stuck, with the reason."""
    try:
        inbox = os.open(paths.inbox, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        return [reason for name in names if (reason := _clear_noting(inbox, name))]
    finally:
        os.close(inbox)


def clear_all(paths: Paths) -> list[str]:
    """Remove everything from the inbox unread: the last resort after an error of our own. Gives back what is stuck."""
    with contextlib.suppress(OSError), os.scandir(paths.inbox) as entries:
        return clear(paths, [entry.name for entry in entries])
    return []


def prune(paths: Paths, *, generation: int) -> None:
    """Remove claims up to `generation`, which nobody needs any more, and leftovers of uploads that never ended."""
    for name in _list(paths.claims):
        claimed = drop.claim_generation(name)
        if claimed is not None and claimed <= generation:
            with contextlib.suppress(OSError):
                (paths.claims / name).unlink()
    oldest = time.time() - LEFTOVER_SECONDS
    try:
        upload = os.open(paths.upload, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        for name in _names(upload):
            with contextlib.suppress(OSError):
                if os.stat(name, dir_fd=upload, follow_symlinks=False).st_mtime < oldest:
                    _clear(upload, name)
    finally:
        os.close(upload)


def _list(directory: os.PathLike[str]) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _names(directory: int) -> list[str]:
    found = []
    with os.scandir(directory) as entries:
        for entry in entries:
            found.append(entry.name)
            if len(found) >= MAX_ENTRIES:
                break
    return found


def _read(inbox: int, name: str) -> bytes:
    """The bytes of one plain file. Raises BundleError for everything else."""
    if drop.inbox_generation(name) is None:
        raise bundle.BundleError("NotABundle", f"{name[:100]!r} is no name of a bundle (GENERATION.bundle)")
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        handle = os.open(name, flags, dir_fd=inbox)
    except OSError as error:
        raise bundle.BundleError("NotABundle", f"{name!r} is no plain file: {error.strerror}") from error
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise bundle.BundleError("NotABundle", f"{name!r} is no plain file")
        # The number of links says nothing: OpenSSH's exclusive rename is link and unlink, so for a moment there are two.
        if found.st_size > bundle.MAX_BYTES:
            raise bundle.BundleError("TooLarge", f"{name!r} has {found.st_size} bytes, the limit is {bundle.MAX_BYTES}")
        with os.fdopen(handle, "rb", closefd=False) as stream:
            return stream.read(bundle.MAX_BYTES + 1)
    except OSError as error:
        raise bundle.BundleError("NotABundle", f"{name!r} cannot be read: {error.strerror}") from error
    finally:
        os.close(handle)


class _Refused(bundle.BundleError):
    """A refusal of bytes that were read: their sha256 tells them apart from others."""

    def __init__(self, error: bundle.BundleError, data: bytes) -> None:
        super().__init__(error.reason, str(error))
        self.sha256 = hashlib.sha256(data).hexdigest()


def _check(name: str, data: bytes, *, identity: bundle.NodeIdentity | None, own: bundle.Bundle | None) -> bundle.Bundle:
    """The bundle in `data`, if this node may follow it. Raises BundleError."""
    try:
        new = bundle.unpack(data)
        if identity is None:
            raise bundle.BundleError(
                "NoIdentity", f"this node has no {drop.NODE_CONFIG}: run `skate create node` again"
            )
        _check_index(name, new.index, identity=identity, own=own)
        _check_addresses(new, identity)
    except bundle.BundleError as error:
        raise _Refused(error, data) from error
    return new


def _check_index(
    name: str, index: bundle.BundleIndex, *, identity: bundle.NodeIdentity, own: bundle.Bundle | None
) -> None:
    if index.cluster != identity.cluster or index.node != identity.node:
        raise bundle.BundleError(
            "WrongNode",
            f"it is for node {index.node} of cluster {index.cluster}, this is {identity.node} of {identity.cluster}",
        )
    if index.generation != drop.inbox_generation(name):
        raise bundle.BundleError("Malformed", f"{name} holds generation {index.generation}")
    if own is None:
        return
    if index.generation <= own.index.generation:
        raise bundle.BundleError(
            "OlderGeneration",
            f"it has generation {index.generation}, this node already follows {own.index.generation}",
        )
    if index.parent < own.index.generation:
        author = f" by {own.index.author}" if own.index.author else ""
        raise bundle.BundleError(
            "Conflict",
            f"it was made upon generation {index.parent}; generation {own.index.generation} was published"
            f" in between{author}; apply again",
        )


def _check_addresses(new: bundle.Bundle, identity: bundle.NodeIdentity) -> None:
    subnet = ipaddress.ip_network(identity.subnet)
    for instance in new.instances():
        if not instance.address:
            continue
        try:
            inside = ipaddress.ip_address(instance.address) in subnet
        except ValueError:
            inside = False
        if not inside:
            raise bundle.BundleError(
                "WrongAddress",
                f"{instance.namespace}/{instance.name} has the address {instance.address[:60]},"
                f" which is not in this node's subnet {identity.subnet}",
            )


def _refusal(name: str, error: bundle.BundleError) -> Refusal:
    return Refusal(
        generation=drop.inbox_generation(name),
        sha256=error.sha256 if isinstance(error, _Refused) else "",
        reason=error.reason,
        message=str(error)[:1000],
    )


def _clear_noting(directory: int, name: str) -> str:
    """Why `name` could not be removed; empty when it is gone."""
    try:
        _clear(directory, name)
    except OSError as error:
        return f"{name[:100]!r}: {error.strerror}"
    return ""


def _clear(directory: int, name: str) -> None:
    """Remove `name` from `directory`, whatever it is. Raises OSError when that cannot be done.

    Subdirectories are moved up into `directory` and cleared one by one: one descriptor and no recursion at any depth.
    Renames by somebody else at the same time can at most leave an entry for the next pass.
    """
    pending = [name]
    moved = 0
    while pending:
        current = pending.pop()
        try:
            os.unlink(current, dir_fd=directory)
            continue
        except FileNotFoundError:
            continue
        except (IsADirectoryError, PermissionError):
            pass
        handle = os.open(current, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        try:
            while entries := _names(handle):
                for entry in entries:
                    try:
                        os.unlink(entry, dir_fd=handle)
                    except FileNotFoundError:
                        continue
                    except (IsADirectoryError, PermissionError):
                        target = f".cleared-{os.getpid()}-{moved}"
                        moved += 1
                        os.rename(entry, target, src_dir_fd=handle, dst_dir_fd=directory)
                        pending.append(target)
        finally:
            os.close(handle)
        os.rmdir(current, dir_fd=directory)
