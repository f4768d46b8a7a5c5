"""Secrets out of the bundle, unsealed with this node's key when something on the node wants them, and kept nowhere but in memory.

PyNaCl comes from the distribution and is imported when the first box is opened: most runs of skatelet open none. It lies with the
machine's own Python modules, which skatelet otherwise leaves out of its path.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import sys
from collections.abc import Iterator
from typing import Any

from skatelet.contract import bundle, canonical, sealed
from skatelet.paths import Paths

DISTRIBUTION = "/usr/lib/python3/dist-packages"


class SecretError(Exception):
    """A Secret that cannot be unsealed. `reason` is NoKey, WrongKey or Damaged; the message holds nothing of its content."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Secrets:
    """The Secrets of the bundle that is followed."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._opened: dict[tuple[str, str], tuple[str, dict[str, bytes]]] = {}

    def get(self, followed: bundle.Bundle, namespace: str, name: str) -> dict[str, bytes] | None:
        """The data of a Secret; None where there is none of that name. Raises SecretError."""
        manifest = self.manifest(followed, namespace, name)
        return None if manifest is None else self._open(manifest, namespace, name)

    def manifest(self, followed: bundle.Bundle, namespace: str, name: str) -> dict[str, Any] | None:
        """The Secret as it stands in the catalogue, sealed; None where there is none. Raises SecretError."""
        raw = followed.files.get(f"catalogue/objects/secret/{namespace}/{name}.yaml")
        if raw is None:
            return None
        try:
            return bundle.CatalogueObject.model_validate(canonical.load(raw)).manifest
        except bundle.UNREADABLE:
            raise SecretError("Damaged", f"the Secret {namespace}/{name} cannot be read") from None

    def version(self, followed: bundle.Bundle, namespace: str, name: str) -> str:
        """What changes when the Secret does, without unsealing it; empty where there is none. Holds nothing of its content."""
        raw = followed.files.get(f"catalogue/objects/secret/{namespace}/{name}.yaml")
        return "" if raw is None else hashlib.sha256(raw).hexdigest()

    def _open(self, manifest: dict[str, Any], namespace: str, name: str) -> dict[str, bytes]:
        title = f"the Secret {namespace}/{name}"
        try:
            part = sealed.of(manifest)
            if part is None:
                raise sealed.DamagedError("it is not sealed")
            known = self._opened.get((namespace, name))
            if known is not None and known[0] == part.box:
                return known[1]
            payload = self._unseal(part, title)
            data = sealed.data_of(payload, namespace=namespace, name=name)
        except sealed.DamagedError as error:
            raise SecretError("Damaged", f"{title} cannot be unsealed: {error}") from None
        self._opened[namespace, name] = (part.box, data)
        return data

    def _unseal(self, part: sealed.Sealed, title: str) -> bytes:
        private = self._private_key()
        with _distribution_on_path():
            try:
                from nacl import exceptions, public
            except ImportError as error:
                message = f"{title} cannot be unsealed: python3-nacl is not installed here ({error})"
                raise SecretError("NoKey", message) from None
        key = public.PrivateKey(private)
        ours = sealed.key_id(bytes(key.public_key))
        if part.key != ours:
            message = (
                f"{title} is sealed to the key {part.key}, this node has {ours}: run `skate create node` for it again"
            )
            raise SecretError("WrongKey", message)
        try:
            return bytes(public.SealedBox(key).decrypt(base64.b64decode(part.box, validate=True)))
        except (exceptions.CryptoError, ValueError):
            raise SecretError("Damaged", f"{title} cannot be unsealed: its box is damaged; apply it again") from None

    def _private_key(self) -> bytes:
        path = self._paths.seal_key
        try:
            return sealed.decode_key(path.read_bytes())
        except FileNotFoundError:
            words = "it is not there"
        except OSError as error:
            words = str(error.strerror)
        except sealed.DamagedError as error:
            words = str(error)
        raise SecretError(
            "NoKey",
            f"Secrets cannot be unsealed: {sealed.KEY_FILE}: {words}: run `skate create node` for this node again",
        )


@contextlib.contextmanager
def _distribution_on_path() -> Iterator[None]:
    sys.path.append(DISTRIBUTION)
    try:
        yield
    finally:
        sys.path.remove(DISTRIBUTION)
