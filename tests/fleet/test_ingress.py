"""Ingress end to end: from `skate apply` to what each node answers on port 80 and 443.

What nginx makes of every kind of rule is in test_ingress_nginx.py; here is that what was applied is served, by all nodes.
"""

from __future__ import annotations

import collections
import http.client
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from skate.sandbox import node
from tests.fleet import support

pytestmark = pytest.mark.fleet

ECHO = """\
echo '#!/bin/sh
echo "Content-Type: text/plain"
echo
echo "$HOSTNAME|$REQUEST_METHOD|$HTTP_HOST|$HTTP_X_REAL_IP|$HTTP_X_FORWARDED_PROTO|$QUERY_STRING"' > /www/cgi-bin/echo
"""
SERVE = f"""\
busybox mkdir -p /www/cgi-bin
{ECHO}
busybox chmod 755 /www/cgi-bin/echo
exec httpd -f -p 8080 -h /www
"""


@pytest.fixture
def clean(session_cluster: support.Cluster) -> Iterator[support.Cluster]:
    """The cluster; what was applied is deleted after each test, and no node serves any more then."""
    yield session_cluster
    support.clear(session_cluster)
    for target in session_cluster.nodes():
        support.eventually(lambda target=target: not serving(target), f"{target.name} serves nothing")


def serving(target: node.Node) -> bool:
    """Whether anything of the ingress is on the node."""
    files = target.run(["test", "-e", "/run/skatelet-ingress"], check=False).returncode == 0
    active = target.run(["systemctl", "is-active", "--quiet", "skatelet-ingress"], check=False).returncode == 0
    return files or active


def deployment(name: str, *, replicas: int = 1, version: str = "1") -> dict[str, Any]:
    container = {
        "name": "httpd",
        "image": support.IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", SERVE],
        "env": [{"name": "VERSION", "value": version}],
        "ports": [{"name": "http", "containerPort": 8080}],
    }
    spec = {"terminationGracePeriodSeconds": 2, "containers": [container]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
        },
    }


def service(name: str) -> dict[str, Any]:
    spec = {"selector": {"app": name}, "ports": [{"name": "web", "port": 80, "targetPort": "http"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def ingress(
    name: str, *rules: tuple[str, str, str, str], annotations: dict | None = None, **spec: Any
) -> dict[str, Any]:
    """Each rule as host, path, type and Service (or `name:port`). Every path of these is the echo at the backend."""
    rewrite = {"nginx.ingress.kubernetes.io/rewrite-target": "/cgi-bin/echo"}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "annotations": {**rewrite, **(annotations or {})}},
        "spec": {
            **({"rules": [rule(*item) for item in rules]} if rules else {}),
            **spec,
        },
    }


def rule(host: str, path: str, kind: str, to: str) -> dict[str, Any]:
    item = {"path": path, "pathType": kind, "backend": backend(to)}
    return {**({"host": host} if host else {}), "http": {"paths": [item]}}


def backend(to: str) -> dict[str, Any]:
    name, _, port = to.partition(":")
    return {"service": {"name": name, "port": {"number": int(port or 80)}}}


def apply(cluster: support.Cluster, *items: dict[str, Any]) -> None:
    done = cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(items)}))
    assert done.returncode == 0, done.stderr


def ask(target: node.Node, host: str, path: str = "/") -> tuple[int, list[str]]:
    """The status, and the fields of the echo, that the node answers this machine; 0 where it does not answer."""
    connection = http.client.HTTPConnection(target.address, 80, timeout=10)
    try:
        connection.request("GET", path, headers={"Host": host, "X-Real-IP": "6.6.6.6"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode().strip().split("|")
    except (OSError, http.client.HTTPException) as error:
        return 0, [str(error)]
    finally:
        connection.close()


def app(target: node.Node, host: str, path: str = "/") -> str:
    """The app whose pod answers, or the status."""
    status, fields = ask(target, host, path)
    return fields[0].split("-")[0] if status == 200 else str(status)


def expect(cluster: support.Cluster, expected: dict[tuple[str, str], str]) -> None:
    """Every node answers each host and path by the app that is expected, or with the status."""
    for target in cluster.nodes():
        seen: dict[tuple[str, str], str] = {}

        def same(target: node.Node = target, seen: dict[tuple[str, str], str] = seen) -> bool:
            seen.update({question: app(target, *question) for question in expected})
            return seen == expected

        support.eventually(same, f"{target.name} serves the rules", seconds=40, saw=lambda seen=seen: str(seen))


def condition(cluster: support.Cluster, name: str) -> dict[str, Any]:
    for item in json.loads(cluster.ok("get", "nodes", "-o", "json"))["items"]:
        if item["metadata"]["name"] == name:
            found = [entry for entry in item["status"]["conditions"] if entry["type"] == "IngressReady"]
            return found[0] if found else {}
    return {}


def workers(target: node.Node) -> str:
    return target.run(["pgrep", "-f", "nginx: worker process"], check=False).stdout


def test_every_node_serves_hosts_paths_and_the_default_backend(clean: support.Cluster) -> None:
    apply(
        clean,
        *[item for name in ("one", "two", "three") for item in (deployment(name), service(name))],
        ingress("paths", ("foo.com", "/", "Prefix", "one"), ("foo.com", "/two", "Prefix", "two")),
        ingress("wild", ("*.foo.com", "/", "Prefix", "two"), ("exact.foo.com", "/x", "Exact", "one")),
        ingress("implicit", ("implicit.com", "/", "Prefix", "three.default.cluster.skate:8080")),
        ingress("default", defaultBackend=backend("three")),
    )
    expected = {
        ("foo.com", "/"): "one",
        ("foo.com", "/two/x"): "two",
        ("foo.com", "/twofold"): "one",
        ("any.foo.com", "/"): "two",
        ("exact.foo.com", "/x"): "one",
        ("exact.foo.com", "/y"): "two",
        ("two.labels.foo.com", "/"): "three",
        ("implicit.com", "/"): "three",
        ("else.org", "/whatever"): "three",
    }
    expect(clean, expected)
    for target in clean.nodes():
        status, fields = ask(target, "foo.com", "/two?a=b")
        gateway = target.address.rpartition(".")[0] + ".1"
        assert (status, fields[1:]) == (200, ["GET", "foo.com", gateway, "http", "a=b"])
        assert condition(clean, target.name)["status"] == "True"


def test_requests_go_round_over_all_pods_on_all_nodes(clean: support.Cluster) -> None:
    apply(clean, deployment("web", replicas=6), service("web"), ingress("web", ("web.com", "/", "Prefix", "web")))
    clean.running("app=web", 6)
    expect(clean, {("web.com", "/"): "web"})
    target = clean.nodes()[0]
    counted = collections.Counter(ask(target, "web.com")[1][0] for _ in range(60))
    assert len(counted) == 6, counted
    assert all(5 <= count <= 15 for count in counted.values()), counted


def test_what_is_bad_answers_503_or_is_told_and_the_rest_is_served(clean: support.Cluster) -> None:
    apply(
        clean,
        *(deployment("one"), service("one")),
        ingress("good", ("good.com", "/", "Prefix", "one")),
        ingress(
            "gone",
            ("gone.com", "/", "Prefix", "nobody.default.cluster.skate:80"),
            ("gone.com", "/one", "Prefix", "one"),
        ),
    )
    expect(clean, {("good.com", "/"): "one", ("gone.com", "/"): "503", ("gone.com", "/one"): "one"})
    name = clean.nodes()[0].name
    found = support.eventually(
        lambda: condition(clean, name).get("status") == "False" and condition(clean, name),
        "the condition tells of it",
        saw=lambda: str(condition(clean, name)),
    )
    assert found["reason"] == "NoPods"
    assert "ingress/default/gone" in found["message"]


@dataclass(kw_only=True)
class Traffic:
    """Somebody asks all the time."""

    target: node.Node
    host: str
    answered: int = 0
    failed: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.over.wait(0.02):
            status, fields = ask(self.target, self.host)
            if status == 200:
                self.answered += 1
            else:
                self.failed.append(f"{status} {fields}")


def test_a_rollout_under_traffic_loses_no_request(clean: support.Cluster) -> None:
    apply(clean, deployment("web", replicas=3), service("web"), ingress("web", ("web.com", "/", "Prefix", "web")))
    clean.running("app=web", 3)
    expect(clean, {("web.com", "/"): "web"})
    traffic = [Traffic(target=target, host="web.com") for target in clean.nodes()]
    threads = [threading.Thread(target=item.run) for item in traffic]
    for thread in threads:
        thread.start()
    try:
        before = {pod["metadata"]["name"] for pod in clean.pods("app=web")}
        apply(clean, deployment("web", replicas=3, version="2"))
        after = {pod["metadata"]["name"] for pod in clean.running("app=web", 3)}
        assert not before & after
    finally:
        for item in traffic:
            item.over.set()
        for thread in threads:
            thread.join(timeout=30)
    assert min(item.answered for item in traffic) > 20
    assert [item.failed for item in traffic] == [[], [], []]


def test_nginx_is_repaired_and_left_alone_where_nothing_changes(clean: support.Cluster) -> None:
    items = [deployment("one"), service("one"), ingress("good", ("good.com", "/", "Prefix", "one"))]
    apply(clean, *items)
    clean.running("app=one", 1)
    expect(clean, {("good.com", "/"): "one"})
    for target in clean.nodes():
        support.wait_idle(target)
    before = [workers(target) for target in clean.nodes()]
    assert all(before)
    apply(clean, *items)
    apply(clean, deployment("unrelated"))
    clean.running("app=unrelated", 1)
    for target in clean.nodes():
        support.wait_idle(target)
    assert [workers(target) for target in clean.nodes()] == before
    target = clean.nodes()[0]
    target.run(["sh", "-c", "kill -KILL $(cat /run/skatelet-ingress/nginx.pid)"])
    support.eventually(lambda: app(target, "good.com") == "one", "nginx is back after it was killed", seconds=10)
    target.run(["systemctl", "stop", "skatelet-ingress"])
    assert ask(target, "good.com")[0] == 0
    target.run(["systemctl", "start", "skatelet"])
    support.eventually(lambda: app(target, "good.com") == "one", "nginx is back after it was stopped", seconds=20)


def test_after_a_reboot_the_ingress_serves_again(clean: support.Cluster) -> None:
    apply(clean, deployment("one", replicas=3), service("one"), ingress("good", ("good.com", "/", "Prefix", "one")))
    clean.running("app=one", 3)
    expect(clean, {("good.com", "/"): "one"})
    target = clean.nodes()[1]
    target.reboot()
    support.eventually(lambda: app(target, "good.com") == "one", "it serves after the reboot", seconds=60)
