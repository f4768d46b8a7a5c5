"""Which hosts and paths an Ingress answers for, so that two that want the same are seen before one is without effect. Pure.

What the nodes would take as the same is the same here: a slash at the end of a Prefix does not count, percent-encoding does not,
and ImplementationSpecific is Prefix unless its path is a regular expression.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from skate.manifests import ingress_annotations, problems


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One host and path, and the place in the manifest that claims it."""

    host: str
    """Empty: every host that no other rule names."""
    path_type: str
    """Exact, Prefix or, for a regular expression, ImplementationSpecific"""
    path: str
    """As nodes compare it."""
    place: problems.Path
    shown: str
    """The path as it was written."""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.host, self.path_type, self.path

    def sentence(self, rival: str) -> str:
        """What is said of the one that comes too late."""
        host = f"host {problems.show(self.host)}" if self.host else "any host"
        what = f"{host} and path {problems.show(self.shown)} ({self.path_type})"
        return f"Duplicate value: {what} belongs to {rival} already"


def of(manifest: Mapping[str, Any]) -> list[Claim]:
    """Every claim of an Ingress's manifest, validated already; none for another kind."""
    if manifest.get("kind") != "Ingress":
        return []
    spec, annotations = manifest.get("spec") or {}, manifest["metadata"].get("annotations") or {}
    patterns = ingress_annotations.has_patterns(annotations)
    found = []
    for index, rule in enumerate(spec.get("rules") or ()):
        host = str(rule.get("host") or "")
        place: problems.Path = ("spec", "rules", index)
        if not rule.get("http"):
            # A host alone: all of it goes to the default backend.
            if spec.get("defaultBackend"):
                found.append(Claim(host=host, path_type="Prefix", path="", place=place, shown="/"))
            continue
        for position, item in enumerate(rule["http"].get("paths") or ()):
            path_type, path = _matched(str(item.get("path") or "/"), str(item.get("pathType")), patterns=patterns)
            found.append(
                Claim(
                    host=host,
                    path_type=path_type,
                    path=path,
                    place=(*place, "http", "paths", position),
                    shown=str(item.get("path") or "/"),
                )
            )
    return found


def rivals(claimed: Iterable[tuple[str, Iterable[Claim]]]) -> list[tuple[str, Claim, str]]:
    """Of the claims of several Ingresses, each under its title, those that come too late, and the title that was first."""
    first: dict[tuple[str, str, str], str] = {}
    late = []
    for title, claims in claimed:
        for claim in claims:
            if claim.key in first:
                late.append((title, claim, first[claim.key]))
            else:
                first[claim.key] = title
    return late


def _matched(path: str, path_type: str, *, patterns: bool) -> tuple[str, str]:
    if path_type != "Exact" and patterns and ingress_annotations.is_pattern(path):
        return "ImplementationSpecific", path
    plain = urllib.parse.unquote(path)
    return (path_type, plain) if path_type == "Exact" else ("Prefix", plain.rstrip("/"))
