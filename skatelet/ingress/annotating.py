"""What the annotations of an Ingress mean: those of ingress-nginx that people use, with its defaults. Pure.

A value that cannot be taken leaves the default, and is a problem. Where the annotation guards something (who may come in, and
with which password), the default would be an open door: then the Ingress is closed, its paths answer 503.
https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from skatelet.ingress import model, quoting

PREFIX = "nginx.ingress.kubernetes.io/"
CLASS = "kubernetes.io/ingress.class"
CLASSES = ("nginx", "skate")
USERS_KEY = "auth"
"""The key of a Secret that a file of users and passwords (htpasswd) stands in."""
MAX_USERS_BYTES = 1024 * 1024

_KNOWN = frozenset(
    {
        "allowlist-source-range",
        "auth-realm",
        "auth-secret",
        "auth-secret-type",
        "auth-type",
        "backend-protocol",
        "denylist-source-range",
        "enable-access-log",
        "force-ssl-redirect",
        "proxy-body-size",
        "proxy-connect-timeout",
        "proxy-read-timeout",
        "proxy-send-timeout",
        "rewrite-target",
        "ssl-redirect",
        "use-regex",
        "whitelist-source-range",
    }
)
_GUARDS = ("auth-tls-", "auth-url", "enable-modsecurity", "satisfy")
"""Annotations that keep somebody out and that are not done here: without them all would come in."""

Secrets = Mapping[tuple[str, str], Mapping[str, bytes] | None]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Read:
    """The annotations of one Ingress."""

    options: model.Options
    file: bytes | None = None
    """The content of `options.users`."""
    problems: tuple[tuple[str, str], ...] = ()
    """Reason and message."""


@dataclass(kw_only=True)
class _Reading:
    values: Mapping[str, str]
    problems: list[tuple[str, str]] = field(default_factory=list)
    closed: bool = False

    def take(self, name: str, default: T, convert: Callable[[str], T]) -> T:
        value = self.values.get(name)
        if value is None:
            return default
        try:
            return convert(value)
        except quoting.Refused as error:
            self.problems.append(("InvalidAnnotation", f"{PREFIX}{name} {error}"))
            return default

    def close(self, reason: str, message: str) -> None:
        self.problems.append((reason, f"{message}: its paths answer 503"))
        self.closed = True


def secret_of(metadata: Mapping[str, Any]) -> tuple[str, str] | None:
    """Namespace and name of the Secret that an Ingress takes its users from; None where it asks for none, or a foreign one."""
    values = _values(metadata)
    namespace, _, name = values.get("auth-secret", "").rpartition("/")
    own = str(metadata["namespace"])
    return (own, name) if "auth-type" in values and name and namespace in ("", own) else None


def class_of(manifest: Mapping[str, Any]) -> str:
    """The class an Ingress names; empty where it names none."""
    annotations = manifest["metadata"].get("annotations") or {}
    return str((manifest.get("spec") or {}).get("ingressClassName") or annotations.get(CLASS) or "")


def read(metadata: Mapping[str, Any], secrets: Secrets) -> Read:
    """What the annotations in `metadata` say, with the Secrets in clear that `secret_of` named."""
    reading = _Reading(values=_values(metadata))
    for name in sorted(set(reading.values) - _KNOWN):
        if name.startswith(_GUARDS):
            reading.close("UnsupportedAnnotation", f"{PREFIX}{name} guards access and is not supported")
        else:
            reading.problems.append(("UnsupportedAnnotation", f"{PREFIX}{name} is not supported, and ignored"))
    allow = _ranges(reading, "whitelist-source-range") + _ranges(reading, "allowlist-source-range")
    deny = _ranges(reading, "denylist-source-range")
    users, file = _users(reading, metadata, secrets)
    rewrite = reading.take("rewrite-target", "", _checked(quoting.rewrite))
    options = model.Options(
        protocol=reading.take("backend-protocol", "http", _protocol),
        redirect=_redirect(reading),
        body_size=reading.take("proxy-body-size", "1m", quoting.size),
        connect_seconds=reading.take("proxy-connect-timeout", 2, quoting.seconds),
        read_seconds=reading.take("proxy-read-timeout", 60, quoting.seconds),
        send_seconds=reading.take("proxy-send-timeout", 60, quoting.seconds),
        rewrite=rewrite,
        regex=bool(rewrite) or reading.take("use-regex", False, _boolean),
        allow=allow,
        deny=deny,
        realm=reading.take("auth-realm", "Authentication Required", _checked(quoting.realm)) if users else "",
        users=users,
        access_log=reading.take("enable-access-log", False, _boolean),
        closed=reading.closed,
    )
    return Read(options=options, file=file, problems=tuple(reading.problems))


def _values(metadata: Mapping[str, Any]) -> dict[str, str]:
    annotations = metadata.get("annotations") or {}
    return {
        str(name).removeprefix(PREFIX): str(value)
        for name, value in annotations.items()
        if str(name).startswith(PREFIX)
    }


def _redirect(reading: _Reading) -> Any:
    if reading.take("force-ssl-redirect", False, _boolean):
        return "always"
    return "tls" if reading.take("ssl-redirect", True, _boolean) else "never"


def _ranges(reading: _Reading, name: str) -> tuple[str, ...]:
    text = reading.values.get(name)
    if text is None:
        return ()
    try:
        return tuple(sorted({quoting.cidr(part) for part in text.split(",")}))
    except quoting.Refused as error:
        reading.close("InvalidAnnotation", f"{PREFIX}{name} {error}")
        return ()


def _users(reading: _Reading, metadata: Mapping[str, Any], secrets: Secrets) -> tuple[str, bytes | None]:
    kind = reading.values.get("auth-type")
    if kind is None:
        if "auth-secret" in reading.values:
            reading.close("InvalidAnnotation", f"{PREFIX}auth-secret needs {PREFIX}auth-type: basic")
        return "", None
    if kind != "basic" or reading.values.get("auth-secret-type", "auth-file") != "auth-file":
        reading.close("UnsupportedAnnotation", f"{PREFIX}auth-type must be basic, with a Secret of type auth-file")
        return "", None
    wanted = secret_of(metadata)
    if wanted is None:
        reading.close("InvalidAnnotation", f"{PREFIX}auth-secret must name a Secret of the Ingress's own namespace")
        return "", None
    content = (secrets.get(wanted) or {}).get(USERS_KEY)
    if not content or len(content) > MAX_USERS_BYTES:
        reading.close("SecretMissing", f"there is no Secret {wanted[1]} with users in its key {USERS_KEY!r}")
        return "", None
    return f"{hashlib.sha256(content).hexdigest()[:32]}.users", content


def _checked(check: Callable[[str], str]) -> Callable[[str], str]:
    def convert(value: str) -> str:
        check(value)
        return value

    return convert


def _boolean(value: str) -> bool:
    if value not in ("true", "false"):
        raise quoting.Refused("must be 'true' or 'false'")
    return value == "true"


def _protocol(value: str) -> Any:
    if value.upper() not in ("HTTP", "HTTPS", "GRPC", "GRPCS"):
        raise quoting.Refused("must be HTTP, HTTPS, GRPC or GRPCS")
    return value.lower()
