"""A node that moved, and a changed network, get into the catalogue; an older registry brings nothing back."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from skate import catalogue, deploying, registry, session
from skate.drops import Drop
from skate.nodesetup import cluster
from skatelet.contract import bundle, status


def told(*addresses: str, peer_host: str = "192.0.2.1", port: int = 22, network: str = "") -> catalogue.Catalogue:
    """The catalogue that a deploy makes, where it knew node a at 192.0.2.1 and the node itself says `addresses`."""
    entry = registry.NodeEntry(name="a", host="a.example", port=port, peer_host=peer_host, subnet="10.66.1.0/24")
    known = registry.ClusterEntry(name="home", nodes=[entry], network=network)  # type: ignore[arg-type]
    target = session.Session(known, cache=Path("/nonexistent"), stack=contextlib.AsyncExitStack())
    none = status.Resources(cpu_millis=0, memory_bytes=0, pods=0)
    info = status.NodeInfo.model_construct(addresses=list(addresses), capacity=none, allocatable=none)
    said = status.Status.model_construct(info=info)
    target.nodes["a"] = session.NodeView(entry=entry, drop=object.__new__(_Silent), status=said)
    before = bundle.Node(name="a", host="a.example", peer_host="192.0.2.1", subnet="10.66.1.0/24")
    home = bundle.Cluster(name="home", cidr="10.66.0.0/16", seal_key="k")
    return deploying.with_registered_nodes(catalogue.Catalogue(cluster=home, nodes={"a": before}, objects={}), target)


class _Silent(Drop):
    """Connected, and never asked."""


@pytest.mark.parametrize(
    ("said", "registered", "expected"),
    [
        (["192.0.2.9", "203.0.113.1"], "192.0.2.9", "192.0.2.9"),
        (["192.0.2.9"], "192.0.2.1", "192.0.2.9"),
        (["192.0.2.1"], "192.0.2.7", "192.0.2.1"),
        ([], "192.0.2.7", "192.0.2.1"),
        (["no; host"], "192.0.2.1", "192.0.2.1"),
    ],
    ids=["moved", "moved by another machine", "an older registry", "nothing said", "no address"],
)
def test_the_nodes_own_word_says_where_peers_reach_it(said: list[str], registered: str, expected: str) -> None:
    assert told(*said, peer_host=registered).nodes["a"].peer_host == expected


def test_the_port_that_it_is_reached_at_is_the_clusters() -> None:
    assert told(port=2222).nodes["a"].port == 2222


def test_how_nodes_reach_each_other_changes_only_where_somebody_said_so() -> None:
    assert told(network="vxlan").cluster.network == "vxlan"
    assert told().cluster.network == "routes"


def test_create_cluster_changes_the_network_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"

    def create(network: str) -> bool:
        return cluster.create_cluster(registry_path=path, name="home", network=network, progress=str)  # type: ignore[arg-type]

    assert [create(""), create("vxlan"), create("vxlan"), create("")] == [True, True, False, False]
    assert registry.load(path).require().network == "vxlan"
