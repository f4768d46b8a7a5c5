"""What the certificates' reconciler hands to ingress, and where its files lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from skatelet.paths import Paths


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A certificate as nginx reads it: two files in PEM, there whole. Another certificate has other paths."""

    chain: Path
    """The certificate, and those that lead to its root."""
    key: Path
    digest: str
    """The same for the same certificate and key, and for no others."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why a certificate is not as it should be. `reason` is one CamelCase word."""

    namespace: str
    secret: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.secret}: {self.message}"


def in_memory(paths: Paths) -> Path:
    """Where plaintext out of Secrets is put for programs that read files: gone after a boot, readable for root only."""
    return paths.below("/run/skatelet-certificates")
