"""Which request goes where: the catalogue's Ingresses by Kubernetes' rules, as servers and locations. Pure.

Hosts: an exact one before a wildcard (`*.` is exactly one label), and rules without a host for what is left. Paths, within a
host: Exact before Prefix, which goes by path element, the longest first; so nginx finds them too. A path that no rule of a host
has goes on to the rules of the less specific hosts, then to the default backend, and is not found at last.
One host and path claimed twice belongs to the older Ingress. https://kubernetes.io/docs/concepts/services-networking/ingress/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from skatelet import services
from skatelet.contract import bundle
from skatelet.ingress import annotating, backends, model, quoting

Certificates = Mapping[tuple[str, str], model.Pair]
_PATTERN = re.compile(r"[\\^$*+?()\[\]{}|]")
_LABEL = re.compile(r"ingress/[a-z0-9][-a-z0-9]{0,62}/[a-z0-9][-.a-z0-9]{0,252}")
_Key = tuple[str, str]
"""A location's match and path."""


@dataclass(kw_only=True)
class _Host:
    locations: dict[_Key, model.Location] = field(default_factory=dict)
    certificate: model.Pair | None = None
    tls: bool = False


@dataclass(kw_only=True)
class _State:
    backends: backends.Backends
    secrets: annotating.Secrets
    hosts: dict[str, _Host] = field(default_factory=dict)
    fallback: model.Location | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    problems: set[model.Problem] = field(default_factory=set)

    def problem(self, ingress: str, reason: str, message: str) -> None:
        self.problems.add(model.Problem(object=ingress, reason=reason, message=message))

    def host(self, name: str) -> _Host:
        return self.hosts.setdefault(name, _Host())


def in_order(objects: Iterable[bundle.CatalogueObject]) -> list[bundle.CatalogueObject]:
    """The Ingresses among `objects`, the oldest first: of two that claim the same, the first has it."""
    found = [item for item in objects if item.manifest.get("kind") == "Ingress" and _LABEL.fullmatch(label(item))]
    return sorted(found, key=lambda item: (item.created or "~", label(item)))


def label(item: bundle.CatalogueObject) -> str:
    """`ingress/<namespace>/<name>`"""
    metadata = item.manifest["metadata"]
    return f"ingress/{metadata['namespace']}/{metadata['name']}"


def model_of(
    ingresses: Iterable[bundle.CatalogueObject],
    *,
    services: Iterable[services.Service],
    pods: Iterable[services.Pod],
    serving: Iterable[services.Pod] = (),
    gathered: Mapping[str, Iterable[str]] | None = None,
    certificates: Certificates | None = None,
    refused: Mapping[tuple[str, str], str] | None = None,
    thumbprints: Mapping[str, str] | None = None,
    secrets: annotating.Secrets | None = None,
) -> model.Model:
    """What nginx is to serve by `ingresses`, as `in_order` gives them. `refused` says why some certificates cannot be shown."""
    found = backends.Backends(offered=services, pods=pods, serving=serving, gathered=gathered or {})
    state = _State(backends=found, secrets=secrets or {})
    for item in ingresses:
        name = annotating.class_of(item.manifest)
        if name and name not in annotating.CLASSES:
            classes = " and ".join(annotating.CLASSES)
            state.problem(label(item), "OtherClass", f"only the classes {classes}, and none, are served")
            continue
        _certificates(state, item, certificates or {}, refused or {})
        _rules(state, item)
    state.host("")
    servers = tuple(_server(state, name, (thumbprints or {}).get(name, "")) for name in sorted(state.hosts))
    return model.Model(
        servers=servers,
        files=dict(sorted(state.files.items())),
        problems=tuple(sorted(state.problems)),
        names=dict(sorted(found.names.items())),
        strangers=frozenset(found.strangers),
    )


def _certificates(
    state: _State, item: bundle.CatalogueObject, certificates: Certificates, refused: Mapping[tuple[str, str], str]
) -> None:
    spec, ingress = item.manifest.get("spec") or {}, label(item)
    namespace = str(item.manifest["metadata"]["namespace"])
    for tls in spec.get("tls") or []:
        secret = str(tls.get("secretName") or "")
        pair = certificates.get((namespace, secret))
        hosts = tls.get("hosts") or [rule.get("host") or "" for rule in spec.get("rules") or [{}]]
        why = refused.get((namespace, secret))
        if why:
            state.problem(ingress, "CertificateInvalid", f"Secret {secret}: {why}: a self-signed one is shown")
        elif pair is None:
            message = f"no certificate {secret} yet" if secret else "spec.tls names no Secret"
            state.problem(ingress, "CertificatePending", f"{message}: a self-signed one is shown")
        for host in hosts:
            name = _host_name(state, ingress, host)
            if name is not None:
                found = state.host(name)
                found.tls = True
                found.certificate = found.certificate or pair


def _rules(state: _State, item: bundle.CatalogueObject) -> None:
    spec, ingress = item.manifest.get("spec") or {}, label(item)
    read = annotating.read(item.manifest["metadata"], state.secrets)
    for reason, message in read.problems:
        state.problem(ingress, reason, message)
    if read.file is not None:
        state.files[read.options.users] = read.file
    if spec.get("defaultBackend") and state.fallback is None:
        state.fallback = _location(state, item, read.options, "prefix", "", spec["defaultBackend"])
    elif spec.get("defaultBackend"):
        state.problem(ingress, "Conflict", f"{state.fallback.ingress if state.fallback else ''} is the default backend")
    for rule in spec.get("rules") or []:
        name = _host_name(state, ingress, rule.get("host") or "")
        if name is None:
            continue
        host = state.host(name)
        for path in (rule.get("http") or {}).get("paths") or []:
            _path(state, item, read.options, name, host, path)
        if not rule.get("http") and spec.get("defaultBackend"):
            # https://kubernetes.io/docs/concepts/services-networking/ingress/: a rule of a host alone sends all of it there.
            whole = {"path": "/", "pathType": "Prefix", "backend": spec["defaultBackend"]}
            _path(state, item, read.options, name, host, whole)


def _path(
    state: _State,
    item: bundle.CatalogueObject,
    options: model.Options,
    name: str,
    host: _Host,
    path: Mapping[str, Any],
) -> None:
    ingress, text = label(item), str(path.get("path") or "/")
    try:
        match, plain = _matched(text, str(path.get("pathType") or ""), regex=options.regex)
    except quoting.Refused as error:
        state.problem(ingress, "InvalidPath", f"path {text[:100]!r} {error}")
        return
    taken = host.locations.get((match, plain))
    if taken is not None:
        where = f"{name or 'any host'}{plain or '/'}"
        state.problem(ingress, "Conflict", f"{where} belongs to {taken.ingress}, which is older")
        return
    host.locations[match, plain] = _location(state, item, options, match, plain, path.get("backend") or {})


def _matched(path: str, kind: str, *, regex: bool) -> tuple[model.Match, str]:
    if kind != "Exact" and regex and _PATTERN.search(path):
        quoting.regex(path)
        return "regex", path
    plain = quoting.decoded(path)
    return ("exact", plain) if kind == "Exact" else ("prefix", plain.rstrip("/"))


def _location(
    state: _State,
    item: bundle.CatalogueObject,
    options: model.Options,
    match: model.Match,
    path: str,
    backend: Mapping[str, Any],
) -> model.Location:
    namespace, ingress = str(item.manifest["metadata"]["namespace"]), label(item)
    found: model.Upstream | model.External | None = None
    try:
        found = state.backends.find(namespace, backend, options.protocol)
    except backends.Nowhere as error:
        state.problem(ingress, error.reason, f"{error.message}: {path or '/'} answers 503")
    return model.Location(match=match, path=path, ingress=ingress, backend=found, options=options)


def _host_name(state: _State, ingress: str, host: str) -> str | None:
    if not host:
        return ""
    try:
        return quoting.host_name(str(host))
    except quoting.Refused as error:
        state.problem(ingress, "InvalidHost", f"host {str(host)[:100]!r} {error}")
        return None


def _server(state: _State, name: str, thumbprint: str) -> model.Server:
    host = state.hosts[name]
    wildcard = state.hosts.get(f"*.{name.partition('.')[2]}") if name and not name.startswith("*") else None
    less = [item for item in (wildcard, state.hosts[""] if name else None) if item is not None]
    locations = dict(host.locations)
    for item in less:
        own = tuple(locations)
        locations |= {key: value for key, value in item.locations.items() if not _covered(key, own)}
    if state.fallback is not None and ("prefix", "") not in locations:
        locations["prefix", ""] = state.fallback
    tls = host.tls or (wildcard is not None and wildcard.tls)
    certificate = next((item.certificate for item in (host, *less) if item.certificate is not None), None)
    return model.Server(
        host=name,
        locations=tuple(
            replace(locations[key], redirect=_redirects(locations[key], tls=tls))
            for key in sorted(locations, key=_rank)
        ),
        certificate=certificate,
        thumbprint=_thumbprint(thumbprint),
    )


def _redirects(location: model.Location, *, tls: bool) -> bool:
    return location.options.redirect == "always" or (tls and location.options.redirect == "tls")


def _covered(key: _Key, own: Iterable[_Key]) -> bool:
    """Whether a better host has a rule for all that this one of a less specific host is for."""
    match, path = key
    if match == "regex":
        return True  # nginx tries regular expressions before prefixes: it would take what better rules have
    return any(
        other == key or (kind == "prefix" and f"{path}/".startswith(f"{prefix}/"))
        for other in own
        for kind, prefix in (other,)
    )


def _rank(key: _Key) -> tuple[int, int, str]:
    match, path = key
    return {"exact": 0, "regex": 1, "prefix": 2}[match], -len(path), path


def _thumbprint(value: str) -> str:
    try:
        return quoting.thumbprint(value)
    except quoting.Refused:
        return ""
