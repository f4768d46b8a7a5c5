"""What holds for every quantity and for every way to spoil a manifest."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import strategies

from skate import errors, manifests, quantity
from skatelet.contract import canonical

ACCEPTED = Path(__file__).parents[1] / "golden" / "manifests" / "accepted"
VALID = [
    item.data
    for path in sorted(ACCEPTED.iterdir())
    if path.suffix in (".yaml", ".json")
    for item in manifests.load([str(path)]).objects
]
SUFFIXES = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e2", "E-2"]
scalars = (
    strategies.none()
    | strategies.booleans()
    | strategies.integers()
    | strategies.floats()
    | strategies.text(max_size=20)
)
anything = strategies.recursive(
    scalars,
    lambda inner: (
        strategies.lists(inner, max_size=3) | strategies.dictionaries(strategies.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=6,
)


def outcome(act: Callable[[], list[manifests.Manifest]]) -> tuple[list[manifests.Manifest], list[str]]:
    """What was accepted, or the sentences of the refusal. Any other error goes through."""
    try:
        return act(), []
    except errors.ManifestError as error:
        return [], error.details or [error.message]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything inside `value`."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


@strategies.composite
def spoiled(draw: strategies.DrawFn) -> Any:
    """A valid manifest with up to three things deleted, renamed, doubled or replaced."""
    data = copy.deepcopy(draw(strategies.sampled_from(VALID)))
    for _ in range(draw(strategies.integers(1, 3))):
        *parents, last = draw(strategies.sampled_from(list(places(data)) or [()])) or [None]
        if last is None:
            break
        parent = data
        for key in parents:
            parent = parent[key]
        match draw(strategies.sampled_from(["delete", "rename", "double", "replace"])):
            case "delete":
                del parent[last]
            case "rename" if isinstance(parent, dict):
                parent[draw(strategies.text(max_size=20))] = parent.pop(last)
            case "double" if isinstance(parent, list):
                parent.append(copy.deepcopy(parent[last]))
            case _:
                parent[last] = draw(anything)
    return data


@hypothesis.given(strategies.integers(0, 10**15))
def test_printed_quantities_read_back(count: int) -> None:
    assert quantity.parse_cpu_millis(quantity.format_cpu_millis(count)) == count
    assert quantity.parse_bytes(quantity.format_bytes(count)) == count


@hypothesis.given(
    strategies.decimals(0, 10**6, places=3), strategies.decimals(0, 10**6, places=3), strategies.sampled_from(SUFFIXES)
)
def test_quantities_of_one_unit_are_ordered_as_their_numbers(first: Any, second: Any, suffix: str) -> None:
    lower, higher = sorted([first, second])
    assert quantity.parse(f"{lower:f}{suffix}") <= quantity.parse(f"{higher:f}{suffix}")
    assert quantity.parse_bytes(f"{lower:f}{suffix}") <= quantity.parse_bytes(f"{higher:f}{suffix}")


@hypothesis.given(strategies.decimals(0, 1000, places=3), strategies.sampled_from(SUFFIXES))
def test_rounding_goes_up_and_by_less_than_one(number: Any, suffix: str) -> None:
    exact = quantity.parse(f"{number:f}{suffix}")
    assert 0 <= quantity.parse_bytes(f"{number:f}{suffix}") - exact < 1
    assert 0 <= quantity.parse_cpu_millis(f"{number:f}{suffix}") - exact * 1000 < 1


@hypothesis.given(anything | strategies.text())
def test_anything_is_a_quantity_or_a_value_error(value: Any) -> None:
    with contextlib.suppress(ValueError):
        assert quantity.parse_bytes(value) == quantity.parse_bytes(value)


@hypothesis.settings(max_examples=400, deadline=None)
@hypothesis.given(spoiled())
def test_a_spoiled_manifest_is_accepted_or_refused_in_words(data: Any) -> None:
    accepted, sentences = outcome(lambda: [manifests.parse(data)])
    assert accepted or sentences
    assert all(line and line.isprintable() for line in sentences)
    for manifest in accepted:
        again = manifests.parse(manifest.data)
        assert (again.data, again.model) == (manifest.data, manifest.model)


@hypothesis.settings(
    max_examples=150, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@hypothesis.given(spoiled())
def test_every_mistake_of_a_spoiled_file_has_its_line(tmp_path: Path, data: Any) -> None:
    path = tmp_path / "spoiled.yaml"
    try:
        path.write_bytes(canonical.dump(data))
    except UnicodeEncodeError:
        hypothesis.reject()
    lines = path.read_text().count("\n") or 1
    _, sentences = outcome(lambda: manifests.load([str(path)]).objects)
    for sentence in sentences:
        place = sentence.removeprefix(f"{path}:")
        assert place != sentence
        assert 1 <= int(place.split(":")[0]) <= lines


@hypothesis.settings(max_examples=200, deadline=None)
@hypothesis.given(anything)
def test_anything_at_all_is_refused_in_words(data: Any) -> None:
    accepted, sentences = outcome(lambda: [manifests.parse(data)])
    assert not accepted
    assert sentences


@hypothesis.settings(
    max_examples=150, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@hypothesis.given(
    strategies.binary(max_size=60) | strategies.text("[]{}:-,&*!|>#'\" \n\tab0", max_size=60).map(str.encode)
)
def test_no_bytes_raise_anything_but_a_manifest_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "bytes.yaml"
    path.write_bytes(data)
    accepted, sentences = outcome(lambda: manifests.load([str(path)]).objects)
    assert accepted or sentences
