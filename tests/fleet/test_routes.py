"""Pods of all nodes reach each other by address, as themselves; and what keeps that so."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from skate.sandbox import busybox, node
from tests.fleet import support

pytestmark = pytest.mark.fleet

_SAY_WHO = (
    'mkdir -p /www/cgi-bin; printf \'#!/bin/sh\\nprintf "Content-Type: text/plain\\\\r\\\\n\\\\r\\\\n";'
    " echo $REMOTE_ADDR\\n' > /www/cgi-bin/who; chmod +x /www/cgi-bin/who; exec httpd -f -p 8080 -h /www"
)
"""A server that answers with the address it is asked from."""


def who() -> str:
    """A Deployment with a pod a node."""
    manifest = json.loads(support.web("who", replicas=3, image=busybox.IMAGE))
    manifest["spec"]["template"]["spec"]["containers"][0]["command"] = ["sh", "-c", _SAY_WHO]
    return json.dumps(manifest)


def seen_as(cluster: support.Cluster, source: dict[str, Any], target: str) -> str:
    """The address that a pod's request comes from, as the pod at the address `target` sees it; empty without an answer."""
    container = f"{source['metadata']['name']}.default-httpd"
    where = cluster.fleet.node(source["spec"]["nodeName"])
    url = f"http://{target}:8080/cgi-bin/who"
    done = where.run(["timeout", "5", "podman", "exec", container, "wget", "-qO-", url], check=False)
    found = re.search(r"\d+\.\d+\.\d+\.\d+", done.stdout)
    return found[0] if found else ""


def all_to_all(cluster: support.Cluster, pods: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """From which address every pod is seen by every other, by the two pods' addresses."""
    pairs = [
        (source, target["status"]["podIP"])
        for source in pods
        for target in pods
        if source["metadata"] != target["metadata"]
    ]
    answers = support.side_by_side([lambda pair=pair: seen_as(cluster, *pair) for pair in pairs])
    return {
        (source["status"]["podIP"], target): answer for (source, target), answer in zip(pairs, answers, strict=True)
    }


def reached_as_themselves(cluster: support.Cluster, pods: list[dict[str, Any]]) -> None:
    seen: dict[tuple[str, str], str] = {}

    def everybody() -> bool:
        seen.clear()
        seen.update(all_to_all(cluster, pods))
        return all(answer == source for (source, _), answer in seen.items())

    support.eventually(everybody, "every pod reaches every pod as itself", seconds=30, saw=lambda: str(seen))


def ours(target: node.Node) -> list[str]:
    return target.run(["ip", "route", "show", "proto", "83"]).stdout.splitlines()


def condition(cluster: support.Cluster, name: str) -> dict[str, Any]:
    items = json.loads(cluster.ok("get", "nodes", "-o", "json"))["items"]
    conditions = next(item for item in items if item["metadata"]["name"] == name)["status"]["conditions"]
    return next((item for item in conditions if item["type"] == "RoutesReady"), {})


@pytest.fixture
def pods(cluster: support.Cluster) -> list[dict[str, Any]]:
    done = cluster.apply(who())
    assert done.returncode == 0, done.stderr
    return cluster.running("app=who", 3)


def test_every_pod_reaches_every_pod_by_address_and_is_seen_as_itself(
    cluster: support.Cluster, pods: list[dict[str, Any]]
) -> None:
    assert {pod["spec"]["nodeName"] for pod in pods} == {"node-1", "node-2", "node-3"}
    reached_as_themselves(cluster, pods)
    for target in cluster.nodes():
        assert len(ours(target)) == 2
        found = condition(cluster, target.name)
        assert (found["status"], found["message"]) == ("True", "2 of 2 other nodes' subnets are routed")


def test_what_was_taken_away_by_hand_is_back_after_a_run(cluster: support.Cluster, pods: list[dict[str, Any]]) -> None:
    target = cluster.fleet.node("node-1")
    before = ours(target)
    assert len(before) == 2
    foreign = ["10.99.0.0/24", "dev", "lo", "proto", "static"]
    target.run(["ip", "route", "add", *foreign])
    try:
        for line in before:
            target.run(["ip", "route", "del", line.split()[0]])
        target.run(["nft", "flush", "ruleset"])
        target.run(["systemctl", "start", "skatelet.service"])
        support.eventually(lambda: ours(target) == before, "the routes are back", saw=lambda: str(ours(target)))
        assert target.run(["ip", "route", "show", "10.99.0.0/24"]).stdout
    finally:
        target.run(["ip", "route", "del", *foreign])
    reached_as_themselves(cluster, pods)


def test_a_node_has_its_routes_after_a_boot_without_skatelet(
    cluster: support.Cluster, pods: list[dict[str, Any]]
) -> None:
    target = cluster.fleet.node("node-2")
    before = ours(target)
    assert len(before) == 2
    units = ["skatelet.path", "skatelet.timer", "skatelet.service"]
    target.run(["systemctl", "mask", *units])
    try:
        target.reboot()
        support.eventually(lambda: ours(target) == before, "the routes are there", saw=lambda: str(ours(target)))
        assert target.run(["systemctl", "is-active", "skatelet-routes"]).stdout.strip() == "active"
        assert target.run(["cat", "/proc/sys/net/ipv4/ip_forward"]).stdout.strip() == "1"
        assert target.run(["nft", "list", "table", "ip", "skate"]).stdout.count("snat to ip saddr") == 2
        assert not support.skate_processes(target)
    finally:
        target.run(["systemctl", "unmask", *units])
        target.run(["systemctl", "start", "skatelet.path", "skatelet.timer"])
    reached_as_themselves(cluster, cluster.running("app=who", 3))


def test_vxlan_carries_the_same_pods_and_routes_take_over_again(
    cluster: support.Cluster, pods: list[dict[str, Any]]
) -> None:
    before = [support.container_ids(target) for target in cluster.nodes()]
    cluster.ok("create", "cluster", cluster.fleet.name, "--network", "vxlan")
    try:
        assert "~ network: vxlan, was routes" in cluster.skate("refresh").stderr
        for target in cluster.nodes():
            support.eventually(
                lambda target=target: all("dev skate-vx" in line for line in ours(target)) and len(ours(target)) == 2,
                f"{target.name} sends through skate-vx",
                saw=lambda target=target: str(ours(target)),
            )
        reached_as_themselves(cluster, pods)
    finally:
        cluster.ok("create", "cluster", cluster.fleet.name, "--network", "routes")
        cluster.ok("refresh")
    for target in cluster.nodes():
        support.eventually(
            lambda target=target: target.run(["ip", "link", "show", "skate-vx"], check=False).returncode != 0,
            f"{target.name} has no skate-vx any more",
            saw=lambda target=target: str(ours(target)),
        )
    reached_as_themselves(cluster, pods)
    assert [support.container_ids(target) for target in cluster.nodes()] == before
