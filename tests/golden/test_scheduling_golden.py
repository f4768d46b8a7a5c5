"""Scheduling, case by case: tests/golden/scheduling/<case>.yaml holds what goes in and what has to come out.

A case has `why`, `nodes`, `workloads`, `previous`, `ready`, and `expected`. Memory is in MiB, a node's subnet is
10.66.<its place in the list>.0/24 where none is given, a workload's namespace `default`. Adding a case is adding a file.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from skate import scheduling
from skatelet.contract import canonical

CASES = sorted(Path(__file__).parent.joinpath("scheduling").glob("*.yaml"))


def node(place, data):
    data = {"subnet": f"10.66.{place}.0/24", **data}
    memory = data.pop("memory_mib", None)
    data["occupied"] = frozenset(data.get("occupied", ()))
    return scheduling.Node(**data, memory_bytes=None if memory is None else memory * 1024**2)


def workload(data):
    data = {"namespace": "default", **data}
    memory = data.pop("memory_mib", 0)
    data["host_ports"] = tuple(scheduling.HostPort(**port) for port in data.get("host_ports", ()))
    return scheduling.Workload(**data, memory_bytes=memory * 1024**2)


def placed(data):
    return scheduling.Placed(**{**data, "workload": scheduling.Key(*data["workload"].split("/"))})


def inputs(case):
    ready = case.get("ready")
    return {
        "nodes": [node(place, data) for place, data in enumerate(case["nodes"], 1)],
        "workloads": [workload(data) for data in case["workloads"]],
        "previous": [placed(data) for data in case.get("previous", ())],
        "ready": None if ready is None else frozenset(tuple(item.split("/")) for item in ready),
    }


def words(schedule):
    return {
        "placements": [
            f"{item.workload.namespace}/{item.instance} on {item.node} at {item.address or 'the host'}, {item.hash}"
            for item in schedule.placements
        ],
        "unplaced": [f"{item.workload} x {item.count}: {item.message}" for item in schedule.unplaced],
    }


def test_there_are_cases():
    assert len(CASES) >= 20


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_case_comes_out_as_expected(path):
    case = canonical.load(path.read_bytes())
    assert words(scheduling.schedule(**inputs(case))) == case["expected"]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_second_run_plans_nothing(path):
    given = inputs(canonical.load(path.read_bytes()))
    first = scheduling.schedule(**given)
    second = scheduling.schedule(**{**given, "previous": first.placements})
    assert second == first
    assert all(changes.empty for changes in scheduling.difference(first.placements, second.placements))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_order_of_the_input_does_not_matter(path):
    given = inputs(canonical.load(path.read_bytes()))
    reversed_order = {**given, **{name: given[name][::-1] for name in ("nodes", "workloads", "previous")}}
    rotated = {
        **given,
        **{
            name: list(itertools.chain(given[name][1:], given[name][:1])) for name in ("nodes", "workloads", "previous")
        },
    }
    first = scheduling.schedule(**given)
    assert scheduling.schedule(**reversed_order) == first
    assert scheduling.schedule(**rotated) == first
