"""skatelet on a real node when things break under it: killed, stopped, without podman. It heals."""

from __future__ import annotations

import json

import pytest

from tests.fleet import support

pytestmark = pytest.mark.fleet

DROP_IN = "/run/systemd/system/skatelet.service.d/test.conf"


def node_status(target: support.node.Node) -> dict:
    return json.loads(target.run(["cat", "/var/lib/skate/drop/status/status.json"]).stdout)


def ready(target: support.node.Node) -> dict:
    return next(item for item in node_status(target)["conditions"] if item["type"] == "Ready")


def many(names: list[str], target: support.node.Node) -> str:
    return support.listed(*(support.pod(name, ["sleep", "100000"], nodeName=target.name) for name in names))


def main_process(target: support.node.Node) -> str:
    """The process id of skatelet on the node; empty when it is not awake, or has not told systemd so."""
    shown = target.run(["systemctl", "show", "--property=MainPID,ActiveState", "skatelet.service"]).stdout
    values = dict(line.split("=", 1) for line in shown.splitlines())
    return values["MainPID"] if values["ActiveState"] == "active" else ""


def starts(target: support.node.Node) -> int:
    """How often skatelet was started on the node since it booted."""
    lines = target.run(["journalctl", "-b", "-u", "skatelet.service", "-o", "cat", "--no-pager"]).stdout.splitlines()
    return sum(line.startswith("Started") for line in lines)


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


def test_a_skatelet_that_hangs_is_killed_by_the_watchdog_and_started_again(cluster: support.Cluster) -> None:
    target = cluster.nodes()[0]
    support.wait_idle(target)
    target.run(["mkdir", "-p", DROP_IN.rpartition("/")[0]])
    target.run(["tee", DROP_IN], input="[Service]\nWatchdogSec=2s\nTimeoutAbortSec=2s\nRestartSec=1s\n")
    target.run(["systemctl", "daemon-reload"])
    try:
        # Something in the wake directory keeps it for some seconds.
        target.run(["touch", "/run/skatelet/wake/test"])
        main = support.eventually(lambda: main_process(target), "skatelet is awake")
        target.run(["kill", "-STOP", main])

        def killed() -> bool:
            shown = target.run(["systemctl", "show", "--value", "--property=NRestarts", "skatelet.service"])
            return int(shown.stdout) >= 1

        support.eventually(killed, "systemd has started it again", seconds=20)
        support.wait_idle(target)
        shown = target.run(["systemctl", "show", "--value", "--property=Result", "skatelet.service"])
        assert shown.stdout.strip() == "success"
    finally:
        target.run(["rm", "-f", DROP_IN])
        target.run(["systemctl", "daemon-reload"])
        target.run(["systemctl", "reset-failed", "skatelet.service"], check=False)


def test_a_full_disk_is_said_and_heals(cluster: support.Cluster) -> None:
    target = cluster.nodes()[0]
    manifest = support.pod("one", ["sleep", "100000"], nodeName=target.name)
    assert cluster.apply(manifest).returncode == 0
    support.wait_idle(target)
    before = starts(target)
    target.run(["cp", "-a", "/var/lib/skatelet", "/var/lib/skatelet.kept"])
    target.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", "/var/lib/skatelet"])
    try:
        target.run(
            ["sh", "-c", "cp -a /var/lib/skatelet.kept/. /var/lib/skatelet; cat /dev/zero >/var/lib/skatelet/full"],
            check=False,
        )
        refused = cluster.apply(support.listed(manifest, support.pod("two", ["sleep", "100000"], nodeName=target.name)))
        assert refused.returncode == 1
        assert "No space left on device" in refused.stderr
        support.eventually(
            lambda: ready(target)["reason"] == "StorageFailed", "StorageFailed", saw=lambda: str(ready(target))
        )
        assert "No space left on device" in ready(target)["message"]
        assert starts(target) - before <= 5
        target.run(["rm", "/var/lib/skatelet/full"])
        refreshed = cluster.skate("refresh")
        assert refreshed.returncode == 0, refreshed.stderr
        cluster.running("app=two", 1)
        assert ready(target)["status"] == "True"
    finally:
        target.run(["sh", "-c", "rm -f /var/lib/skatelet/full; cp -a /var/lib/skatelet/. /var/lib/skatelet.kept"])
        target.run(["umount", "/var/lib/skatelet"])
        target.run(["sh", "-c", "cp -a /var/lib/skatelet.kept/. /var/lib/skatelet; rm -r /var/lib/skatelet.kept"])
