"""From what the user named to manifests, or to every mistake in them at once.

    sources ─▶ texts ─▶ documents (data and lines) ─▶ kind ─▶ screen (known, done, harmless) ─▶ pydantic ─▶ Manifest
                │            │                         │             │                            │
                └────────────┴───────── sentences ─────┴─────────────┴────────────────────────────┘

No step stops at the first mistake: a file that is no YAML does not hide an unknown field in another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Literal

from pydantic import ValidationError

from skate.errors import ManifestError
from skate.manifests import cautions, claims, documents, known_kinds, models, problems, screen, sources, wording
from skate.manifests.models import scalars

Validate = Literal["strict", "warn", "ignore"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a manifest was read: its first line; document 0 when it is the only one of the file."""

    file: str
    document: int = 0
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One object that can be applied."""

    kind: str
    api_version: str
    namespace: str
    """Empty for a kind that lies in no namespace."""
    name: str
    labels: dict[str, str]
    model: models.Object
    """Typed, with Kubernetes' defaults filled in."""
    data: dict[str, Any]
    """As the user wrote it: no defaults, quantities untouched; the namespace filled in, and what skate does not do or
    the server sets left out. `parse` of it gives the same manifest."""
    source: Source

    @property
    def key(self) -> tuple[str, str, str]:
        """Kind, namespace, name: what makes it one object."""
        return self.kind, self.namespace, self.name


@dataclass(frozen=True, kw_only=True)
class Loaded:
    objects: list[Manifest]
    """In the order they were read."""
    warnings: list[str]
    """Sentences with file, line and field, for the user to see."""


@dataclass
class _Verdict:
    """What becomes of the documents: manifests, and sentences."""

    objects: list[Manifest] = field(default_factory=list)
    documents: dict[str, documents.Document] = field(default_factory=dict)
    """Where each Ingress was read, by its title."""
    mistakes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def load(
    names: Sequence[str],
    *,
    recursive: bool = False,
    stdin: IO[Any] | None = None,
    namespace: str = "",
    validate: Validate = "strict",
) -> Loaded:
    """The manifests in files, directories (*.yaml, *.yml, *.json; deep when `recursive`) and `-` (`stdin`).

    `namespace` is that of `--namespace`: where it is given, an object may not say another. `validate` says what happens
    to fields that Kubernetes does not know or skate does not do: an error, a warning, or nothing; with the latter two
    they are left out. Raises ManifestError with every mistake as a detail.
    """
    found = sources.read(names, recursive=recursive, stdin=stdin)
    verdict = _Verdict(mistakes=list(found.broken))
    for file, text in found.texts:
        read, broken = documents.read(file, text)
        verdict.mistakes += broken
        for document in read:
            _judge(document, namespace, validate, verdict)
    _refuse_twins(verdict)
    if validate != "ignore":
        _refuse_rivals(verdict)
    if verdict.mistakes:
        raise _refusal(verdict.mistakes)
    if not verdict.objects:
        raise ManifestError("no objects passed to apply", hint="none of the files holds a document")
    return Loaded(objects=verdict.objects, warnings=verdict.warnings)


def parse(data: Any) -> Manifest:
    """The manifest in plain data, as `Manifest.data` or a catalogue holds it. Raises ManifestError."""
    verdict = _Verdict()
    _judge(documents.Document(file="catalogue", number=0, data=data), "", "strict", verdict)
    if verdict.mistakes:
        raise _refusal(verdict.mistakes)
    return verdict.objects[0]


def _judge(document: documents.Document, namespace: str, validate: Validate, verdict: _Verdict) -> None:
    title = _title(document.data, namespace)
    kind_problem = _kind_problem(document.data)
    if kind_problem is not None:
        verdict.mistakes.append(_sentence(document, title, kind_problem))
        return
    model: type[models.Object] = models.KINDS[document.data["kind"]]
    if model is models.Secret and document.node is None and "sealed" in document.data:
        model = models.SealedSecret  # in the catalogue, never in a file
    data, findings = screen.screen(model, document.data)
    fatal = [item for item in findings if item.sort is not screen.Sort.HARMLESS] if validate == "strict" else []
    wrong = [item.problem() for item in fatal]
    if validate != "ignore":
        dropped = [item for item in findings if item not in fatal]
        verdict.warnings += [_sentence(document, title, item.problem(), _suffix(item)) for item in dropped]
    wrong += _settle_namespace(data, namespace)
    try:
        checked: models.Object = model.model_validate(data)
    except ValidationError as error:
        wrong += [item for item in wording.translate(error) if not _is_explained(item, fatal)]
    if wrong:
        wrong.sort(key=lambda item: document.line(item.path))
        verdict.mistakes += [_sentence(document, title, item) for item in wrong]
        return
    if validate != "ignore":
        doubts = sorted(cautions.find(checked), key=lambda item: document.line(item.path))
        verdict.warnings += [_sentence(document, title, item) for item in doubts]
    manifest = _manifest(checked, data, document)
    verdict.objects.append(manifest)
    if isinstance(checked, models.Ingress):
        verdict.documents.setdefault(f"{manifest.kind} {manifest.namespace}/{manifest.name}", document)


def _manifest(model: models.Object, data: dict[str, Any], document: documents.Document) -> Manifest:
    return Manifest(
        kind=model.kind,
        api_version=model.api_version,
        namespace=getattr(model.metadata, "namespace", ""),
        name=model.metadata.name,
        labels=dict(model.metadata.labels),
        model=model,
        data=data,
        source=Source(file=document.file, document=document.number, line=document.line()),
    )


def _kind_problem(data: Any) -> problems.Problem | None:
    """What is wrong with apiVersion and kind: without them, nothing else of the document can be judged."""
    if not isinstance(data, dict):
        return problems.Problem((), "Invalid type: a document must be a mapping with apiVersion, kind and metadata")
    for name in ("kind", "apiVersion"):
        if data.get(name) is None or data[name] == "":
            return problems.required((name,))
        if not isinstance(data[name], str):
            sentence = f"Invalid type: expected a string, got {scalars.describe(data[name])}"
            return problems.Problem((name,), sentence)
    kind, version = data["kind"], data["apiVersion"]
    if kind in models.KINDS:
        right = known_kinds.API_VERSIONS[kind]
        if version == right:
            return None
        return problems.invalid(("apiVersion",), version, f"kind {kind} is in {right}")
    if kind in known_kinds.API_VERSIONS:
        return problems.Problem(("kind",), f"skate does not do kind {kind} yet; it does {', '.join(models.KINDS)}")
    if kind == "List":
        return problems.Problem(("items",), "Invalid type: a List must hold a list of objects in items")
    meant = screen.did_you_mean(kind, models.KINDS) or screen.did_you_mean(kind, known_kinds.API_VERSIONS)
    advice = f'; did you mean "{meant}"?' if meant else ""
    return problems.Problem(("kind",), f"unknown kind {problems.show(kind)} of {problems.show(version)}{advice}")


def _settle_namespace(data: dict[str, Any], namespace: str) -> list[problems.Problem]:
    """Fill in the namespace; say so when the object asks for another than the command line."""
    metadata = data.get("metadata")
    if data["kind"] in models.CLUSTER_WIDE or not isinstance(metadata, dict):
        return []
    own = metadata.get("namespace")
    if namespace and own and own != namespace:
        sentence = (
            f"the namespace from the provided object {problems.show(own)} does not match the namespace"
            f" {problems.show(namespace)}. You must pass '--namespace={own}' to perform this operation."
        )
        return [problems.Problem(("metadata", "namespace"), sentence)]
    if not own:
        metadata["namespace"] = namespace or "default"
    return []


def _is_explained(missing: problems.Problem, findings: list[screen.Finding]) -> bool:
    """Whether what is missing was there under a wrong name, or is the whole that a refused field would have made."""
    return missing.required and any(
        missing.path in ((*item.path[:-1], item.meant), item.path[:-1]) for item in findings
    )


def _refuse_twins(verdict: _Verdict) -> None:
    first: dict[tuple[str, str, str], Manifest] = {}
    for item in verdict.objects:
        twin = first.setdefault(item.key, item)
        if twin is not item:
            number = f"document {item.source.document}, " if item.source.document else ""
            title = f"{number}{_title(item.data, '')}"
            verdict.mistakes.append(f"{item.source}: {title}: already defined at {twin.source}")


def _refuse_rivals(verdict: _Verdict) -> None:
    """Two rules for one host and path, wherever they lie: one would be without effect."""
    ingresses = {title: claims.of(document.data) for title, document in verdict.documents.items()}
    for title, claim, first in claims.rivals(ingresses.items()):
        place = verdict.documents[first].place()
        rival = f"another rule of {title}" if first == title else f"{first} at {place}"
        problem = problems.Problem(claim.place, claim.sentence(rival))
        verdict.mistakes.append(_sentence(verdict.documents[title], title, problem))


def _sentence(document: documents.Document, title: str, problem: problems.Problem, suffix: str = "") -> str:
    number = f"document {document.number}" if document.number else ""
    heading = ", ".join(part for part in (number, title) if part)
    place = document.place(problem.path) if document.node is not None else ""
    return ": ".join(part for part in (place, heading, f"{problem}{suffix}") if part)


def _suffix(finding: screen.Finding) -> str:
    return "" if finding.sort is screen.Sort.HARMLESS else "; ignored"


def _title(data: Any, namespace: str) -> str:
    """`Deployment default/web`, as much of it as is there; `namespace` is where an object without one goes."""
    if not isinstance(data, dict) or not isinstance(data.get("kind"), str):
        return ""
    kind, metadata = data["kind"], data.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not isinstance(name, str):
        return problems.show(kind)[1:-1]
    own = metadata.get("namespace")
    where = own if isinstance(own, str) and own else namespace or "default"
    full = f"{where}/{name}" if kind in models.KINDS and kind not in models.CLUSTER_WIDE else name
    return f"{problems.show(kind)[1:-1]} {problems.show(full)[1:-1]}"


def _refusal(mistakes: list[str]) -> ManifestError:
    count = "one mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
    return ManifestError(f"{count} in the manifests", details=mistakes, hint="nothing has been changed")
