"""The first look at a document: which of its fields does Kubernetes know, and which of them does skate do?

The models say what skate does, `known_fields` what Kubernetes knows, `harmless` what may be left out. The screen walks a document
and the models side by side, and gives back the document without the fields that are none of the models' business, and a
finding for each. What is left is for pydantic to judge, so no field is complained about twice.

A null is a field that was left out, as in Kubernetes, and goes without a word.
"""

from __future__ import annotations

import enum
import functools
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from skate.manifests import harmless, ingress_annotations, known_fields, models, problems, refusals


class Sort(enum.Enum):
    UNKNOWN = "unknown"
    NOT_DONE = "not done"
    HARMLESS = "harmless"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A field that the models do not have. `meant` is the field that was probably meant, or that it stands in for."""

    path: problems.Path
    sort: Sort
    message: str
    meant: str = ""

    def problem(self) -> problems.Problem:
        return problems.Problem(self.path, self.message)


@dataclass(frozen=True)
class _Shape:
    """What a field holds, as far as the walk must know: a model, models in a list, strings by key, or anything else."""

    model: type[models.Model] | None = None
    in_list: bool = False
    string_map: bool = False


def screen(model: type[models.Model], data: dict[str, Any]) -> tuple[dict[str, Any], list[Finding]]:
    """`data` with only the fields that `model` has, deep down, and a finding for each of the others."""
    findings: list[Finding] = []
    return _walk(model, data, (), findings), findings


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """The candidate that `word` is a misspelling of; empty when there is none."""
    import difflib

    by_lower = {candidate.lower(): candidate for candidate in sorted(candidates)}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.7)
    return by_lower[close[0]] if close else ""


def _walk(
    model: type[models.Model], data: dict[str, Any], path: problems.Path, findings: list[Finding]
) -> dict[str, Any]:
    shapes = _shapes(model)
    kept: dict[str, Any] = {}
    for key, value in data.items():
        if key not in shapes:
            findings.append(_judge(model, key, value, (*path, key)))
        elif value is not None:
            kept[key] = _descend(shapes[key], value, (*path, key), findings)
    if isinstance(kept.get("annotations"), dict):
        kept["annotations"] = _annotations(model, kept["annotations"], (*path, "annotations"), findings)
    return kept


def _annotations(
    model: type[models.Model], values: dict[str, Any], path: problems.Path, findings: list[Finding]
) -> dict[str, Any]:
    """The annotations without those that mean what skate does not do, or that give a secret away."""
    kept = dict(values)
    for key in values:
        reason = ingress_annotations.not_done(key) if model is models.IngressMeta and isinstance(key, str) else ""
        if reason:
            findings.append(Finding(path=(*path, key), sort=Sort.NOT_DONE, message=reason))
        elif model is models.SecretMeta and key == harmless.LAST_APPLIED:
            message = "holds the values in the clear, ignored"
            findings.append(Finding(path=(*path, key), sort=Sort.HARMLESS, message=message))
        else:
            continue
        del kept[key]
    return kept


def _descend(shape: _Shape, value: Any, path: problems.Path, findings: list[Finding]) -> Any:
    if shape.string_map and isinstance(value, dict):
        return {key: "" if text is None else text for key, text in value.items()}
    if shape.model is None:
        return value
    if not shape.in_list:
        return _walk(shape.model, value, path, findings) if isinstance(value, dict) else value
    if not isinstance(value, list):
        return value
    return [
        _walk(shape.model, item, (*path, index), findings) if isinstance(item, dict) else item
        for index, item in enumerate(value)
    ]


def _judge(model: type[models.Model], key: str, value: Any, path: problems.Path) -> Finding:
    kubernetes_type = model.kubernetes_type()
    if model is models.TemplateMeta and key in harmless.TEMPLATE_FIELDS:
        return Finding(path=path, sort=Sort.HARMLESS, message="has no effect in a template, ignored")
    if model is models.NamespaceMeta and key == "namespace":
        return Finding(path=path, sort=Sort.NOT_DONE, message="Forbidden: not allowed on this type")
    if model is models.ClusterMeta and key == "namespace":
        return Finding(path=path, sort=Sort.HARMLESS, message="the object lies in no namespace, ignored")
    if model is models.Secret and key == "sealed":
        message = "Forbidden: only skate seals; write data or stringData"
        return Finding(path=path, sort=Sort.NOT_DONE, message=message, meant="data")
    if _is_known(kubernetes_type, key):
        meant = refusals.INSTEAD.get((kubernetes_type, key), "")
        why = harmless.reason(kubernetes_type, key, value)
        if why and not (meant and value == {}):
            return Finding(path=path, sort=Sort.HARMLESS, message=f"{why}, ignored")
        message = refusals.message(kubernetes_type, key)
        return Finding(path=path, sort=Sort.NOT_DONE, message=message, meant=meant)
    done = _shapes(model).keys()
    meant = did_you_mean(key, done) or did_you_mean(key, known_fields.FIELDS[kubernetes_type])
    message = f'unknown field; did you mean "{meant}"?' if meant else "unknown field"
    return Finding(path=path, sort=Sort.UNKNOWN, message=message, meant=meant)


def _is_known(kubernetes_type: str, key: str) -> bool:
    if kubernetes_type == "ResourceList" and ("/" in key or key.startswith("hugepages-")):
        return True
    return key in known_fields.FIELDS[kubernetes_type]


@functools.cache
def _shapes(model: type[models.Model]) -> dict[str, _Shape]:
    return {field.alias or name: _shape(field.annotation) for name, field in model.model_fields.items()}


def _shape(annotation: Any) -> _Shape:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is types.UnionType or origin is typing.Union:
        return next((shape for shape in map(_shape, arguments) if shape != _Shape()), _Shape())
    if origin is list:
        return _Shape(model=_shape(arguments[0]).model, in_list=True)
    if origin is dict:
        return _Shape(string_map=True)
    if isinstance(annotation, type) and issubclass(annotation, models.Model):
        return _Shape(model=annotation)
    return _Shape()
