"""The key that bundles travel under: one a registry and cluster, made here, never the operator's own.

It opens the drop account and nothing else, so that deploying needs no root on nodes, and losing it costs no host.
"""

from __future__ import annotations

import getpass
import os
import re
import socket
import tempfile
from pathlib import Path

import asyncssh

from skate import registry
from skate.errors import ConfigError


def ensure(content: registry.Registry, cluster: str, *, registry_path: Path) -> Path:
    """The path of the cluster's drop key, made when it is not there. Call it inside registry.edit, which it changes."""
    entry = content.require(cluster)
    path = Path(entry.drop_key).expanduser() if entry.drop_key else registry_path.absolute().parent / "keys" / cluster
    if not path.exists():
        _make(path)
    entry.drop_key = str(path)
    return path


def line(path: Path) -> str:
    """The line of authorized_keys for the drop key at `path`: no forwarding, no terminal, and whose it is."""
    try:
        key = asyncssh.read_private_key(str(path))
    except (OSError, asyncssh.KeyImportError) as error:
        raise ConfigError(
            f"the drop key {path} cannot be read: {error}",
            hint="move it away, and run `skate create node` again for each node: a new one is made",
        ) from error
    algorithm, blob = key.export_public_key("openssh").decode().split()[:2]
    return f"restrict {algorithm} {blob} {_owner()}"


def _make(path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519", comment=_owner())
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as stream:
            stream.write(key.export_private_key("openssh"))
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise ConfigError(f"the drop key {path} cannot be written: {error}") from error


def _owner() -> str:
    """user@host, with nothing in it that could end the line."""
    return re.sub(r"[^A-Za-z0-9@._-]", "_", f"{getpass.getuser()}@{socket.gethostname()}")
