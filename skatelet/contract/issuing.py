"""Which certificates an Ingress asks for, and from whom: what both sides have to agree on. Pure.

`skate apply` makes the account's key, and says whom it will be used with; the nodes ask for the certificates. cert-manager's
words are understood (https://cert-manager.io/docs/configuration/acme/); what is not said has a default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

ANNOTATION = "cert-manager.io/cluster-issuer"
ACCOUNT_NAMESPACE = "skate-system"
"""Where the accounts' keys are kept, as cert-manager keeps them in its own namespace."""
ACCOUNT_KEY = "tls.key"
"""The name of the account's key in its Secret: an EC key on P-256, in PEM."""
TLS_TYPE = "kubernetes.io/tls"
_CLASS = "kubernetes.io/ingress.class"
_CLASSES = ("", "nginx", "skate")
"""An Ingress of another class is somebody else's, and so are its certificates."""


@dataclass(frozen=True, kw_only=True)
class Issuer:
    """Who signs certificates, by ACME."""

    name: str
    server: str
    """The address of the ACME directory."""
    email: str = ""
    account: str
    """The name of the Secret with the account's key, in ACCOUNT_NAMESPACE."""


LETS_ENCRYPT = Issuer(
    name="letsencrypt", server="https://acme-v02.api.letsencrypt.org/directory", account="letsencrypt-account"
)
"""Who is asked where the catalogue has no ClusterIssuer: Let's Encrypt, and not its staging, which no browser trusts."""
TERMS = "https://letsencrypt.org/repository/"


@dataclass(frozen=True, kw_only=True)
class Request:
    """One certificate: what the entries of `spec.tls` with one secretName ask for together."""

    namespace: str
    secret: str
    hosts: tuple[str, ...]
    issuer: str = ""
    """What the annotation names; empty where there is none."""
    ingresses: tuple[str, ...] = ()
    """The names of the Ingresses that ask for it."""


def issuer_of(manifest: Mapping[str, Any]) -> Issuer:
    """A ClusterIssuer's manifest, validated already."""
    acme = manifest["spec"]["acme"]
    return Issuer(
        name=str(manifest["metadata"]["name"]),
        server=str(acme["server"]),
        email=str(acme.get("email") or ""),
        account=str(acme["privateKeySecretRef"]["name"]),
    )


def choose(request: Request, issuers: Iterable[Issuer]) -> Issuer | str:
    """Who is to sign `request`; a sentence where that cannot be told."""
    known = {issuer.name: issuer for issuer in issuers}
    if request.issuer:
        if request.issuer in known:
            return known[request.issuer]
        if not known and request.issuer == LETS_ENCRYPT.name:
            return LETS_ENCRYPT
        return f"there is no ClusterIssuer {request.issuer!r}, which the annotation {ANNOTATION} names"
    if len(known) > 1:
        return f"there are {len(known)} ClusterIssuers: name one with the annotation {ANNOTATION}"
    return next(iter(known.values()), LETS_ENCRYPT)


def requests(ingresses: Iterable[Mapping[str, Any]]) -> list[Request]:
    """What Ingresses ask for by `spec.tls`, one a secretName; where an entry names no hosts, those of the rules.

    Entries without secretName ask for nothing: they are served with the certificate that there is.
    """
    found: dict[tuple[str, str], Request] = {}
    for manifest in sorted(ingresses, key=lambda item: (_text(item, "namespace"), _text(item, "name"))):
        spec = manifest.get("spec") or {}
        annotations = manifest["metadata"].get("annotations") or {}
        if str(spec.get("ingressClassName") or annotations.get(_CLASS) or "") not in _CLASSES:
            continue
        of_rules = [str(rule["host"]) for rule in spec.get("rules") or [] if rule.get("host")]
        for entry in spec.get("tls") or []:
            name = str(entry.get("secretName") or "")
            if not name:
                continue
            key = (_text(manifest, "namespace"), name)
            hosts = [str(host).lower() for host in entry.get("hosts") or of_rules]
            before = found.get(key) or Request(namespace=key[0], secret=name, hosts=())
            found[key] = Request(
                namespace=key[0],
                secret=name,
                hosts=tuple(sorted({*before.hosts, *hosts})),
                issuer=before.issuer or str(annotations.get(ANNOTATION) or ""),
                ingresses=tuple(dict.fromkeys((*before.ingresses, _text(manifest, "name")))),
            )
    return sorted(found.values(), key=lambda item: (item.namespace, item.secret))


def _text(manifest: Mapping[str, Any], name: str) -> str:
    return str(manifest["metadata"].get(name) or "")
