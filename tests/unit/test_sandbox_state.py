"""What is recorded of a sandbox, which subnet it gets, and that deleting it takes nothing that is not its own."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from skate import registry
from skate.errors import SkateError
from skate.sandbox import fleet, host, network, state


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SKATE_SANDBOX_DIR", str(tmp_path / "sandboxes"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return tmp_path


def sandbox(name: str = "lab", **fields: object) -> state.Sandbox:
    record = state.NodeRecord(name="node-1", release="trixie", rootfs="trixie-x", address="10.213.7.11")
    return replace(state.Sandbox(name=name, subnet="10.213.7.0/24", nodes=[record]), **fields)


def test_what_is_saved_is_loaded() -> None:
    state.save(sandbox())
    assert state.load("lab") == sandbox()
    assert state.names() == ["lab"]


def test_forgetting_leaves_nothing() -> None:
    state.save(sandbox())
    (state.root() / "lab/nodes/node-1/upper/etc").mkdir(parents=True)
    state.forget("lab")
    assert list(state.root().iterdir()) == []


def test_what_a_node_nested_deeper_than_python_recurses_is_removed_too() -> None:
    state.save(sandbox())
    directory = os.open(state.root() / "lab", os.O_RDONLY)
    for _ in range(sys.getrecursionlimit() + 100):
        os.mkdir("d", dir_fd=directory)
        below = os.open("d", os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = below
    os.close(directory)
    state.forget("lab")
    assert list(state.root().iterdir()) == []


def test_a_broken_record_can_still_be_deleted() -> None:
    state.save(sandbox())
    (state.root() / "lab/sandbox.json").write_text("{")
    with pytest.raises(SkateError, match="cannot be read"):
        state.load("lab")
    assert [row.complete for row in fleet.list_all()] == [False]
    assert fleet.delete("lab")
    assert state.names() == []


def test_deleting_what_is_not_there_is_no_error() -> None:
    assert not fleet.delete("lab")


@pytest.mark.parametrize("name", ["", "Lab", "-lab", "lab-", "a/b", "..", "a" * 43])
def test_names_that_could_not_be_directories_or_hosts_are_refused(name: str) -> None:
    with pytest.raises(SkateError, match="not a name"):
        state.check_name(name)


def test_names_of_the_kernel_fit_for_any_sandbox() -> None:
    long = sandbox("a" * 42)
    node = fleet.node.of(long, replace(long.nodes[0], address="10.213.7.110"))
    assert len(long.bridge) <= 15
    assert len(node.machine.port) <= 15
    assert long.bridge != sandbox("a" * 41).bridge


def test_sandboxes_of_one_name_in_two_directories_share_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    here = sandbox().bridge
    monkeypatch.setenv("SKATE_SANDBOX_DIR", "/elsewhere")
    assert sandbox().bridge != here


def test_a_subnet_is_free_of_routes_other_sandboxes_and_the_clusters_own() -> None:
    assert network.free_subnet([]) == "10.213.0.0/24"
    assert network.free_subnet(["10.213.0.0/24", "10.213.1.7", "192.168.0.0/16"]) == "10.213.2.0/24"
    with pytest.raises(SkateError, match="taken"):
        network.free_subnet(["10.0.0.0/8"])


@pytest.mark.parametrize(
    ("given", "nodes", "expected"),
    [
        (["trixie"], 3, ["trixie"] * 3),
        (["trixie", "bookworm"], 2, ["trixie", "bookworm"]),
    ],
)
def test_one_release_is_for_all_nodes_or_there_is_one_for_each(given, nodes, expected) -> None:
    assert fleet.spread_releases(given, nodes) == expected


@pytest.mark.parametrize(("given", "nodes"), [(["trixie", "bookworm"], 3), (["sid"], 1), ([], 0), ([], 101)])
def test_releases_and_numbers_that_do_not_fit_are_refused(given, nodes) -> None:
    with pytest.raises(SkateError):
        fleet.spread_releases(given, nodes)


def test_deleting_takes_the_sandboxs_context_and_drop_key_only(own_directory: Path) -> None:
    path = own_directory / "config.yaml"
    key = own_directory / "keys" / "lab"
    key.parent.mkdir()
    key.write_text("private")
    (own_directory / "cache" / "lab").mkdir(parents=True)
    mine = registry.NodeEntry(name="node-1", subnet="10.66.1.0/24", key=str(sandbox().key))
    known = registry.Registry(current_context="lab")
    known.put_cluster(registry.ClusterEntry(name="lab", nodes=[mine], drop_key=str(key)))
    known.put_cluster(registry.ClusterEntry(name="production"))
    registry.save(known, path)
    state.save(sandbox(nodes=[], registry=str(path)))
    fleet.delete("lab")
    after = registry.load(path)
    assert [cluster.name for cluster in after.clusters] == ["production"]
    assert after.current_context == ""
    assert not key.exists()
    assert not (own_directory / "cache" / "lab").exists()


@pytest.mark.parametrize("recorded", [True, False])
def test_deleting_leaves_a_cluster_of_the_same_name_that_is_not_the_sandboxs(own_directory, recorded) -> None:
    path = own_directory / "config.yaml"
    foreign = registry.NodeEntry(name="web", host="203.0.113.5", subnet="10.66.1.0/24", key="/home/me/.ssh/id")
    known = registry.Registry()
    known.put_cluster(registry.ClusterEntry(name="lab", nodes=[foreign]))
    registry.save(known, path)
    state.save(sandbox(nodes=[], registry=str(path) if recorded else ""))
    fleet.delete("lab", registry_path=path)
    assert registry.load(path).cluster("lab") is not None


def test_only_root_can_make_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SkateError) as caught:
        fleet.create("lab")
    assert "sudo" in caught.value.hint
    assert state.names() == []


def test_missing_tools_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SkateError) as caught:
        host.require_tools()
    assert "systemd-nspawn" in caught.value.message
    assert "mmdebstrap" in caught.value.hint
    assert "systemd-container" in caught.value.hint


def test_a_cluster_that_is_not_a_sandboxs_is_never_overwritten(own_directory, monkeypatch) -> None:
    path = own_directory / "config.yaml"
    known = registry.Registry()
    known.put_cluster(registry.ClusterEntry(name="lab"))
    registry.save(known, path)
    monkeypatch.setattr(host, "require_tools", lambda: None)
    monkeypatch.setattr(host, "require_cgroup2", lambda: None)
    monkeypatch.setattr(fleet.rootfs, "require", lambda release: None)
    with pytest.raises(SkateError, match="not a sandbox's"):
        fleet.create("lab", registry_path=path)
    assert state.names() == []
