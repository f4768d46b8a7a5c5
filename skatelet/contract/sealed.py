"""A Secret as it stands in the catalogue: sealed. What both sides have to agree on; the sealing itself is done elsewhere.

The manifest stands there without `data` and `stringData`, and with

    sealed:
      box: …            base64 of a libsodium sealed box of the payload
      fingerprint: …    hex; equal for equal payloads, and only to be had with the private key
      key: …            the short name of the public key it is sealed to
      keys: [a, b]      the names of the data, sorted

The payload names the Secret it belongs to: a box that somebody copies into another Secret does not open there.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from skatelet.contract.models import Model

KEY_BYTES = 32
KEY_FILE = "/etc/skate/seal.key"
"""The private key on a node, as `encode_key` writes it: readable for root only."""


class Sealed(Model):
    """The field `sealed` of a Secret in the catalogue."""

    box: str
    fingerprint: str
    key: str
    keys: list[str]


class DamagedError(ValueError):
    """What should be a sealed Secret, its payload, or a key, is none. The message holds nothing of its content."""


def of(manifest: Mapping[str, Any]) -> Sealed | None:
    """The sealed part of a Secret's manifest; None where it has none. Raises DamagedError."""
    data = manifest.get("sealed")
    if data is None:
        return None
    try:
        return Sealed.model_validate(data)
    except ValidationError:
        raise DamagedError("its field `sealed` cannot be read") from None


def key_id(public: bytes) -> str:
    """The short name of a public key."""
    return hashlib.sha256(b"skate seal key\0" + public).hexdigest()[:16]


def fingerprint(private: bytes, payload: bytes) -> str:
    """What tells an unchanged payload. Keyed, so that nobody can try out passwords against the catalogue."""
    key = hashlib.blake2b(private, digest_size=32, person=b"skate secret fp").digest()
    return hashlib.blake2b(payload, digest_size=16, key=key).hexdigest()


def encode_key(key: bytes) -> bytes:
    """A private or public key as one line of text."""
    return base64.b64encode(key) + b"\n"


def decode_key(text: str | bytes) -> bytes:
    """The key that `encode_key` wrote. Raises DamagedError."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        raise DamagedError("it is no seal key") from None
    if len(key) != KEY_BYTES:
        raise DamagedError("it is no seal key")
    return key


def payload(namespace: str, name: str, data: Mapping[str, bytes]) -> bytes:
    """What goes into the box: the same for the same data, whatever their order."""
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    content = {"data": encoded, "name": name, "namespace": namespace}
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def data_of(payload: bytes, *, namespace: str, name: str) -> dict[str, bytes]:
    """The data in an opened box. Raises DamagedError, also for a box that belongs to another Secret."""
    try:
        content = json.loads(payload)
        owner = (content["namespace"], content["name"])
        data = {str(key): base64.b64decode(value, validate=True) for key, value in content["data"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DamagedError("what was sealed is no Secret's data") from None
    if owner != (namespace, name):
        raise DamagedError(f"it was sealed as the Secret {owner[0]}/{owner[1]}, not as this one")
    return data
