"""Publishing against real local drops, with skatelet's own intake at the other end: no update is lost, nothing stays stuck."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from skate import catalogue, drops, publishing, registry, session
from skate.errors import ConflictError, NodeError, ScheduleError
from skatelet.contract import bundle
from tests.unit import drops_world
from tests.unit.drops_world import NAMES, Node, entries


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Node]:
    made = {name: Node(tmp_path / name, name) for name in NAMES}

    monkeypatch.setattr(drops, "connect", drops_world.connector(made))
    monkeypatch.setattr(publishing, "CLAIM_PATIENCE_SECONDS", 0.3)
    return made


def add(name: str) -> publishing.Change:
    """A change that adds a Namespace: an object with no instances."""

    def change(current: catalogue.Catalogue, target: session.Session) -> catalogue.Catalogue:
        base = catalogue.with_nodes(current, [session.node_of(entry) for entry in target.cluster.nodes])
        item = bundle.CatalogueObject(manifest={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return dataclasses.replace(base, objects={**base.objects, ("Namespace", "", name): item})

    return change


async def publish(tmp_path: Path, change: publishing.Change, **flags: bool) -> publishing.Outcome:
    cluster = registry.ClusterEntry(name="test", nodes=entries())
    async with session.open_session(cluster, registry_path=tmp_path / "config.yaml") as target:
        return await publishing.publish(target, change, **flags)


async def keep_awake(nodes: dict[str, Node], over: asyncio.Event) -> None:
    while not over.is_set():
        for node in nodes.values():
            if node.up:
                node.wake()
        await asyncio.sleep(0.002)


def test_a_change_reaches_every_node_as_the_next_generation(nodes: dict[str, Node], tmp_path: Path) -> None:
    for number, name in enumerate(("one", "two"), 1):
        outcome = asyncio.run(publish(tmp_path, add(name)))
        assert (outcome.published, outcome.after.generation, outcome.dropped) == (True, number, NAMES)
        for node in nodes.values():
            node.wake()
    assert [node.objects for node in nodes.values()] == [{"one", "two"}] * 3
    assert not any(node.refused for node in nodes.values())


def test_nothing_changed_makes_no_generation(nodes: dict[str, Node], tmp_path: Path) -> None:
    asyncio.run(publish(tmp_path, add("one")))
    for node in nodes.values():
        node.wake()
    outcome = asyncio.run(publish(tmp_path, add("one")))
    assert (outcome.published, outcome.dropped, outcome.after.generation) == (False, (), 1)
    assert [list(node.paths.claims.iterdir()) for node in nodes.values()] == [[], [], []]


def test_a_bundle_that_no_node_has_taken_yet_is_built_upon(nodes: dict[str, Node], tmp_path: Path) -> None:
    asyncio.run(publish(tmp_path, add("one")))
    assert asyncio.run(publish(tmp_path, add("two"))).after.generation == 2
    for node in nodes.values():
        node.wake()
    assert [node.objects for node in nodes.values()] == [{"one", "two"}] * 3
    assert [node.history for node in nodes.values()] == [[2]] * 3


def test_a_node_that_was_down_catches_up_with_the_same_generation(nodes: dict[str, Node], tmp_path: Path) -> None:
    nodes["n3"].up = False
    outcome = asyncio.run(publish(tmp_path, add("one")))
    assert outcome.dropped == ("n1", "n2")
    assert outcome.behind == {"n3": "no answer in time"}
    for node in (nodes["n1"], nodes["n2"]):
        node.wake()
    nodes["n3"].up = True
    outcome = asyncio.run(publish(tmp_path, add("one")))
    assert (outcome.published, outcome.dropped, outcome.behind) == (False, ("n3",), {})
    nodes["n3"].wake()
    assert nodes["n3"].objects == {"one"}
    assert nodes["n3"].history == [1]


def test_below_a_majority_nothing_is_written(nodes: dict[str, Node], tmp_path: Path) -> None:
    nodes["n2"].up = nodes["n3"].up = False
    with pytest.raises(NodeError, match="only 1 of 3 nodes"):
        asyncio.run(publish(tmp_path, add("one")))
    assert not list(nodes["n1"].paths.claims.iterdir())
    assert not list(nodes["n1"].paths.inbox.iterdir())
    outcome = asyncio.run(publish(tmp_path, add("one"), without_quorum=True))
    assert outcome.dropped == ("n1",)


def test_a_claim_whose_owner_died_is_gone_past(nodes: dict[str, Node], tmp_path: Path) -> None:
    for node in nodes.values():
        (node.paths.claims / "1").write_text('{"author": "ghost"}')
    outcome = asyncio.run(publish(tmp_path, add("one")))
    assert outcome.after.generation == 2
    for node in nodes.values():
        node.wake()
        assert node.objects == {"one"}
        assert not list(node.paths.claims.iterdir())


def test_who_has_no_majority_takes_its_claims_back(nodes: dict[str, Node], tmp_path: Path) -> None:
    cluster = registry.ClusterEntry(name="test", nodes=entries())

    async def lose() -> str | None:
        async with session.open_session(cluster, registry_path=tmp_path / "config.yaml") as target:
            await target.read()
            for name in ("n1", "n2"):
                (nodes[name].paths.claims / "1").write_text('{"author": "other@there"}')
            return await publishing._claim(target, 1, without_quorum=False)

    assert asyncio.run(lose()) == "other@there"
    assert [sorted(path.name for path in node.paths.claims.iterdir()) for node in nodes.values()] == [["1"], ["1"], []]


def test_a_node_that_went_past_the_parent_refuses(nodes: dict[str, Node], tmp_path: Path) -> None:
    """Whatever happened to the claims: a bundle made upon an older catalogue than the node's is a lost update."""
    asyncio.run(publish(tmp_path, add("one")))
    stale = bundle.unpack((nodes["n1"].paths.inbox / "1.bundle").read_bytes())
    for node in nodes.values():
        node.wake()
    asyncio.run(publish(tmp_path, add("two")))
    nodes["n1"].wake()
    late = dataclasses.replace(stale, index=stale.index.model_copy(update={"generation": 9, "parent": 1}))
    (nodes["n1"].paths.inbox / "9.bundle").write_bytes(bundle.pack(late))
    nodes["n1"].wake()
    assert [refusal.reason for refusal in nodes["n1"].refused] == ["Conflict"]
    assert nodes["n1"].objects == {"one", "two"}


@pytest.mark.parametrize("deployers", [2, 4])
def test_deployers_at_the_same_time_lose_nothing(nodes: dict[str, Node], tmp_path: Path, deployers: int) -> None:
    """Every publish that returned is in the final catalogue of every node; every other said so."""

    async def race() -> list[publishing.Outcome | BaseException]:
        over = asyncio.Event()
        awake = asyncio.create_task(keep_awake(nodes, over))
        names = [f"d{deployer}-{turn}" for turn in range(3) for deployer in range(deployers)]
        ended: list[publishing.Outcome | BaseException] = []
        for start in range(0, len(names), deployers):
            turn = [publish(tmp_path, add(name)) for name in names[start : start + deployers]]
            ended += await asyncio.gather(*turn, return_exceptions=True)
        over.set()
        await awake
        for node in nodes.values():
            node.wake()
        return ended

    ended = asyncio.run(race())
    unexpected = [item for item in ended if isinstance(item, BaseException) and not isinstance(item, ConflictError)]
    assert not unexpected
    told = {
        name for outcome in ended if isinstance(outcome, publishing.Outcome) for _, _, name in outcome.after.objects
    }
    assert len([item for item in ended if isinstance(item, publishing.Outcome)]) >= 3
    for node in nodes.values():
        assert node.objects == told
        assert node.history == sorted(node.history)


def test_a_node_that_makes_up_a_generation_is_named(nodes: dict[str, Node], tmp_path: Path) -> None:
    asyncio.run(publish(tmp_path, add("one")))
    for node in nodes.values():
        node.wake()
    nodes["n2"].says = {"generation_seen": 99}
    nodes["n2"].write_status()
    with pytest.raises(NodeError, match="follow a generation that no node can show") as caught:
        asyncio.run(publish(tmp_path, add("two")))
    assert caught.value.details == ["node n2: says generation 99, the newest readable is 1"]
    assert caught.value.hint
    assert [node.history for node in nodes.values()] == [[1]] * 3


def test_where_no_node_answers_that_is_what_is_said(nodes: dict[str, Node], tmp_path: Path) -> None:
    """And not what the scheduler makes of it."""
    for node in nodes.values():
        node.up = False

    def change(current: catalogue.Catalogue, target: session.Session) -> catalogue.Catalogue:
        raise ScheduleError("0/3 nodes are available")

    with pytest.raises(NodeError, match="no node can be reached") as caught:
        asyncio.run(publish(tmp_path, change))
    assert len(caught.value.details) == 3
    nodes["n1"].up = True
    with pytest.raises(NodeError, match="only 1 of 3 nodes"):
        asyncio.run(publish(tmp_path, change))
