"""Label selectors and the names of kinds, as fingers know them."""

from __future__ import annotations

import pytest

from skate import kinds, selectors
from skate.errors import SkateError

LABELS = {"app": "web", "tier": "front", "empty": ""}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app = web", True),
        ("app=api", False),
        ("app!=api", True),
        ("missing!=x", True),
        ("app!=web", False),
        ("app in (api, web)", True),
        ("app notin (api,web)", False),
        ("missing notin (a)", True),
        ("tier", True),
        ("missing", False),
        ("!missing", True),
        ("!tier", False),
        ("empty=", True),
        ("app in (web,api),tier=front,!missing", True),
        ("app=web,tier=back", False),
    ],
)
def test_selectors_match_as_in_kubernetes(text: str, matches: bool) -> None:
    assert selectors.matches(selectors.parse(text), LABELS) is matches


@pytest.mark.parametrize("text", ["app=web=x", "app in web", "=x", "app in (a", "a b"])
def test_a_selector_that_cannot_be_read_is_refused_by_name(text: str) -> None:
    with pytest.raises(SkateError, match="cannot be read"):
        selectors.parse(text)


@pytest.mark.parametrize("name", ["pod", "pods", "po", "Pods"])
def test_a_kind_is_known_under_all_its_names(name: str) -> None:
    assert kinds.named(name).kind == "Pod"


def test_an_unknown_kind_is_refused_with_a_suggestion() -> None:
    with pytest.raises(SkateError) as caught:
        kinds.named("deploymnet")
    assert "deployment" in caught.value.hint


def test_targets_may_be_types_and_names_or_pairs() -> None:
    found = [(kind.kind, names) for kind, names in kinds.parse_targets(["deploy/web", "pod/x"])]
    assert found == [("Deployment", ["web"]), ("Pod", ["x"])]
    assert [(kind.kind, names) for kind, names in kinds.parse_targets(["pods,nodes"])] == [("Pod", []), ("Node", [])]
    assert [(kind.kind, names) for kind, names in kinds.parse_targets(["pods", "a", "b"])] == [("Pod", ["a", "b"])]


@pytest.mark.parametrize("arguments", [[], ["pod/x", "pods"], ["pods,nodes", "x"]])
def test_targets_that_mean_nothing_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SkateError):
        kinds.parse_targets(arguments)
