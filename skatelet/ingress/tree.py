"""The files that nginx reads, below /run: a tree for each version of them, and `current`, which leads to the one that is served.

    current -> tree-<digest>            swapped by rename: nginx reads the old tree or the new one
    tree-<digest>/nginx.conf            with paths relative to itself
    tree-<digest>/tls/<digest>.crt, .key
    tree-<digest>/users/<digest>.users  readable for the workers: they open it at each request
    self-signed.crt, .key               shown where there is no other certificate; made once a boot
    state.json                          what the tree was made from
    temp/                               nginx's own

The master reads certificates as root; nobody else can.
"""

from __future__ import annotations

import contextlib
import grp
import hashlib
import json
import os
import shutil
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skatelet.ingress import configuration, model
from skatelet.system import command

DAYS = 3650


@dataclass(frozen=True, kw_only=True)
class Tree:
    """The directory that all of it lies in."""

    root: Path
    account: str
    """The user and group of nginx's workers."""

    @property
    def current(self) -> Path:
        return self.root / "current"

    @property
    def group(self) -> int:
        """The numeric group of nginx's workers. Raises OSError where there is none."""
        try:
            return grp.getgrnam(self.account).gr_gid
        except KeyError as error:
            raise OSError(f"there is no group {self.account}: systemd-sysusers makes it") from error

    @property
    def pid(self) -> Path:
        return self.root / "nginx.pid"

    @property
    def served(self) -> str:
        """The name of the tree that is served; empty where there is none."""
        try:
            return os.readlink(self.current)
        except OSError:
            return ""

    def state(self) -> dict[str, Any]:
        """What `remember` wrote last; empty where nothing was, or it cannot be read."""
        try:
            data = json.loads((self.root / "state.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}

    def remember(self, data: Mapping[str, Any]) -> None:
        """Raises OSError."""
        self._write(self.root / "state.json.new", json.dumps(data, sort_keys=True).encode(), 0o600)
        os.rename(self.root / "state.json.new", self.root / "state.json")

    def prepare(self) -> None:
        """Make the directories, and the self-signed certificate. Raises OSError and command.CommandError."""
        for path in (self.root, self.root / "temp", self.root / "test", self.root / "test/temp"):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o755)
        chain, key = (self.root / f"{configuration.SELF_SIGNED}.{ending}" for ending in ("crt", "key"))
        if not (chain.exists() and key.exists()):
            made = [chain.with_suffix(".crt.new"), key.with_suffix(".key.new")]
            self._write(made[1], b"", 0o600)
            subject = ["-subj", "/O=skate/CN=self-signed", "-addext", "subjectAltName=DNS:self-signed.invalid"]
            algorithm = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
            files = ["-out", str(made[0]), "-keyout", str(made[1])]
            command.run(["openssl", "req", "-x509", "-days", str(DAYS), *algorithm, *subject, *files])
            os.rename(made[1], key)
            os.rename(made[0], chain)

    def stage(self, text: str, served: model.Model) -> str:
        """Write the tree of `text`, the configuration of `served`; its name. One that is there already is left as it is.

        Raises OSError.
        """
        pairs = {configuration.pair_name(server.certificate): server.certificate for server in served.servers}
        name = f"tree-{hashlib.sha256(text.encode()).hexdigest()[:32]}"
        target, staging = self.root / name, self.root / f"{name}.new"
        if target.exists():
            return name
        shutil.rmtree(staging, ignore_errors=True)
        for path, mode in ((staging, 0o755), (staging / "tls", 0o700), (staging / "users", 0o750)):
            path.mkdir()
            path.chmod(mode)
        for pair_name, pair in pairs.items():
            chain, key = self._sources(pair)
            self._write(staging / f"tls/{pair_name}.crt", chain.read_bytes(), 0o600)
            self._write(staging / f"tls/{pair_name}.key", key.read_bytes(), 0o600)
        group = self.group if served.files else -1
        os.chown(staging / "users", -1, group)
        for file, content in served.files.items():
            self._write(staging / "users" / file, content, 0o640, group=group)
        self._write(staging / configuration.CONFIGURATION, text.encode(), 0o644)
        os.rename(staging, target)
        return name

    def serve(self, name: str) -> None:
        """Let `current` lead to the tree `name`. Raises OSError."""
        link = self.root / "current.new"
        with contextlib.suppress(FileNotFoundError):
            link.unlink()
        link.symlink_to(name)
        os.rename(link, self.current)

    def tidy(self) -> None:
        """Remove every tree but the one that is served."""
        for path in self.root.glob("tree-*"):
            if path.name != self.served:
                shutil.rmtree(path, ignore_errors=True)

    def remove(self) -> bool:
        """Remove all of it; whether there was anything."""
        there = self.root.exists()
        shutil.rmtree(self.root, ignore_errors=True)
        return there

    def _sources(self, pair: model.Pair | None) -> tuple[Path, Path]:
        if pair is not None:
            return Path(pair.chain), Path(pair.key)
        return self.root / f"{configuration.SELF_SIGNED}.crt", self.root / f"{configuration.SELF_SIGNED}.key"

    @staticmethod
    def _write(path: Path, data: bytes, mode: int, *, group: int = -1) -> None:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            os.fchown(handle, -1, group)
            os.fchmod(handle, mode)


def unusable(pair: model.Pair) -> str:
    """Why a certificate cannot be served: unreadable, or a key that is not its own; empty where it can."""
    # An encrypted key must fail and not ask for its passphrase: hence the empty one.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(pair.chain, pair.key, password="")
    except ssl.SSLError as error:
        return f"certificate and key cannot be used: {error.reason or 'not in PEM form, or with a passphrase'}"
    except (OSError, ValueError) as error:
        return f"certificate and key cannot be read: {error}"
    return ""
