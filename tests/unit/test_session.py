"""What is made of nodes that are silent, that lie, or whose files are garbage."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from skate import catalogue, drops, registry, session
from skate.errors import NodeError
from skatelet.contract import bundle, status
from tests.unit import drops_world


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, drops_world.Node]:
    made = {name: drops_world.Node(tmp_path / name, name) for name in (*drops_world.NAMES, "n4")}
    monkeypatch.setattr(drops, "connect", drops_world.connector(made))
    return made


def look(tmp_path: Path, names: tuple[str, ...] = drops_world.NAMES) -> dict[str, session.NodeView]:
    """Every node as one look shows it."""

    async def read() -> dict[str, session.NodeView]:
        cluster = registry.ClusterEntry(name=drops_world.CLUSTER, nodes=drops_world.entries(names))
        async with session.open_session(cluster, registry_path=tmp_path / "config.yaml") as target:
            await target.read()
            await target.read_catalogue()
            return target.nodes

    return session.run(read())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be understood"),
        (b"{", "cannot be understood"),
        (b"[]", "cannot be understood"),
        (b"\xff\xfe{}", "cannot be understood"),
        (b"[" * 200_000, "cannot be understood"),
        (b'{"cluster": "test"}', "cannot be understood"),
        (b" " * (status.MAX_BYTES + 1), "has more than"),
    ],
)
def test_a_status_that_is_garbage_makes_the_node_unreadable_and_no_other(
    nodes: dict[str, drops_world.Node], tmp_path: Path, content: bytes, message: str
) -> None:
    nodes["n2"].paths.status.write_bytes(content)
    seen = look(tmp_path)
    assert message in seen["n2"].error
    assert not seen["n2"].reachable
    assert [seen[name].reachable for name in ("n1", "n3")] == [True, True]


@pytest.mark.parametrize(
    ("says", "message"),
    [
        ({"node": "n1"}, "it says it is node n1 of cluster test"),
        ({"cluster": "other"}, "it says it is node n2 of cluster other"),
        ({"format_version": 99}, "has format 99, this skate reads up to 1: upgrade skate"),
    ],
)
def test_a_node_that_is_another_one_is_not_believed(
    nodes: dict[str, drops_world.Node], tmp_path: Path, says: dict[str, object], message: str
) -> None:
    nodes["n2"].says = says
    nodes["n2"].write_status()
    assert message in look(tmp_path)["n2"].error


def test_a_node_that_never_wrote_a_status_is_reachable(nodes: dict[str, drops_world.Node], tmp_path: Path) -> None:
    nodes["n2"].paths.status.unlink()
    view = look(tmp_path)["n2"]
    assert (view.reachable, view.status, view.generation) == (True, None, 0)


def test_what_a_silent_node_said_last_is_remembered(nodes: dict[str, drops_world.Node], tmp_path: Path) -> None:
    look(tmp_path)
    nodes["n2"].up = False
    view = look(tmp_path)["n2"]
    assert (view.reachable, view.error) == (False, "no answer in time")
    assert view.status is not None
    assert view.status.node == "n2"
    assert time.time() - view.last_seen < 60
    assert view.generation == 0, "what it said last is no generation to build upon"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 10_000])
def test_a_broken_memory_is_no_memory(nodes: dict[str, drops_world.Node], tmp_path: Path, content: bytes) -> None:
    look(tmp_path)
    (tmp_path / "cache" / drops_world.CLUSTER / "n2.json").write_bytes(content)
    nodes["n2"].up = False
    assert look(tmp_path)["n2"].status is None


def test_a_cache_that_cannot_be_written_is_no_error(nodes: dict[str, drops_world.Node], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the directory should be")
    assert all(view.reachable for view in look(tmp_path).values())


def give(node: drops_world.Node, generation: int, objects: list[bundle.CatalogueObject], *foreign: bundle.Node) -> None:
    """Make `node` follow a bundle with these objects and nodes."""
    known = [session.node_of(entry) for entry in drops_world.entries()]
    files = bundle.catalogue_files(
        cluster=bundle.Cluster(name=drops_world.CLUSTER, cidr="10.66.0.0/16"), nodes=[*known, *foreign], objects=objects
    )
    made = bundle.build(
        catalogue=files,
        instances=[],
        cluster=drops_world.CLUSTER,
        node=node.name,
        generation=generation,
        parent=0,
        time="",
        author="",
        tool_version="",
    )
    node.own, node.data = made, bundle.pack(made)
    node.paths.accepted.write_bytes(node.data)
    node.write_status()


def test_nodes_that_somebody_else_registered_are_reached_too(
    nodes: dict[str, drops_world.Node], tmp_path: Path
) -> None:
    give(nodes["n1"], 1, [], bundle.Node(name="n4", host="n4", subnet="10.66.4.0/24"))
    assert look(tmp_path)["n4"].reachable


def test_a_node_that_was_registered_elsewhere_as_local_says_how_to_reach_it() -> None:
    async def connect() -> None:
        async with drops.connect(registry.NodeEntry(name="n4", subnet="10.66.4.0/24"), drop_key="", timeout=1):
            pass

    with pytest.raises(NodeError, match="registered as --local elsewhere"):
        asyncio.run(connect())


def manifest(name: str = "one", **changes: object) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, **changes}


@pytest.mark.parametrize(
    "lie",
    [
        manifest(kind="Pod", metadata={"name": "one", "namespace": "a"}),
        manifest(kind="Pod", metadata={"name": "one", "namespace": "a"}, spec={"containers": 5}),
        manifest(kind="Deployment", metadata={"name": "one", "namespace": "a"}, spec={"replicas": 1, "template": None}),
    ],
)
def test_a_catalogue_that_makes_no_sense_is_passed_over(
    nodes: dict[str, drops_world.Node], tmp_path: Path, lie: dict[str, object]
) -> None:
    give(nodes["n1"], 2, [bundle.CatalogueObject(manifest=lie)])
    give(nodes["n2"], 1, [bundle.CatalogueObject(manifest=manifest("honest"))])

    async def read() -> catalogue.Catalogue:
        cluster = registry.ClusterEntry(name=drops_world.CLUSTER, nodes=drops_world.entries())
        async with session.open_session(cluster, registry_path=tmp_path / "config.yaml") as target:
            await target.read()
            return await target.read_catalogue()

    assert [key[2] for key in session.run(read()).objects] == ["honest"]


def test_a_name_that_is_not_its_files_is_refused() -> None:
    """Names become paths beside the registry: `../../x` is none."""
    give_to = bundle.Node(name="n1", subnet="10.66.1.0/24")
    files = bundle.catalogue_files(
        cluster=bundle.Cluster(name="test", cidr="10.66.0.0/16"), nodes=[give_to], objects=[]
    )
    files["catalogue/nodes/n1.yaml"] = files["catalogue/nodes/n1.yaml"].replace(b"name: n1", b"name: ../../n1")
    made = bundle.build(
        catalogue=files,
        instances=[],
        cluster="test",
        node="n1",
        generation=1,
        parent=0,
        time="",
        author="",
        tool_version="",
    )
    with pytest.raises(bundle.BundleError, match="another name than its file"):
        catalogue.from_bundle(bundle.unpack(bundle.pack(made)))


async def connected(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, delays: dict[str, float], *, hurried: bool
) -> tuple[set[str], float]:
    """The nodes that were reached, and how long it took, when each answers after its delay in seconds."""

    @contextlib.asynccontextmanager
    async def connect(entry: registry.NodeEntry, *, drop_key: str, timeout: float) -> AsyncIterator[drops.Drop]:
        await asyncio.wait([asyncio.create_task(asyncio.sleep(delays[entry.name]))])
        yield dataclasses.make_dataclass("Silent", [])()

    monkeypatch.setattr(drops, "connect", connect)
    cluster = registry.ClusterEntry(name="test", nodes=drops_world.entries(tuple(delays)))
    start = time.monotonic()
    async with session.open_session(cluster, registry_path=tmp_path / "config.yaml", hurried=hurried) as target:
        return {view.entry.name for view in target.reachable}, time.monotonic() - start


@pytest.mark.parametrize(
    ("delays", "hurried", "reached"),
    [
        ({"n1": 0.0, "n2": 0.0, "n3": 30.0}, True, {"n1", "n2"}),
        ({"n1": 0.15, "n2": 0.15, "n3": 0.3}, True, {"n1", "n2", "n3"}),
        ({"n1": 0.0, "n2": 0.0, "n3": 0.4}, False, {"n1", "n2", "n3"}),
        ({"n1": 0.4}, True, {"n1"}),
    ],
)
def test_who_only_looks_does_not_wait_long_for_a_silent_node(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, delays: dict[str, float], hurried: bool, reached: set[str]
) -> None:
    monkeypatch.setattr(session, "HURRIED_SECONDS", 0.2)
    found, seconds = asyncio.run(connected(monkeypatch, tmp_path, delays, hurried=hurried))
    assert found == reached
    assert seconds < 5


def test_polling_does_not_ask_a_node_again_that_fell_silent(nodes: dict[str, drops_world.Node], tmp_path: Path) -> None:
    async def poll() -> tuple[bool, bool]:
        cluster = registry.ClusterEntry(name=drops_world.CLUSTER, nodes=drops_world.entries())
        async with session.open_session(cluster, registry_path=tmp_path / "config.yaml") as target:
            await target.read()
            content = nodes["n2"].paths.status.read_bytes()
            nodes["n2"].paths.status.write_text("{")
            await target.read(everything=False)
            nodes["n2"].paths.status.write_bytes(content)
            await target.read(everything=False)
            polled = target.nodes["n2"].reachable
            await target.read()
            return polled, target.nodes["n2"].reachable

    assert session.run(poll()) == (False, True)


def test_the_memory_is_what_the_node_said(nodes: dict[str, drops_world.Node], tmp_path: Path) -> None:
    look(tmp_path)
    kept = tmp_path / "cache" / drops_world.CLUSTER / "n1.json"
    assert json.loads(kept.read_bytes()) == json.loads(nodes["n1"].paths.status.read_bytes())
