"""Each file in tests/golden/pods is one case: what is desired, seen and remembered, and the rounds of actions that follow.

After the last round the plan must be empty, which is asserted for every case; `due` is when it says it is to look again.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from skatelet.contract import canonical
from tests.unit import pods_world

CASES = sorted((Path(__file__).parent / "pods").glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_the_plan_is_as_the_case_says_and_then_empty(path: Path) -> None:
    case = canonical.load(path.read_bytes())
    world = pods_world.world_from(case)

    assert world.settle() == [sorted(words) for words in case["rounds"]]

    last = world.plan()
    assert last.actions == ()
    assert last.due == case.get("due")
    assert {name: item.reason for name, item in last.problems.items()} == case.get("problems", {})
    assert sorted(pod.name for pod in world.seen) == sorted(case["left"])
