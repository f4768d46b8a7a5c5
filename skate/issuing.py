"""The accounts that nodes ask for certificates with: one an issuer, shared by all nodes, its key a sealed Secret like any other.

Shared, because then the answer to a challenge (RFC 8555 8.1) is the same on every node, and whichever node is asked can give it.
The key is made by the first `apply` that needs it and is never made anew while its Secret is there.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from skate import catalogue, sealing
from skatelet.contract import bundle, issuing


class Accounts:
    """Makes accounts' keys for one command: what it made once, it gives back again when the change is made anew."""

    def __init__(self, sealer: sealing.Sealer) -> None:
        self._sealer = sealer
        self._made: dict[str, Mapping[str, Any]] = {}

    def ensured(self, current: catalogue.Catalogue, *, now: str) -> tuple[catalogue.Catalogue, list[str]]:
        """The catalogue with the Secret of every account that is needed and missing, and notes for the user.

        Raises ConfigError where such a Secret cannot be sealed.
        """
        notes: list[str] = []
        objects = dict(current.objects)
        for issuer in needed(current):
            key = ("Secret", issuing.ACCOUNT_NAMESPACE, issuer.account)
            if key in objects:
                continue
            manifest = self._sealer.seal(self._account(issuer.account), before=None, cluster=current.cluster)
            objects[key] = bundle.CatalogueObject(manifest=manifest, created=now)
            notes.append(
                f"made the account key secret/{issuer.account} in {issuing.ACCOUNT_NAMESPACE} for {issuer.server}"
            )
            if issuer == issuing.LETS_ENCRYPT:
                notes.append(
                    "certificates come from Let's Encrypt, its production service, because there is no ClusterIssuer:"
                    f" by going on you agree to its terms of service, {issuing.TERMS}"
                )
        return (replace(current, objects=objects) if notes else current), notes

    def _account(self, name: str) -> Mapping[str, Any]:
        if name not in self._made:
            self._made[name] = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {
                    "name": name,
                    "namespace": issuing.ACCOUNT_NAMESPACE,
                    "labels": {"app.kubernetes.io/managed-by": "skate"},
                },
                "type": "Opaque",
                "data": {issuing.ACCOUNT_KEY: base64.b64encode(_generate()).decode()},
            }
        return self._made[name]


def needed(current: catalogue.Catalogue) -> list[issuing.Issuer]:
    """Every issuer that an account is needed for: each ClusterIssuer, and the implicit one where it would be asked."""
    issuers = [issuing.issuer_of(manifest) for manifest in _of_kind(current, "ClusterIssuer")]
    if issuers:
        return sorted(issuers, key=lambda issuer: issuer.name)
    asked = (
        issuing.choose(request, issuers)
        for request in issuing.requests(_of_kind(current, "Ingress"))
        if ("Secret", request.namespace, request.secret) not in current.objects
    )
    return [issuing.LETS_ENCRYPT] if issuing.LETS_ENCRYPT in asked else []


def _of_kind(current: catalogue.Catalogue, kind: str) -> Iterable[Mapping[str, Any]]:
    return [item.manifest for key, item in current.objects.items() if key[0] == kind]


def _generate() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
