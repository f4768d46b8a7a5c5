"""The kinds that verbs take, under all the names that fingers know."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from skate.errors import SkateError


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of object. `group` is its API group, empty for the core."""

    kind: str
    singular: str
    plural: str
    short: str = ""
    group: str = ""
    namespaced: bool = True

    @property
    def qualified(self) -> str:
        """As kubectl names it in messages: `pod`, `deployment.apps`."""
        return f"{self.singular}.{self.group}" if self.group else self.singular

    @property
    def qualified_plural(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


KINDS = (
    Kind(kind="Pod", singular="pod", plural="pods", short="po"),
    Kind(kind="Node", singular="node", plural="nodes", short="no", namespaced=False),
    Kind(kind="Deployment", singular="deployment", plural="deployments", short="deploy", group="apps"),
    Kind(kind="Service", singular="service", plural="services", short="svc"),
    Kind(kind="Ingress", singular="ingress", plural="ingresses", short="ing", group="networking.k8s.io"),
    Kind(kind="Secret", singular="secret", plural="secrets"),
    Kind(
        kind="ClusterIssuer",
        singular="clusterissuer",
        plural="clusterissuers",
        group="cert-manager.io",
        namespaced=False,
    ),
    Kind(kind="Namespace", singular="namespace", plural="namespaces", short="ns", namespaced=False),
)
ALL = ("Pod", "Service", "Deployment")
"""What `get all` shows, as kubectl: what runs, and the names that it has."""
_BY_NAME = {
    name: kind
    for kind in KINDS
    for name in (
        kind.singular,
        kind.plural,
        kind.short,
        kind.qualified,
        kind.qualified_plural,
        *(f"{name}.v1.{kind.group}" for name in (kind.singular, kind.plural) if kind.group),
    )
    if name
}
_BY_KIND = {kind.kind: kind for kind in KINDS}


def named(name: str) -> Kind:
    """The kind that `name` means, in any of its spellings. Raises SkateError with a did-you-mean."""
    found = _BY_NAME.get(name.lower())
    if found is None:
        close = difflib.get_close_matches(name.lower(), _BY_NAME, n=1)
        known = ", ".join(kind.plural for kind in KINDS)
        raise SkateError(
            f'the server doesn\'t have a resource type "{name}"',
            hint=f'did you mean "{close[0]}"?' if close else f"skate has {known}",
        )
    return found


def of(kind: str) -> Kind:
    """The Kind of a manifest's `kind`."""
    return _BY_KIND[kind]


def parse_targets(arguments: list[str]) -> list[tuple[Kind, list[str]]]:
    """`TYPE[,TYPE] [NAME …]` or `TYPE/NAME …` as kinds, each once, and the names wanted of each (none: all of them).

    Raises SkateError in kubectl's words.
    """
    if not arguments:
        raise SkateError(
            "You must specify the type of resource",
            hint=f"such as `skate get pods`; skate has {', '.join(kind.plural for kind in KINDS)}",
        )
    wanted: dict[str, list[str]] = {}
    if any("/" in argument for argument in arguments):
        for argument in arguments:
            type_name, slash, name = argument.partition("/")
            if not slash:
                raise SkateError(
                    "there is no need to specify a resource type as a separate argument when passing arguments in "
                    "resource/name form (e.g. 'skate get resource/<resource_name>' instead of "
                    "'skate get resource resource/<resource_name>')"
                )
            if not name or "/" in name:
                raise SkateError("arguments in resource/name form must have a single resource and name")
            names = wanted.setdefault(named(type_name).kind, [])
            names += [name] if name not in names else []
        return [(of(kind), names) for kind, names in wanted.items()]
    for name in arguments[0].split(","):
        for kind in ALL if name == "all" else (named(name).kind,) if name else ():
            wanted.setdefault(kind, list(dict.fromkeys(arguments[1:])))
    if len(wanted) > 1 and len(arguments) > 1:
        raise SkateError("you must specify only one resource", hint="use TYPE/NAME TYPE/NAME …")
    return [(of(kind), names) for kind, names in wanted.items()]
