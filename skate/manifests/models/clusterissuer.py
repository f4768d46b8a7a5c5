"""ClusterIssuer of cert-manager.io/v1 (https://cert-manager.io/docs/reference/api-docs/): who signs certificates.

Only ACME, and only by HTTP-01 (RFC 8555): the nodes answer the challenge themselves, so `solvers` says nothing that they need.
"""

from __future__ import annotations

import re
import urllib.parse
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from skate.manifests import problems
from skate.manifests.models import meta, scalars

_EMAIL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9.!#$%&*+/=?^_`{|}~-]{0,63}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
MAX_URL = 512


def _server(value: str) -> str:
    sentence = "must be the https:// address of an ACME directory"
    if not value:
        raise problems.errors(problems.required(()))
    try:
        parts = urllib.parse.urlsplit(value)
        good = parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        good = False
    if not good or len(value) > MAX_URL or not re.fullmatch(r"https://[A-Za-z0-9._~:/?&=%\[\]-]+", value):
        raise problems.errors(problems.invalid((), value, sentence))
    return value


def _email(value: str) -> str:
    if value and not _EMAIL.fullmatch(value):
        raise problems.errors(problems.invalid((), value, "must be an email address (e.g. 'admin@example.com')"))
    return value


class IssuerSecretKeySelector(scalars.Model):
    """Where the account's key is kept; the key's name in the Secret is not for the user to choose."""

    name: scalars.DnsSubdomain

    @classmethod
    def kubernetes_type(cls) -> str:
        return "cert-manager.SecretKeySelector"


class ACMEChallengeSolverHTTP01Ingress(scalars.Model):
    ingress_class_name: scalars.OptionalDnsSubdomain = ""
    class_: scalars.OptionalDnsSubdomain = Field(default="", alias="class")


class ACMEChallengeSolverHTTP01(scalars.Model):
    ingress: ACMEChallengeSolverHTTP01Ingress


class ACMEChallengeSolver(scalars.Model):
    http01: ACMEChallengeSolverHTTP01


class ACMEIssuer(scalars.Model):
    server: Annotated[scalars.Text, AfterValidator(_server)]
    email: Annotated[scalars.Text, AfterValidator(_email)] = ""
    private_key_secret_ref: IssuerSecretKeySelector
    solvers: list[ACMEChallengeSolver] = Field(default_factory=list)


class IssuerSpec(scalars.Model):
    acme: ACMEIssuer


class ClusterIssuer(scalars.Model):
    api_version: Literal["cert-manager.io/v1"]
    kind: Literal["ClusterIssuer"]
    metadata: meta.ClusterMeta
    spec: IssuerSpec
