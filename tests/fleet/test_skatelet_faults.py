"""skatelet on a real node when things break under it: killed, stopped, without podman. It heals."""

from __future__ import annotations

import json

import pytest

from tests.fleet import support

pytestmark = pytest.mark.fleet


def node_status(target: support.node.Node) -> dict:
    return json.loads(target.run(["cat", "/var/lib/skate/drop/status/status.json"]).stdout)


def ready(target: support.node.Node) -> dict:
    return next(item for item in node_status(target)["conditions"] if item["type"] == "Ready")


def many(names: list[str], target: support.node.Node) -> str:
    return support.listed(*(support.pod(name, ["sleep", "100000"], nodeName=target.name) for name in names))


@pytest.mark.parametrize(("word", "position"), [("TERM", 0), ("KILL", 1)])
def test_ended_while_pods_start_the_next_run_completes_it(cluster: support.Cluster, word: str, position: int) -> None:
    target = cluster.nodes()[position]
    support.wait_idle(target)
    names = [f"many-{number}" for number in range(8)]
    assert cluster.apply(many(names, target), "--no-wait").returncode == 0
    support.eventually(lambda: support.container_ids(target), f"a first container on {target.name}")
    target.run(["systemctl", "kill", f"--signal={word}", "skatelet.service"])
    if word == "TERM":
        target.run(["systemctl", "start", "skatelet.service"])

    def complete() -> bool:
        return sorted(support.container_ids(target)) == [f"{name}.default-main" for name in names]

    support.eventually(complete, "every pod, once", saw=lambda: str(sorted(support.container_ids(target))))
    for name in names:
        cluster.running(f"app={name}", 1)
    pods = json.loads(target.run(["podman", "pod", "ps", "--format", "json"]).stdout)
    assert sorted(pod["Name"] for pod in pods) == [f"{name}.default" for name in names]


def test_without_podman_it_says_so_and_heals(cluster: support.Cluster) -> None:
    target = cluster.nodes()[1]
    support.wait_idle(target)
    target.run(["systemctl", "mask", "--runtime", "--now", "podman.socket"])
    try:
        target.run(["systemctl", "stop", "podman.service"])
        assert (
            cluster.apply(support.pod("later", ["sleep", "100000"], nodeName=target.name), "--no-wait").returncode == 0
        )
        support.eventually(
            lambda: ready(target)["reason"] == "PodmanUnavailable",
            "PodmanUnavailable",
            saw=lambda: (
                str(ready(target)) + target.run(["systemctl", "status", "skatelet.service"], check=False).stdout
            ),
        )
    finally:
        target.run(["systemctl", "unmask", "--runtime", "podman.socket"])
        target.run(["systemctl", "start", "podman.socket"])
    # skatelet is still awake: it asks again every five seconds, for half a minute.
    cluster.running("app=later", 1)
