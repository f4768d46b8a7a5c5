"""Secrets of type kubernetes.io/tls, looked at before they are sealed: afterwards nobody but the nodes could say what is wrong.

No message holds anything of a key, nor of what could not be read as a certificate.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import TYPE_CHECKING

from skate import sealing
from skate.errors import ManifestError

if TYPE_CHECKING:
    from cryptography import x509

    from skate import manifests

TYPE = "kubernetes.io/tls"
CERTIFICATE, KEY = "tls.crt", "tls.key"


def check(applied: Iterable[manifests.Manifest], *, now: datetime.datetime) -> list[str]:
    """Warnings about the TLS Secrets among `applied`. Raises ManifestError for those that no server could use."""
    warnings: list[str] = []
    mistakes: list[str] = []
    for manifest in applied:
        if manifest.kind == "Secret" and manifest.data.get("type") == TYPE and manifest.data.get("sealed") is None:
            title = f"{manifest.source}: Secret {manifest.namespace}/{manifest.name}"
            data = sealing.plain_data(manifest.data)
            wrong, doubts = judge(data.get(CERTIFICATE, b""), data.get(KEY, b""), now=now)
            mistakes += [f"{title}: {sentence}" for sentence in wrong]
            warnings += [f"{title}: {sentence}" for sentence in doubts]
    if mistakes:
        count = "one mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        raise ManifestError(f"{count} in the manifests", details=mistakes, hint="nothing has been changed")
    return warnings


def judge(certificate: bytes, key: bytes, *, now: datetime.datetime) -> tuple[list[str], list[str]]:
    """What makes a certificate (PEM, its chain behind it) and key (PEM) unusable, and what is doubtful about them."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    wrong: list[str] = []
    doubts: list[str] = []
    chain: list[x509.Certificate] = []
    try:
        chain = x509.load_pem_x509_certificates(certificate)
    except ValueError:
        wrong.append(f"data.{CERTIFICATE}: Invalid value: must be certificates in PEM, the server's own first")
    try:
        private = serialization.load_pem_private_key(key, password=None)
    except TypeError:
        wrong.append(f"data.{KEY}: Invalid value: the key is encrypted: store it without a password")
    except Exception:  # ValueError, UnsupportedAlgorithm, and what OpenSSL's own errors become in some versions
        wrong.append(f"data.{KEY}: Invalid value: must be a private key in PEM")
    else:
        if chain and _public_bytes(private.public_key()) != _public_bytes(chain[0].public_key()):
            wrong.append(f"data.{KEY}: Invalid value: the key does not fit the first certificate in {CERTIFICATE}")
    if chain:
        doubts += _doubts(chain[0], now)
    return wrong, doubts


def _doubts(leaf: x509.Certificate, now: datetime.datetime) -> list[str]:
    begin, end = _validity(leaf)
    if end < now:
        return [f"data.{CERTIFICATE}: the certificate expired on {end:%Y-%m-%d}"]
    if begin > now:
        return [f"data.{CERTIFICATE}: the certificate is valid only from {begin:%Y-%m-%d}"]
    return []


def _validity(leaf: x509.Certificate) -> tuple[datetime.datetime, datetime.datetime]:
    if hasattr(leaf, "not_valid_after_utc"):
        return leaf.not_valid_before_utc, leaf.not_valid_after_utc
    # Before cryptography 42 these are UTC without saying so.
    return leaf.not_valid_before.replace(tzinfo=datetime.UTC), leaf.not_valid_after.replace(tzinfo=datetime.UTC)


def _public_bytes(key: object) -> bytes:
    from cryptography.hazmat.primitives import serialization

    encoded: bytes = key.public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded
