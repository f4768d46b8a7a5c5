"""Label selectors, `-l app=web,tier in (a,b),!old`, as Kubernetes reads them.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from skate.errors import SkateError

_SET = re.compile(r"^(?P<key>[^\s!=,()]+)\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)$")
_EQUALS = re.compile(r"^(?P<key>[^\s!=,()]+)\s*(?P<operator>==|=|!=)\s*(?P<value>[^\s!=,()]*)$")
_EXISTS = re.compile(r"^(?P<not>!?)\s*(?P<key>[^\s!=,()]+)$")
_SPLIT = re.compile(r",(?![^()]*\))")


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """One condition on one label. Without `values` it asks only whether the label is there."""

    key: str
    values: frozenset[str] | None = None
    negated: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        if self.values is None:
            return (self.key in labels) != self.negated
        if self.key not in labels:
            return self.negated
        return (labels[self.key] in self.values) != self.negated


def parse(text: str) -> list[Requirement]:
    """The requirements of a selector, all of which must hold. Raises SkateError naming the part that cannot be read."""
    if not text.strip():
        return []
    return [_requirement(part.strip()) for part in _SPLIT.split(text)]


def _requirement(part: str) -> Requirement:
    if found := _SET.match(part):
        values = frozenset(value.strip() for value in found["values"].split(","))
        return Requirement(key=found["key"], values=values, negated=found["operator"] == "notin")
    if found := _EQUALS.match(part):
        return Requirement(key=found["key"], values=frozenset({found["value"]}), negated=found["operator"] == "!=")
    if found := _EXISTS.match(part):
        return Requirement(key=found["key"], negated=bool(found["not"]))
    raise SkateError(
        f'unable to parse requirement: the selector "{part}" cannot be read',
        hint="write KEY=VALUE, KEY!=VALUE, KEY in (A,B), KEY or !KEY",
    )


def matches(requirements: list[Requirement], labels: Mapping[str, str] | None) -> bool:
    """Whether `labels` meet every requirement."""
    return all(requirement.matches(labels or {}) for requirement in requirements)
