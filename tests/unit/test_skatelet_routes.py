"""The routes to other nodes' subnets, one pass after another, on a kernel in memory."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from skatelet.routes import observe, resolving
from skatelet.system import iproute
from tests.unit import routes_world


@pytest.fixture
def world(tmp_path: Path) -> routes_world.World:
    return routes_world.World(tmp_path)


def files(world: routes_world.World) -> dict[str, tuple[int, bytes]]:
    directory = world.root / "var/lib/skatelet/routes"
    return {path.name: (path.stat().st_ino, path.read_bytes()) for path in directory.iterdir()}


def test_every_other_nodes_subnet_is_routed_and_a_second_pass_does_nothing(world: routes_world.World) -> None:
    first = world.run()
    assert (first.condition.word, first.condition.reason) == ("True", "Routed")
    assert first.condition.message == "2 of 2 other nodes' subnets are routed"
    assert first.acted
    assert first.due is None
    assert world.routed() == {"10.66.2.0/24": "192.0.2.12", "10.66.3.0/24": "192.0.2.13"}
    assert world.kernel.rules == [("10.66.1.0/24", "10.66.2.0/24"), ("10.66.1.0/24", "10.66.3.0/24")]
    assert world.kernel.forwarding_ == "1\n"
    assert world.did()
    before = files(world)
    second = world.run()
    assert (second.condition, second.acted, second.events) == (first.condition, False, ())
    assert world.did() == []
    assert files(world) == before


def test_a_route_deleted_by_hand_is_put_back_and_nothing_else_is_touched(world: routes_world.World) -> None:
    world.run()
    world.did()
    del world.kernel.ours["254", "10.66.3.0/24", 0]
    outcome = world.run()
    assert world.did() == ["route replace 10.66.3.0/24 via 192.0.2.13 proto 83"]
    assert outcome.events == (("Normal", "RoutesChanged", "node/a", "routes changed: + 10.66.3.0/24"),)


def test_a_flushed_ruleset_is_loaded_again(world: routes_world.World) -> None:
    world.run()
    world.did()
    world.kernel.rules = None
    assert world.run().acted
    assert world.did() == ["load"]


def test_a_node_that_moved_is_replaced_in_one_step_and_one_that_left_goes(world: routes_world.World) -> None:
    world.run()
    world.did()
    world.nodes["b"] = ("10.66.2.0/24", "192.0.2.22")
    del world.nodes["c"]
    world.run()
    assert world.did() == [
        "load",
        "route replace 10.66.2.0/24 via 192.0.2.22 proto 83",
        "route del 10.66.3.0/24 proto 83 metric 0",
    ]


def test_a_subnet_that_the_host_itself_has_is_never_routed_away(world: routes_world.World) -> None:
    world.kernel.links["lan"] = {"addresses": ["10.66.2.77/26"]}
    outcome = world.run()
    assert (outcome.condition.word, outcome.condition.reason) == ("False", "SubnetOverlaps")
    assert "node b's subnet 10.66.2.0/24 overlaps 10.66.2.64/26 (lan)" in outcome.condition.message
    assert world.routed() == {"10.66.3.0/24": "192.0.2.13"}
    assert "10.66.2.0/24" not in world.file("routes")


def test_a_network_that_appears_later_takes_its_addresses_back(world: routes_world.World) -> None:
    world.run()
    world.kernel.foreign.append({"dst": "10.66.0.0/16", "gateway": "192.0.2.1", "dev": "host0"})
    outcome = world.run()
    assert outcome.condition.reason == "SubnetOverlaps"
    assert "10.66.0.0/16 (host0)" in outcome.condition.message
    assert world.routed() == {}
    assert world.kernel.rules == []


def test_halves_of_a_default_route_are_nobodys_network(world: routes_world.World) -> None:
    world.kernel.foreign += [{"dst": half, "gateway": "192.0.2.1", "dev": "tun0"} for half in ("0.0.0.0/1", "default")]
    assert world.run().condition.reason == "Routed"


def test_where_no_link_is_shared_the_others_are_routed_and_vxlan_is_named(world: routes_world.World) -> None:
    world.kernel.foreign.append({"dst": "default", "gateway": "192.0.2.1", "dev": "host0"})
    world.nodes["c"] = ("10.66.3.0/24", "198.51.100.13")
    outcome = world.run()
    assert (outcome.condition.word, outcome.condition.reason) == ("False", "NoSharedLink")
    assert "1 of 2 other nodes' subnets are routed" in outcome.condition.message
    assert "c (198.51.100.13)" in outcome.condition.message
    assert "skate create cluster home --network vxlan" in outcome.condition.message
    assert world.routed() == {"10.66.2.0/24": "192.0.2.12"}
    assert outcome.due is None
    world.did()
    assert not world.run().acted
    assert world.did() == []


def test_links_that_come_up_late_are_waited_for_and_the_files_stay(world: routes_world.World) -> None:
    world.run()
    before = files(world)
    world.kernel.links = {}
    world.kernel.ours.clear()
    outcome = world.run()
    assert outcome.due == 1010.0
    assert files(world) == before
    world.kernel.links["host0"] = {"addresses": ["192.0.2.11/24"]}
    assert world.run().condition.reason == "Routed"


def test_what_the_kernel_refuses_is_said_and_the_rest_is_done(world: routes_world.World) -> None:
    world.kernel._reaches = lambda via: via != "192.0.2.12"  # type: ignore[method-assign]
    outcome = world.run()
    assert (outcome.condition.word, outcome.condition.reason) == ("False", "Refused")
    assert (
        "`route replace 10.66.2.0/24 via 192.0.2.12 proto 83`: Nexthop has invalid gateway" in outcome.condition.message
    )
    assert world.routed() == {"10.66.3.0/24": "192.0.2.13"}


@pytest.mark.parametrize("program", ["ip", "nft"])
def test_a_host_that_cannot_be_looked_at_is_left_alone_and_says_so(world: routes_world.World, program: str) -> None:
    world.kernel.broken = {program}
    outcome = world.run()
    assert (outcome.condition.word, outcome.condition.reason) == ("False", "CannotLook")
    assert program in outcome.condition.message
    assert world.did() == []


def test_a_node_without_peers_is_well(world: routes_world.World) -> None:
    world.nodes = {"a": world.nodes["a"]}
    assert world.run().condition.message == "there are no other nodes"


@pytest.mark.parametrize(("host", "words"), [("", "no address is known"), ("192.0.2.11", "one of this node's own")])
def test_a_peer_without_a_usable_address_is_named(world: routes_world.World, host: str, words: str) -> None:
    world.nodes["b"] = ("10.66.2.0/24", host)
    outcome = world.run()
    assert outcome.condition.reason == "NoPeerAddress"
    assert words in outcome.condition.message
    assert "skate create node --name b --peer-host ADDRESS" in outcome.condition.message
    assert world.routed() == {"10.66.3.0/24": "192.0.2.13"}


def test_a_peer_registered_by_name_is_resolved_and_remembered(world: routes_world.World) -> None:
    world.nodes["b"] = ("10.66.2.0/24", "b.example.org")
    world.names = {"b.example.org": "192.0.2.12"}
    world.run()
    assert world.routed()["10.66.2.0/24"] == "192.0.2.12"
    assert world.notes == {"routes/address/b.example.org": "192.0.2.12"}
    world.names = {}
    world.restarted()
    assert world.run().condition.reason == "Routed"
    assert world.routed()["10.66.2.0/24"] == "192.0.2.12"
    world.nodes["b"] = ("10.66.2.0/24", "192.0.2.12")
    world.run()
    assert world.notes == {}


def test_a_slow_resolver_holds_no_pass_up_and_wakes_when_it_answers() -> None:
    answer, woken = threading.Event(), threading.Event()

    def lookup(name: str) -> str:
        assert answer.wait(10)
        return "192.0.2.12"

    resolver = resolving.Resolver(wake=woken.set, lookup=lookup)
    notes = {"routes/address/b": "192.0.2.9"}
    assert resolver.addresses(["b"], notes) == {"b": "192.0.2.9"}
    assert not woken.is_set()
    answer.set()
    assert woken.wait(10)
    assert resolver.addresses(["b"], notes) == {"b": "192.0.2.12"}
    assert notes == {"routes/address/b": "192.0.2.12"}


def test_routes_become_vxlan_and_routes_again_without_one_being_taken_away(world: routes_world.World) -> None:
    world.run()
    world.did()
    world.network = "vxlan"
    outcome = world.run()
    assert outcome.condition.message == "2 of 2 other nodes' subnets are routed over VXLAN"
    assert world.routed() == {"10.66.2.0/24": "10.66.2.1", "10.66.3.0/24": "10.66.3.1"}
    assert not [line for line in world.did() if "del" in line]
    assert world.run().acted is False
    world.network = "routes"
    world.run()
    assert world.routed() == {"10.66.2.0/24": "192.0.2.12", "10.66.3.0/24": "192.0.2.13"}
    assert world.did()[-1] == "link del skate-vx"
    assert world.file("device") == world.file("forwards") == ""


def test_vxlan_sends_from_the_peer_address_and_leaves_room_for_its_header(world: routes_world.World) -> None:
    world.network = "vxlan"
    world.kernel.links["host0"]["mtu"] = 1420
    world.run()
    assert world.file("device") == (
        "link add skate-vx address 02:53:0a:42:01:00 mtu 1370 type vxlan id 83 dstport 4789 nolearning"
        " local 192.0.2.11\n"
    )


def test_a_device_of_our_name_that_is_another_is_made_anew(world: routes_world.World) -> None:
    world.network = "vxlan"
    world.kernel.device = {
        "ifname": "skate-vx",
        "mtu": 1450,
        "linkinfo": {"info_kind": "vxlan", "info_data": {"id": 5, "port": 8472, "learning": True}},
    }
    assert world.run().condition.reason == "Routed"
    done = world.did()
    assert done.index("link del skate-vx") + 1 == [line[:8] for line in done].index("link add")
    assert world.kernel.device["linkinfo"]["info_data"]["id"] == 83


def test_a_table_that_says_anything_else_is_no_table_of_ours() -> None:
    chain = '{"chain": {"name": "source", "type": "nat", "hook": "postrouting", "prio": 99}}'
    assert observe.unmasked(f'{{"nftables": [{chain}]}}') == ()
    assert observe.unmasked(f'{{"nftables": [{chain}, {{"rule": {{"expr": [{{"accept": null}}]}}}}]}}') is None
    assert observe.unmasked('{"nftables": []}') is None
    assert observe.unmasked("") is None


def test_failed_lines_of_a_batch_are_found_with_the_kernels_words() -> None:
    lines = [("route", "replace", "10.1.0.0/24"), ("link", "add", "x"), ("route", "del", "10.2.0.0/24")]
    said = "Error: Nexthop has invalid gateway.\nCommand failed -:1\nRTNETLINK answers: No such process\nCommand failed -:3\n"
    assert iproute.failures(lines, said) == {
        lines[0]: "Nexthop has invalid gateway.",
        lines[2]: "No such process",
    }
