"""From a manifest to pods that answer, and back: the whole path on real nodes."""

from __future__ import annotations

import json

import pytest

from tests.fleet import support

pytestmark = pytest.mark.fleet


def generation(cluster: support.Cluster) -> set[int]:
    items = json.loads(cluster.ok("get", "nodes", "-o", "json"))["items"]
    return {item["status"]["generationSeen"] for item in items}


def answer(cluster: support.Cluster, pod: dict) -> str:
    target = cluster.fleet.node(pod["spec"]["nodeName"])
    url = f"http://{pod['status']['podIP']}:8080/"
    return target.run(["curl", "--silent", "--max-time", "5", url], check=False).stdout.strip()


def test_a_deployment_runs_spread_over_the_nodes_and_answers(cluster: support.Cluster) -> None:
    done = cluster.apply(support.web(replicas=3))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "deployment.apps/web created\n"
    assert "+ deployment.apps/web" in done.stderr
    pods = cluster.pods("app=web")
    assert sorted(pod["spec"]["nodeName"] for pod in pods) == ["node-1", "node-2", "node-3"]
    assert [answer(cluster, pod) for pod in pods] == ["one"] * 3
    assert len({pod["status"]["podIP"] for pod in pods}) == 3
    table = cluster.ok("get", "pods").splitlines()
    assert table[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert all(line.split()[1:4] == ["1/1", "Running", "0"] for line in table[1:])
    nodes = cluster.ok("get", "nodes").splitlines()
    assert [line.split()[:2] for line in nodes[1:]] == [[f"node-{n}", "Ready"] for n in (1, 2, 3)]
    deployments = cluster.ok("get", "deployments").splitlines()
    assert deployments[1].split()[:4] == ["web", "3/3", "3", "3"]


def test_the_same_file_again_changes_nothing_on_any_node(cluster: support.Cluster) -> None:
    manifest = support.web(replicas=3)
    assert cluster.apply(manifest).returncode == 0
    for target in cluster.nodes():
        support.wait_idle(target)
    before = [support.container_ids(target) for target in cluster.nodes()]
    status = [
        target.run(["stat", "-c", "%Y %i", "/var/lib/skate/drop/status/status.json"]).stdout
        for target in cluster.nodes()
    ]
    seen = generation(cluster)
    done = cluster.apply(manifest)
    assert done.returncode == 0
    assert done.stdout == "deployment.apps/web unchanged\n"
    assert [support.container_ids(target) for target in cluster.nodes()] == before
    assert generation(cluster) == seen
    after = [
        target.run(["stat", "-c", "%Y %i", "/var/lib/skate/drop/status/status.json"]).stdout
        for target in cluster.nodes()
    ]
    assert after == status


def test_scaling_leaves_what_runs_alone(cluster: support.Cluster) -> None:
    assert cluster.apply(support.web(replicas=2)).returncode == 0
    before = {pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["containerID"] for pod in cluster.pods()}
    assert cluster.apply(support.web(replicas=5)).returncode == 0
    after = {
        pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["containerID"]
        for pod in cluster.running("app=web", 5)
    }
    assert before.items() <= after.items()
    assert cluster.apply(support.web(replicas=1)).returncode == 0
    (left,) = cluster.running("app=web", 1)
    assert left["metadata"]["name"] in after


def test_a_changed_template_replaces_every_instance(cluster: support.Cluster) -> None:
    assert cluster.apply(support.web(replicas=3)).returncode == 0
    before = {pod["metadata"]["name"] for pod in cluster.pods()}
    done = cluster.apply(support.web(replicas=3, text="two"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "deployment.apps/web configured\n"

    def replaced() -> bool:
        return not before & {pod["metadata"]["name"] for pod in cluster.pods()}

    support.eventually(replaced, "the old instances are gone", saw=lambda: support.describe(cluster.pods()))
    assert {answer(cluster, pod) for pod in cluster.running("app=web", 3)} == {"two"}


def test_deleting_leaves_nothing_and_touches_nothing_else(cluster: support.Cluster) -> None:
    target = cluster.nodes()[0]
    target.run(["podman", "run", "-d", "--name", "foreign", "--network", "none", support.IMAGE, "sleep", "10000"])
    try:
        assert cluster.apply(support.web(replicas=3)).returncode == 0
        done = cluster.skate("delete", "deployment", "web")
        assert done.returncode == 0, done.stderr
        assert done.stdout == 'deployment.apps "web" deleted\n'
        for item in cluster.nodes():
            assert support.container_ids(item) == {}
            assert item.run(["podman", "pod", "ps", "-q"]).stdout == ""
        assert target.run(["podman", "ps", "--format", "{{.Names}}"]).stdout.split() == ["foreign"]
    finally:
        target.run(["podman", "rm", "-f", "-t", "0", "foreign"], check=False)


def test_a_namespace_is_needed_and_takes_what_is_in_it_with_it(cluster: support.Cluster) -> None:
    refused = cluster.apply(support.web(replicas=1), "-n", "tools")
    assert refused.returncode == 1
    assert 'namespaces "tools" not found' in refused.stderr
    namespace = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tools"}})
    assert cluster.apply(namespace).returncode == 0
    assert cluster.apply(support.web(replicas=1), "-n", "tools").returncode == 0
    assert len(cluster.pods(namespace="tools")) == 1
    assert "tools" in cluster.ok("get", "pods", "-A")
    assert cluster.skate("delete", "namespace", "tools").returncode == 0
    assert cluster.pods(namespace="tools") == []


def test_what_fits_nowhere_is_said_before_anything_is_changed(cluster: support.Cluster) -> None:
    assert cluster.apply(support.web(replicas=1)).returncode == 0
    seen = generation(cluster)
    both = support.listed(
        support.web("small", replicas=1), support.web("choosy", replicas=2, nodeSelector={"disk": "fast"})
    )
    done = cluster.apply(both)
    assert done.returncode == 1
    assert "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector." in done.stderr
    assert generation(cluster) == seen
    assert cluster.pods("app=small") == []


def test_a_dry_run_shows_the_plan_and_changes_nothing(cluster: support.Cluster) -> None:
    seen = generation(cluster)
    server = cluster.apply(support.web(replicas=2), "--dry-run=server")
    assert (server.returncode, server.stdout) == (0, "deployment.apps/web created (server dry run)\n")
    assert "on node-1" in server.stderr
    client = cluster.apply(support.web(replicas=2), "--dry-run=client")
    assert (client.returncode, client.stdout) == (0, "deployment.apps/web created (dry run)\n")
    assert generation(cluster) == seen
    assert cluster.pods() == []


def test_describe_tells_the_story_of_a_pod_and_a_node(cluster: support.Cluster) -> None:
    assert cluster.apply(support.web(replicas=1)).returncode == 0
    (pod,) = cluster.pods()
    text = cluster.ok("describe", "pod", pod["metadata"]["name"])
    assert "Controlled By:     Deployment/web" in text
    assert "Started" in text
    node = cluster.ok("describe", "node", pod["spec"]["nodeName"])
    assert pod["metadata"]["name"] in node
    assert "Allocatable:" in node
    replicas = "1 desired | 1 updated | 1 total | 1 available | 0 unavailable"
    assert replicas in cluster.ok("describe", "deployment", "web")


def test_a_bare_pod_keeps_its_name(cluster: support.Cluster) -> None:
    manifest = support.pod("lonely", ["sleep", "10000"])
    assert cluster.apply(manifest).returncode == 0
    (pod,) = cluster.pods()
    assert pod["metadata"]["name"] == "lonely"
    target = cluster.fleet.node(pod["spec"]["nodeName"])
    name = next(iter(support.container_ids(target)))
    assert target.run(["podman", "exec", name, "hostname"]).stdout.strip() == "lonely"


def test_a_pod_that_ends_well_is_completed(cluster: support.Cluster) -> None:
    manifest = support.pod("once", ["true"], restartPolicy="Never")
    assert cluster.apply(manifest).returncode == 0
    line = cluster.ok("get", "pods", "--no-headers").split()
    assert line[:4] == ["once", "0/1", "Completed", "0"]


@pytest.mark.parametrize("who", [2])
def test_deployers_at_the_same_time_lose_nothing(cluster: support.Cluster, who: int) -> None:
    names = [f"web-{number}" for number in range(who)]
    ended = support.side_by_side([lambda name=name: cluster.apply(support.web(name, replicas=2)) for name in names])
    assert [done.returncode for done in ended] == [0] * who, [done.stderr for done in ended]
    for name in names:
        cluster.running(f"app={name}", 2)
