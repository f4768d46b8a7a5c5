"""Certificates out of Secrets: the files that nginx reads, in memory only.

A file's name tells which version of which Secret it holds. So a run of skatelet that finds the file there unseals nothing. What
was found unfit is remembered in the same way, or each run would unseal and judge it again.
"""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Collection
from pathlib import Path

from skatelet import secrets
from skatelet.certificates.model import Pair, Problem
from skatelet.contract import bundle, issuing

CERTIFICATE, KEY = "tls.crt", "tls.key"


class Served:
    """The files below `directory`, one pair for each TLS Secret that an Ingress names."""

    def __init__(self, directory: Path, source: secrets.Secrets) -> None:
        self._directory = directory
        self._secrets = source

    def pair(self, followed: bundle.Bundle, request: issuing.Request) -> Pair | Problem:
        """The files of the Secret that `request` names, written where they are not there yet."""
        version = self._secrets.version(followed, request.namespace, request.secret)[:32]
        pair = Pair(chain=self._directory / f"{version}.crt", key=self._directory / f"{version}.key", digest=version)
        if pair.chain.exists() and pair.key.exists():
            return pair
        unfit = self._directory / f"{version}.unfit"
        with contextlib.suppress(OSError):
            return _problem(request, "Unfit", unfit.read_text())
        try:
            return self._write(followed, request, pair, unfit)
        except secrets.SecretError as error:
            return _problem(request, error.reason, error.message)
        except OSError as error:
            return _problem(request, "StorageFailed", f"{self._directory} cannot be written: {error.strerror}")

    def forget(self, kept: Collection[Pair]) -> None:
        """Remove the files of Secrets that are no longer named, or have changed."""
        stems = {pair.chain.stem for pair in kept}
        with contextlib.suppress(FileNotFoundError):
            for path in self._directory.iterdir():
                # What is unfit stays until the next boot: it holds nothing, and saves judging it again.
                if path.stem not in stems and path.suffix != ".unfit":
                    path.unlink(missing_ok=True)

    def _write(self, followed: bundle.Bundle, request: issuing.Request, pair: Pair, unfit: Path) -> Pair | Problem:
        manifest = self._secrets.manifest(followed, request.namespace, request.secret) or {}
        if manifest.get("type") != issuing.TLS_TYPE:
            kind = str(manifest.get("type") or "Opaque")
            return _problem(request, "Unfit", f"the Secret is of type {kind}, not {issuing.TLS_TYPE}")
        data = self._secrets.get(followed, request.namespace, request.secret) or {}
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory.parent.chmod(0o700)
        _put(pair.key, data.get(KEY, b""))
        _put(pair.chain.with_suffix(".new"), data.get(CERTIFICATE, b""))
        wrong = judge(pair.chain.with_suffix(".new"), pair.key)
        if wrong:
            pair.key.unlink()
            pair.chain.with_suffix(".new").unlink()
            _put(unfit, wrong.encode())
            return _problem(request, "Unfit", wrong)
        pair.chain.with_suffix(".new").rename(pair.chain)
        return pair


def judge(chain: Path, key: Path) -> str:
    """What makes a pair of files unusable for a server, in words; empty when it can be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(chain, key, password=lambda: b"")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return "the key does not fit the certificate"
        return f"no server can use its certificate and key: {(error.reason or 'they are not in PEM').lower()}"
    except (OSError, ValueError, TypeError):
        return "no server can use its certificate and key"
    return ""


def _problem(request: issuing.Request, reason: str, message: str) -> Problem:
    return Problem(namespace=request.namespace, secret=request.secret, reason=reason, message=message)


def _put(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
    temporary.rename(path)
