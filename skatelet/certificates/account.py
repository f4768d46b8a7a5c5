"""The thumbprint of an account's key: with it every node answers any challenge by itself (RFC 8555 8.1, RFC 7638).

Only the public half of the key is needed, and an EC key in PEM has it in it; so no program is started for it.
"""

from __future__ import annotations

import base64
import hashlib
import re

_PEM = re.compile(rb"-----BEGIN (?:EC )?PRIVATE KEY-----\s+([A-Za-z0-9+/=\s]+?)-----END (?:EC )?PRIVATE KEY-----")
_P256 = bytes.fromhex("06082a8648ce3d030107")
"""DER: the OID of the curve P-256."""
_POINT = bytes.fromhex("a14403420004")
"""DER: ECPrivateKey.publicKey (RFC 5915), a BIT STRING of an uncompressed point of 64 bytes."""


class AccountKeyError(ValueError):
    """The account's key is none that can be used. The message holds nothing of it."""


def thumbprint(pem: bytes) -> str:
    """The thumbprint of the EC key in `pem` (PKCS #8 or SEC 1), as it stands in answers. Raises AccountKeyError."""
    found = _PEM.search(pem)
    try:
        der = base64.b64decode(b"".join(found[1].split()), validate=True) if found else b""
    except ValueError:
        der = b""
    start = der.find(_POINT)
    point = der[start + len(_POINT) :][:64]
    if _P256 not in der or start < 0 or len(point) != 64:
        raise AccountKeyError("it holds no EC key on the curve P-256 in PEM, without a password")
    # RFC 7638 3: members in this order, no spaces.
    jwk = f'{{"crv":"P-256","kty":"EC","x":"{encoded(point[:32])}","y":"{encoded(point[32:])}"}}'
    return encoded(hashlib.sha256(jwk.encode()).digest())


def encoded(data: bytes) -> str:
    """base64url without padding (RFC 7515 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
