"""A container that ended while conmon was dead: podman calls it running, skatelet looks itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from skatelet.pods import lost
from skatelet.system.podman import PodmanError
from tests.unit import test_skatelet_node as node_tests


@pytest.fixture
def world(tmp_path: Path) -> Iterator[node_tests.World]:
    world = node_tests.World(tmp_path)
    world.drop(node_tests.pod("web"))
    world.settle()
    world.podman.find("web.default-app")["Pid"] = 100
    yield world
    world.node.close()


def inspected(world: node_tests.World, monkeypatch: pytest.MonkeyPatch, **state: Any) -> None:
    monkeypatch.setattr(world.podman, "container", lambda _: {"State": {"Running": True, "Pid": 100, **state}})


def test_what_podman_calls_running_without_a_process_or_a_conmon_is_made_anew(
    world: node_tests.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    inspected(world, monkeypatch, ConmonPid=99)
    before = world.podman.find("web.default-app")["Id"]
    found = world.settle()
    assert world.podman.find("web.default-app")["Id"] != before
    (container,) = found.instances[0].containers
    assert (container.ready, container.restarts) == (True, 1)
    assert container.last_state is not None
    assert container.last_state.terminated is not None
    assert "conmon" in container.last_state.terminated.message


@pytest.mark.parametrize(
    ("alive", "state"),
    [
        ("100", {"ConmonPid": 99}),
        ("99", {"ConmonPid": 99}),
        ("", {"ConmonPid": 99, "Running": False}),
        ("", {"ConmonPid": 0}),
    ],
    ids=["it lives", "conmon is about to tell", "podman has just noted it", "podman knows no conmon"],
)
def test_what_lives_or_is_being_noted_is_left_alone(
    world: node_tests.World, monkeypatch: pytest.MonkeyPatch, alive: str, state: dict[str, Any]
) -> None:
    inspected(world, monkeypatch, **state)
    if alive:
        world.paths.proc(alive).mkdir()
    before = world.podman.find("web.default-app")["Id"]
    world.settle()
    assert world.podman.find("web.default-app")["Id"] == before


def test_a_container_that_podman_does_not_know_any_more_is_not_lost(
    world: node_tests.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(_: str) -> dict[str, Any]:
        raise PodmanError("no such container", status=404)

    monkeypatch.setattr(world.podman, "container", unknown)
    found = {"Id": "x", "Pid": 100}
    assert not lost.is_lost(found, paths=world.paths, podman=world.podman)
