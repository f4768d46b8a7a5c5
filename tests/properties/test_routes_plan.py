"""Promises of the routes' plan that hold from any state of the kernel to any cluster."""

from __future__ import annotations

import copy
import ipaddress
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from skatelet.routes import plan
from tests.unit import routes_world

SUBNETS = [f"10.66.{number}.0/24" for number in range(1, 7)]
HOSTS = ["192.0.2.12", "192.0.2.13", "192.0.2.11", "198.51.100.9", "203.0.113.5", ""]
FOREIGN = [
    {"dst": "default", "gateway": "192.0.2.1", "dev": "host0"},
    {"dst": "10.66.2.0/24", "gateway": "192.0.2.1", "dev": "host0"},
    {"dst": "10.66.3.128/25", "dev": "lan"},
    {"dst": "10.66.0.0/16", "type": "7"},
    {"dst": "198.51.100.0/24", "gateway": "192.0.2.1", "dev": "host0"},
    {"dst": "203.0.113.0/24", "dev": "wg0"},
]


@st.composite
def clusters(draw: st.DrawFn) -> tuple[str, dict[str, tuple[str, str]]]:
    nodes = {"a": (SUBNETS[0], "192.0.2.11")}
    for number, subnet in enumerate(draw(st.lists(st.sampled_from(SUBNETS[1:]), unique=True))):
        nodes[f"n{number}"] = (subnet, draw(st.sampled_from(HOSTS)))
    return draw(st.sampled_from(["routes", "vxlan"])), nodes


HISTORY = st.lists(st.tuples(clusters(), st.lists(st.sampled_from(FOREIGN), unique_by=str)), min_size=1, max_size=4)
DAMAGE = st.sampled_from(["", "device", "rules", "neighbours", "entries", "routes", "strange", "local"])


def hurt(kernel: routes_world.FakeKernel, damage: str) -> None:
    if damage == "device" and kernel.device:
        kernel._do(["link", "del", plan.DEVICE])
    if damage == "local" and kernel.device:
        kernel.device["linkinfo"]["info_data"]["local"] = "192.0.2.99"
    if damage == "rules":
        kernel.rules = None
    if damage == "neighbours":
        kernel.neighbours = {address: "02:00:00:00:00:01" for address in kernel.neighbours}
    if damage == "entries":
        kernel.entries = {mac: "192.0.2.250" for mac in kernel.entries}
    if damage == "routes":
        kernel.ours.clear()
    if damage == "strange":
        route = {"dst": "10.66.6.0/24", "gateway": "192.0.2.3", "dev": "host0", "table": "254", "protocol": "83"}
        kernel.ours["254", "10.66.6.0/24", 7] = {**route, "metric": 7}


@settings(max_examples=150, deadline=None)
@given(history=HISTORY, damage=DAMAGE)
def test_any_state_becomes_what_the_cluster_says_and_then_rests(history: list, damage: str) -> None:
    with tempfile.TemporaryDirectory() as root:
        world = routes_world.World(Path(root))
        for (world.network, world.nodes), foreign in history:
            world.kernel.foreign = foreign
            untouched = copy.deepcopy((foreign, world.kernel.links))
            outcome = world.run()
            assert (world.kernel.foreign, world.kernel.links) == untouched
        hurt(world.kernel, damage)
        outcome = world.run()
        world.did()
        assert not world.run().acted
        assert world.did() == []
        _check(world, outcome.condition.word == "True")


def _check(world: routes_world.World, well: bool) -> None:
    kernel = world.kernel
    peers = {subnet: host for name, (subnet, host) in world.nodes.items() if name != "a"}
    routed = world.routed()
    assert routed.keys() <= peers.keys()
    own_is_free = not any(route["dst"] == "10.66.0.0/16" for route in kernel.foreign_routes())
    assert well == (routed.keys() == peers.keys() and own_is_free)
    for subnet, via in routed.items():
        inner = str(ipaddress.IPv4Network(subnet)[1])
        assert via == (inner if world.network == "vxlan" else peers[subnet])
        for route in kernel.foreign_routes():
            network = ipaddress.IPv4Network("0.0.0.0/0" if route["dst"] == "default" else route["dst"])
            assert network.prefixlen < 8 or not network.overlaps(ipaddress.IPv4Network(subnet))
    assert ("255", "10.66.1.1", plan.GATEWAY_METRIC) in kernel.ours
    assert kernel.rules is not None
    assert {own for own, _ in kernel.rules} <= {"10.66.1.0/24"}
    assert routed.keys() <= {other for _, other in kernel.rules}
    assert (kernel.device is not None) == (world.network == "vxlan")
    far = {plan.mac_of(subnet): peers[subnet] for subnet in routed} if world.network == "vxlan" else {}
    assert kernel.entries == far
    assert kernel.neighbours == {str(ipaddress.IPv4Network(s)[1]): plan.mac_of(s) for s in routed if far}
