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
    Kind(kind="Namespace", singular="namespace", plural="namespaces", short="ns", namespaced=False),
)
_BY_NAME = {
    name: kind
    for kind in KINDS
    for name in (
        kind.singular,
        kind.plural,
        kind.short,
        kind.qualified,
        kind.qualified_plural,
        f"{kind.plural}.v1.apps",
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
            f"skate has no resource type {name!r}",
            hint=f"did you mean {close[0]!r}?" if close else f"the types are {known}",
        )
    return found


def of(kind: str) -> Kind:
    """The Kind of a manifest's `kind`."""
    return _BY_KIND[kind]


def parse_targets(arguments: list[str]) -> list[tuple[Kind, list[str]]]:
    """`TYPE[,TYPE] [NAME …]` or `TYPE/NAME …` as kinds and the names wanted of each (none: all of them)."""
    if not arguments:
        raise SkateError(
            "you must say which type of resource",
            hint=f"such as `skate get pods`; the types are {', '.join(kind.plural for kind in KINDS)}",
        )
    if any("/" in argument for argument in arguments):
        targets: list[tuple[Kind, list[str]]] = []
        for argument in arguments:
            type_name, slash, name = argument.partition("/")
            if not slash or not name:
                raise SkateError(f"{argument!r}: with TYPE/NAME every argument must be of that form")
            targets.append((named(type_name), [name]))
        return targets
    types = [named(name) for name in arguments[0].split(",") if name]
    if len(types) > 1 and len(arguments) > 1:
        raise SkateError("names can be given for one type only", hint="use TYPE/NAME TYPE/NAME …")
    return [(kind, list(arguments[1:])) for kind in types]
