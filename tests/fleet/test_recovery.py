"""Everything comes back by itself: nobody runs skate in these tests once the pods are up."""

from __future__ import annotations

import pytest

from tests.fleet import support

pytestmark = pytest.mark.fleet


def up(cluster: support.Cluster, replicas: int = 3) -> list[dict]:
    done = cluster.apply(support.web(replicas=replicas))
    assert done.returncode == 0, done.stderr
    return cluster.pods("app=web")


def only_container(target: support.node.Node) -> tuple[str, str]:
    ((name, identifier),) = support.container_ids(target).items()
    return name, identifier


def test_at_idle_nothing_of_skate_runs_and_a_bundle_wakes_it(cluster: support.Cluster) -> None:
    up(cluster)
    for target in cluster.nodes():
        support.wait_idle(target)
        assert target.run(["systemctl", "is-active", "skatelet.path"]).stdout.strip() == "active"
        assert target.run(["systemctl", "is-active", "skatelet.timer"]).stdout.strip() == "active"
        assert target.run(["systemctl", "is-failed", "skatelet.service"], check=False).stdout.strip() == "inactive"
    assert cluster.apply(support.web(replicas=6)).returncode == 0
    assert all(len(support.container_ids(target)) == 2 for target in cluster.nodes())


def test_a_killed_container_is_restarted_and_counted(cluster: support.Cluster) -> None:
    up(cluster)
    for target in cluster.nodes():
        support.wait_idle(target)
        name, _ = only_container(target)
        process = target.run(["podman", "inspect", "--format", "{{.State.Pid}}", name]).stdout.strip()
        target.run(["kill", "-9", process])
    cluster.running("app=web", 3)

    def restarts() -> list[int]:
        return [pod["status"]["containerStatuses"][0]["restartCount"] for pod in cluster.pods("app=web")]

    support.eventually(lambda: restarts() == [1, 1, 1], "every restart is counted", saw=lambda: str(restarts()))
    cluster.running("app=web", 3)


def test_a_pod_whose_infra_container_alone_is_killed_is_made_again(cluster: support.Cluster) -> None:
    up(cluster)
    before = {}
    for target in cluster.nodes()[:2]:
        support.wait_idle(target)
        before[target.name] = only_container(target)[1]
        infra = target.run(["podman", "ps", "--quiet", "--filter", "name=-infra"]).stdout.strip()
        process = target.run(["podman", "inspect", "--format", "{{.State.Pid}}", infra]).stdout.strip()
        target.run(["kill", "-9", process])
    for target in cluster.nodes()[:2]:
        support.eventually(
            lambda target=target: set(support.container_ids(target).values()) - {before[target.name]},
            f"another container on {target.name}",
            saw=lambda target=target: target.run(["podman", "ps", "--all"]).stdout,
        )
    for pod in cluster.running("app=web", 3):
        target = cluster.fleet.node(pod["spec"]["nodeName"])
        url = f"http://{pod['status']['podIP']}:8080/"
        assert target.run(["curl", "--silent", "--max-time", "5", url]).stdout.strip() == "one"


def test_a_removed_container_is_made_again(cluster: support.Cluster) -> None:
    up(cluster)
    before = {}
    for target in cluster.nodes():
        support.wait_idle(target)
        name, before[target.name] = only_container(target)
        target.run(["podman", "rm", "-f", "-t", "0", name])
    for target in cluster.nodes():
        support.eventually(
            lambda target=target: support.container_ids(target),
            f"a container on {target.name}",
            saw=lambda target=target: target.run(["podman", "pod", "ps"]).stdout,
        )
        assert only_container(target)[1] != before[target.name]
    cluster.running("app=web", 3)


def test_a_removed_pod_is_made_again(cluster: support.Cluster) -> None:
    up(cluster)
    target = cluster.nodes()[1]
    target.run(["podman", "pod", "rm", "-f", "-t", "0", "-a"])
    cluster.running("app=web", 3)
    assert len(support.container_ids(target)) == 1


def test_a_rebooted_node_brings_its_pods_back(cluster: support.Cluster) -> None:
    pods = up(cluster)
    addresses = {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in pods}
    for target in cluster.nodes()[:2]:
        target.reboot()
    for target in cluster.nodes()[:2]:
        support.eventually(lambda target=target: support.container_ids(target), f"a container on {target.name}")
    after = cluster.running("app=web", 3)
    assert {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in after} == addresses


def test_a_node_that_lost_power_brings_its_pods_back(cluster: support.Cluster) -> None:
    up(cluster)
    for target in cluster.nodes()[1:]:
        target.kill()
    for target in cluster.nodes()[1:]:
        target.start()
    for target in cluster.nodes()[1:]:
        support.eventually(lambda target=target: support.container_ids(target), f"a container on {target.name}")
    for pod in cluster.running("app=web", 3):
        target = cluster.fleet.node(pod["spec"]["nodeName"])
        url = f"http://{pod['status']['podIP']}:8080/"
        assert target.run(["curl", "--silent", "--max-time", "5", url]).stdout.strip() == "one"


def test_a_partitioned_node_is_named_and_catches_up(cluster: support.Cluster) -> None:
    up(cluster)
    away = cluster.nodes()[2]
    before = support.container_ids(away)
    away.partition()
    done = cluster.apply(support.web(replicas=3, text="two"))
    assert done.returncode == 1
    assert f"node {away.name} is behind" in done.stderr
    assert "skate refresh" in done.stderr
    nodes = cluster.skate("get", "nodes")
    assert [line.split()[1] for line in nodes.stdout.splitlines()[1:]] == ["Ready", "Ready", "NotReady"]
    assert f"node {away.name} cannot be reached" in nodes.stderr
    assert "last seen" in nodes.stderr
    shown = [line.split() for line in cluster.ok("get", "pods", "-o", "wide", "--no-headers").splitlines()]
    assert [row[2] for row in shown if away.name in row] == ["Unknown"]
    # The new version's three instances go to the nodes that can be reached; the old one on the other is Unknown, above.
    assert sum(len(support.container_ids(target)) for target in cluster.nodes()[:2]) == 3
    assert support.container_ids(away) == before
    away.heal()
    refreshed = cluster.skate("refresh")
    assert refreshed.returncode == 0, refreshed.stderr

    def only_the_new() -> bool:
        return not before.items() & support.container_ids(away).items()

    support.eventually(only_the_new, "the node has caught up", saw=lambda: str(support.container_ids(away)))
    cluster.running("app=web", 3)


def test_below_a_majority_nothing_is_changed_unless_told_so(cluster: support.Cluster) -> None:
    for target in cluster.nodes()[1:]:
        target.partition()
    refused = cluster.apply(support.web(replicas=1))
    assert refused.returncode == 1
    assert "only 1 of 3 nodes can be reached" in refused.stderr
    assert "--without-quorum" in refused.stderr
    assert support.container_ids(cluster.nodes()[0]) == {}
    told = cluster.apply(support.web(replicas=1), "--without-quorum")
    assert "is behind" in told.stderr
    assert len(support.container_ids(cluster.nodes()[0])) == 1
