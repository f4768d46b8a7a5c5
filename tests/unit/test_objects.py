"""Pods, nodes and Deployments as a reader sees them: the catalogue and what the nodes say, put together."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from skate import catalogue, descriptions, objects, printers, workloads
from skatelet.contract import bundle, status
from tests.unit import drops_world

NOW = datetime.datetime(2030, 1, 1, 12, tzinfo=datetime.UTC)
SINCE = "2030-01-01T11:30:00Z"
WEB = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "main", "image": "web:1", "args": ["-c", "one\ntwo"]}]},
        },
    },
}
WORKLOAD = workloads.from_manifest(WEB)
assert WORKLOAD is not None
HASH = WORKLOAD.demand.hash
PLACEMENTS = [
    bundle.Placement(instance="web-a", node="n1", address="10.66.1.2", hash=HASH),
    bundle.Placement(instance="web-b", node="n2", address="10.66.2.2", hash=HASH),
]


def instance(name: str, hash_: str = HASH, **changes: Any) -> status.InstanceStatus:
    made = bundle.Instance(
        name=name,
        namespace="default",
        owner=bundle.Owner(kind="Deployment", name="web"),
        address="10.66.1.2",
        hash=hash_,
        pod={"spec": {"containers": [{"name": "main", "image": "web:1"}]}},
    )
    return drops_world.running(made, **changes)


def node(name: str, *instances: status.InstanceStatus, seen: int = 4, **changes: Any) -> objects.NodeSeen:
    said = status.Status(
        cluster="test", node=name, time="", generation_seen=seen, info=drops_world.INFO, instances=list(instances)
    )
    values: dict[str, Any] = {"reachable": True, "connected": True, "status": said, "since": SINCE}
    return objects.NodeSeen(
        node=bundle.Node(name=name, host=name, subnet=f"10.66.{name[1:]}.0/24"), **(values | changes)
    )


def cluster(*nodes: objects.NodeSeen, generation: int = 4) -> objects.Seen:
    entry = bundle.CatalogueObject(manifest=WEB, placements=PLACEMENTS, created="2030-01-01T00:00:00Z")
    content = catalogue.Catalogue(
        cluster=bundle.Cluster(name="test", cidr="10.66.0.0/16"),
        nodes={item.node.name: item.node for item in nodes},
        objects={("Deployment", "default", "web"): entry},
        generation=generation,
    )
    return objects.Seen(catalogue=content, nodes={item.node.name: item for item in nodes})


LOST: dict[str, Any] = {"reachable": False, "connected": False, "error": "n2:22: no answer"}


def rows(seen: objects.Seen) -> list[list[str]]:
    return [printers.PRINTERS["Pod"].row(pod, NOW)[0][:3] for pod in objects.pods(seen)]


def ready(seen: objects.Seen, name: str) -> dict[str, Any]:
    (found,) = [item for item in objects.nodes(seen) if item["metadata"]["name"] == name]
    condition: dict[str, Any] = found["status"]["conditions"][0]
    return condition


def test_pods_are_what_the_nodes_report() -> None:
    seen = cluster(node("n1", instance("web-a")), node("n2", instance("web-b")))
    assert rows(seen) == [["web-a", "1/1", "Running"], ["web-b", "1/1", "Running"]]
    pod = objects.pods(seen)[0]
    assert pod["metadata"]["ownerReferences"][0]["name"] == "web"
    assert pod["metadata"]["labels"]["app"] == "web"
    assert pod["spec"]["nodeName"] == "n1"


def test_what_no_node_has_yet_is_pending() -> None:
    assert rows(cluster(node("n1", instance("web-a")), node("n2"))) == [
        ["web-a", "1/1", "Running"],
        ["web-b", "0/1", "Pending"],
    ]


def test_pods_of_a_node_that_is_silent_are_unknown() -> None:
    seen = cluster(node("n1", instance("web-a")), node("n2", instance("web-b"), **LOST))
    assert rows(seen) == [["web-a", "1/1", "Running"], ["web-b", "0/1", "Unknown"]]
    assert objects.pods(seen)[1]["status"]["message"] == "node n2 cannot be reached: n2:22: no answer"


def test_pods_that_a_silent_node_should_have_let_go_are_shown() -> None:
    seen = cluster(node("n1", instance("web-a")), node("n2", instance("web-b"), instance("web-old", "old"), **LOST))
    assert rows(seen)[-1] == ["web-old", "0/1", "Unknown"]


def test_a_silent_node_that_never_said_anything_has_its_placed_pods_unknown() -> None:
    seen = cluster(node("n1", instance("web-a")), node("n2", **LOST, status=None, since=""))
    assert rows(seen)[1] == ["web-b", "0/1", "Unknown"]
    assert printers.PRINTERS["Node"].row(objects.nodes(seen)[1], NOW)[0] == [
        "n2", "NotReady", "<none>", "<unknown>", "<unknown>",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected", "message"),
    [
        ({}, ("True", "SkateletReady"), "has done its work"),
        (LOST, ("Unknown", "NodeStatusUnknown"), "cannot be reached: n2:22: no answer"),
        (LOST | {"connected": True, "error": "garbage"}, ("Unknown", "NodeStatusUnknown"), "cannot be read: garbage"),
        ({"status": None}, ("False", "NoStatus"), "never written"),
        ({"heartbeat_age": objects.STALE_SECONDS + 1}, ("Unknown", "StatusStale"), "901 s old"),
        ({"heartbeat_age": -3600.0}, ("True", "SkateletReady"), "has done its work"),
        ({"seen": 3}, ("True", "Behind"), "generation 3 of 4"),
    ],
)
def test_a_node_is_ready_only_when_it_answers_and_its_status_is_fresh(
    changes: dict[str, Any], expected: tuple[str, str], message: str
) -> None:
    condition = ready(cluster(node("n1"), node("n2", **changes)), "n2")
    assert (condition["status"], condition["reason"]) == expected
    assert message in condition["message"]


def test_a_node_that_is_silent_says_since_when() -> None:
    condition = ready(cluster(node("n1"), node("n2", **LOST)), "n2")
    assert condition["lastTransitionTime"] == condition["lastHeartbeatTime"] == SINCE


def test_what_the_node_itself_says_of_readiness_counts() -> None:
    item = node("n1")
    assert item.status is not None
    bad = status.Condition(type="Ready", status="False", reason="PodmanDown", message="podman is gone")
    said = item.status.model_copy(update={"conditions": [bad]})
    condition = ready(cluster(node("n1", status=said), node("n2")), "n1")
    assert (condition["status"], condition["reason"]) == ("False", "PodmanDown")


def deployment(seen: objects.Seen) -> list[str]:
    (found,) = objects.deployments(seen)
    return printers.PRINTERS["Deployment"].row(found, NOW)[0]


@pytest.mark.parametrize(
    ("first", "second", "cells"),
    [
        (node("n1", instance("web-a")), node("n2", instance("web-b")), ["web", "2/2", "2", "2", "12h"]),
        (node("n1", instance("web-a")), node("n2", instance("web-b", ready=False)), ["web", "1/2", "2", "1", "12h"]),
        (node("n1", instance("web-a")), node("n2"), ["web", "1/2", "1", "1", "12h"]),
        (node("n1", instance("web-a")), node("n2", instance("web-b"), **LOST), ["web", "1/2", "2", "1", "12h"]),
        # While a new version starts, ready ones of the old are counted as ready, and not as up to date.
        (
            node("n1", instance("web-a"), instance("web-x", "old", desired=False)),
            node("n2", instance("web-y", "old", desired=False)),
            ["web", "3/2", "1", "3", "12h"],
        ),
    ],
)
def test_a_deployment_counts_its_pods(first: objects.NodeSeen, second: objects.NodeSeen, cells: list[str]) -> None:
    assert deployment(cluster(first, second)) == cells


def test_a_pod_of_an_older_version_is_terminating() -> None:
    seen = cluster(node("n1", instance("web-a"), instance("web-x", "old", desired=False)), node("n2"))
    assert ["web-x", "1/1", "Terminating"] in rows(seen)


def test_namespaces_are_those_applied_and_default() -> None:
    assert [item["metadata"]["name"] for item in objects.namespaces(cluster(node("n1"), node("n2")))] == ["default"]


def described(item: objects.Object, seen: objects.Seen) -> list[str]:
    return descriptions.describe(item, seen, NOW).splitlines()


def test_a_pod_is_described_with_its_events() -> None:
    first = node("n1", instance("web-a"))
    assert first.status is not None
    events = [
        status.Event(
            time=SINCE, type="Warning", reason="Failed", object="pod/default/web-a", message="no\nroom", count=3
        ),
        status.Event(time=SINCE, type="Normal", reason="Pulled", object="pod/default/other", message="not this one"),
    ]
    seen = cluster(node("n1", status=first.status.model_copy(update={"events": events})), node("n2"))
    lines = described(objects.pods(seen)[0], seen)
    assert lines[:3] == ["Name:              web-a", "Namespace:         default", "Node:              n1/n1"]
    assert "  Warning   Failed   30m (x3)   skatelet, n1   no room" in lines
    assert not any("not this one" in line for line in lines)
    assert lines[lines.index("    Args:") : lines.index("    Args:") + 4] == [
        "    Args:",
        "      -c",
        "      one",
        "      two",
    ]


def test_a_message_of_several_lines_stays_in_its_column() -> None:
    seen = cluster(node("n1", instance("web-a", message="one\nStatus: fine")), node("n2"))
    lines = described(objects.pods(seen)[0], seen)
    at = lines.index("Message:           one")
    assert lines[at + 1] == f"{'':19}Status: fine"


def test_a_silent_node_is_described_with_the_reason_and_what_it_said_last() -> None:
    seen = cluster(node("n1"), node("n2", instance("web-b"), **LOST))
    text = "\n".join(described(objects.nodes(seen)[1], seen))
    assert "NodeStatusUnknown   cannot be reached: n2:22: no answer" in text
    assert "Kernel Version:  6.1" in text
    assert "  default     web-b   Unknown" in text


def test_refused_bundles_are_described() -> None:
    first = node("n1")
    assert first.status is not None
    refusal = status.Rejection(time=SINCE, generation=None, reason="Truncated", message="cut short")
    seen = cluster(node("n1", status=first.status.model_copy(update={"rejected": [refusal]})), node("n2"))
    assert any("cut short" in line for line in described(objects.nodes(seen)[0], seen))


def test_a_deployment_and_a_namespace_are_described() -> None:
    seen = cluster(node("n1", instance("web-a")), node("n2"))
    lines = described(objects.deployments(seen)[0], seen)
    assert any(line.endswith("2 desired | 1 updated | 2 total | 1 available | 1 unavailable") for line in lines)
    assert "  web-b   n2     Pending" in lines
    assert described(objects.namespaces(seen)[0], seen)[-1] == "  deployment/web"
