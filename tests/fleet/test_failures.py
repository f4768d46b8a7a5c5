"""What cannot run says why, in `get pods` and in the exit code, and what ran before goes on."""

from __future__ import annotations

import pytest

from tests.fleet import support

pytestmark = pytest.mark.fleet


def status_column(cluster: support.Cluster, selector: str) -> list[str]:
    lines = cluster.ok("get", "pods", "-l", selector, "--no-headers").splitlines()
    return [line.split()[2] for line in lines]


def test_an_image_that_cannot_be_pulled(cluster: support.Cluster) -> None:
    done = cluster.apply(support.pod("nowhere", ["true"], image="127.0.0.1:1/no/such:1"))
    assert done.returncode == 1
    assert "ErrImagePull" in done.stderr or "ImagePullBackOff" in done.stderr
    assert "connection refused" in done.stderr

    def backing_off() -> bool:
        return status_column(cluster, "app=nowhere") == ["ImagePullBackOff"]

    support.eventually(backing_off, "ImagePullBackOff", saw=lambda: support.describe(cluster.pods()))


def test_a_command_that_does_not_exist(cluster: support.Cluster) -> None:
    done = cluster.apply(support.pod("missing", ["/no/such/command"]))
    assert done.returncode == 1
    assert "/no/such/command" in done.stderr
    assert status_column(cluster, "app=missing")[0] in {"CrashLoopBackOff", "RunContainerError", "StartError"}


def test_a_command_that_dies_at_once(cluster: support.Cluster) -> None:
    done = cluster.apply(support.pod("dying", ["sh", "-c", "exit 3"]))
    assert done.returncode == 1
    assert "CrashLoopBackOff" in done.stderr

    def restarted() -> bool:
        (pod,) = cluster.pods("app=dying")
        container = pod["status"]["containerStatuses"][0]
        ended = container.get("lastState", {}).get("terminated", {})
        return container["restartCount"] >= 2 and ended.get("exitCode") == 3

    support.eventually(restarted, "restarted twice, exit code 3", saw=lambda: support.describe(cluster.pods()))


def test_a_port_that_is_taken(cluster: support.Cluster) -> None:
    target = cluster.nodes()[0]
    listener = "import socket, time; s = socket.create_server(('0.0.0.0', 8081)); time.sleep(1000)"
    target.run(["systemd-run", "--unit=taken", "--collect", "python3", "-c", listener])
    try:
        manifest = support.pod(
            "taker",
            ["sleep", "10000"],
            nodeName=target.name,
            container={"ports": [{"containerPort": 8080, "hostPort": 8081}]},
        )
        done = cluster.apply(manifest)
        assert done.returncode == 1
        assert "8081" in done.stderr
    finally:
        target.run(["systemctl", "stop", "taken"])
    # The cause has gone: the pod comes up by itself at its next try.
    cluster.running("app=taker", 1)


def test_the_others_are_not_stopped_by_the_one_that_fails(cluster: support.Cluster) -> None:
    done = cluster.apply(
        support.listed(support.web(replicas=3), support.pod("nowhere", ["true"], image="127.0.0.1:1/no/such:1"))
    )
    assert done.returncode == 1
    cluster.running("app=web", 3)


def test_a_broken_version_does_not_take_the_old_one_away(cluster: support.Cluster) -> None:
    assert cluster.apply(support.web(replicas=3)).returncode == 0
    old = [support.container_ids(target) for target in cluster.nodes()]
    done = cluster.apply(support.web(replicas=3, image="127.0.0.1:1/no/such:1"))
    assert done.returncode == 1
    assert [support.container_ids(target) for target in cluster.nodes()] == old
    assert cluster.apply(support.web(replicas=3)).returncode == 0
    cluster.running("app=web", 3)


def test_a_wrong_manifest_changes_nothing(cluster: support.Cluster) -> None:
    done = cluster.apply(support.listed(support.web("good", replicas=1), support.web("bad", replicas=-1)))
    assert done.returncode == 1
    assert "spec.replicas" in done.stderr
    assert cluster.pods() == []
