"""What the tests on real nodes share: skate as a user calls it, looking into nodes, and waiting with a deadline."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from skate.sandbox import busybox, fleet, node

NAME = "skate-test"
IMAGE = busybox.IMAGE
RELEASES = ("bookworm", "trixie", "bookworm")
HASH_LABEL = "cluster.skate/managed=true"


def eventually(condition: Callable[[], Any], what: str, *, seconds: float = 60, saw: Callable[[], str] = str) -> Any:
    """Wait until `condition` gives something true, and return it; fail after `seconds`, telling what was seen last."""
    deadline = time.monotonic() + seconds
    pause = 0.1
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds:.0f} s; last seen: {saw()}")
        time.sleep(pause)
        pause = min(1.0, pause * 1.3)


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The fleet, and skate as a user calls it."""

    fleet: fleet.Fleet
    registry: Path

    def skate(
        self, *arguments: str, input: str | None = None, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run skate in a process of its own; its exit code is not checked."""
        argv = [sys.executable, "-m", "skate", "--skateconfig", str(self.registry), "--context", self.fleet.name]
        done = subprocess.run(
            [*argv, *arguments], input=input, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return done

    def ok(self, *arguments: str, input: str | None = None) -> str:
        """Run skate, which must succeed; what it wrote to stdout."""
        done = self.skate(*arguments, input=input)
        assert done.returncode == 0, (
            f"skate {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
        return done.stdout

    def apply(self, manifest: str, *flags: str) -> subprocess.CompletedProcess[str]:
        return self.skate("apply", "-f", "-", *flags, input=manifest)

    def pods(self, selector: str = "", namespace: str = "default") -> list[dict[str, Any]]:
        arguments = ["get", "pods", "-n", namespace, "-o", "json", *(["-l", selector] if selector else [])]
        found: list[dict[str, Any]] = json.loads(self.ok(*arguments))["items"]
        return found

    def running(self, selector: str, count: int, *, seconds: float = 90) -> list[dict[str, Any]]:
        """Wait until exactly `count` pods of `selector` are there and every one of them is ready; return them."""
        seen: list[dict[str, Any]] = []

        def all_ready() -> bool:
            seen[:] = self.pods(selector)
            return len(seen) == count and all(is_ready(pod) for pod in seen)

        eventually(all_ready, f"{count} ready pods of {selector}", seconds=seconds, saw=lambda: describe(seen))
        return seen

    def nodes(self) -> tuple[node.Node, ...]:
        return self.fleet.nodes


def is_ready(pod: dict[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))


def describe(pods: list[dict[str, Any]]) -> str:
    return json.dumps([(pod["metadata"]["name"], pod["spec"].get("nodeName"), pod["status"]) for pod in pods], indent=1)


def container_ids(target: node.Node) -> dict[str, str]:
    """Name to id of every container of skate's on a node."""
    text = target.run(["podman", "ps", "--filter", f"label={HASH_LABEL}", "--format", "{{.Names}} {{.ID}}"]).stdout
    return dict(line.split() for line in text.splitlines())


def skate_processes(target: node.Node) -> str:
    """The command lines of skatelet's processes on a node; empty when there is none. CoreDNS and nginx are no skatelet."""
    return target.run(["pgrep", "-af", "/usr/bin/skatelet"], check=False).stdout


def web(name: str = "web", *, replicas: int = 3, text: str = "one", image: str = busybox.IMAGE, **pod: Any) -> str:
    """A Deployment that serves `text` on port 8080."""
    container = {
        "name": "httpd",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", f"echo {text} > /www/index.html; exec httpd -f -p 8080 -h /www"],
        "ports": [{"containerPort": 8080}],
    }
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container], **pod}
    return json.dumps(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
            },
        }
    )


def pod(name: str, command: list[str], *, image: str = IMAGE, **spec: Any) -> str:
    """A Pod with one container."""
    container = {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "command": command}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [container | spec.pop("container", {})], **spec},
        }
    )


def listed(*manifests: str) -> str:
    """Several manifests as one v1 List."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [json.loads(text) for text in manifests]})


def wait_idle(target: node.Node, *, seconds: float = 60) -> None:
    """Wait until no process of skate's is on the node."""
    eventually(
        lambda: not skate_processes(target),
        f"{target.name} is idle",
        seconds=seconds,
        saw=lambda: skate_processes(target),
    )


def side_by_side(calls: list[Callable[[], Any]]) -> list[Any]:
    """Make the calls at the same time; what each returned."""
    with ThreadPoolExecutor(max_workers=len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def clear(cluster: Cluster) -> None:
    """Have every node up and reachable again, and nothing applied."""
    disturbed = [item for item in cluster.nodes() if item.partitioned or not item.running]
    for item in disturbed:
        if item.partitioned:
            item.heal()
        item.start()
    if disturbed:
        cluster.skate("refresh", "--no-wait")
    kinds = "deployments,pods,services,ingresses,secrets,clusterissuers,namespaces"
    applied: dict[str, list[str]] = {}
    for item in json.loads(cluster.ok("get", kinds, "-A", "-o", "json"))["items"]:
        metadata, kind = item["metadata"], item["kind"].lower()
        if metadata.get("ownerReferences") or metadata.get("deletionTimestamp"):
            continue
        if (kind, metadata["name"]) != ("namespace", "default"):
            applied.setdefault(metadata.get("namespace", ""), []).append(f"{kind}/{metadata['name']}")
    for namespace, names in sorted(applied.items(), reverse=True):
        cluster.ok("delete", *(["-n", namespace] if namespace else []), "--ignore-not-found", "--no-wait", *names)
    for item in cluster.nodes():
        eventually(
            lambda item=item: not container_ids(item),
            f"{item.name} is empty",
            saw=lambda item=item: str(container_ids(item)),
        )
