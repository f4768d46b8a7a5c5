"""What pods' resolv.conf says, policy by policy, against Kubernetes' rules."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from skatelet.contract import bundle, canonical
from skatelet.dns import resolv
from skatelet.paths import Paths
from skatelet.pods import act, desired, manifest, model, resolving

NODE = resolving.Resolving(
    gateway="10.66.1.1",
    host=resolv.Conf(nameservers=("127.0.0.53",), searches=("corp.example",), options=("edns0",)),
    upstream=resolv.Conf(nameservers=("192.0.2.1",), searches=("corp.example",)),
    directory=Path("/var/lib/skatelet/resolv"),
)
WISHES = {
    "nameservers": ["192.0.2.9"],
    "searches": ["x.example"],
    "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
}
CLUSTER = "search shop.cluster.skate cluster.skate corp.example\n"


def said(spec: dict[str, Any], node: resolving.Resolving = NODE) -> str | None:
    found = resolving.settings(spec, pod_name="web.shop", namespace="shop", node=node)
    return found.text() if found else None


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({}, f"nameserver 10.66.1.1\n{CLUSTER}options ndots:5\n"),
        ({"dnsPolicy": "ClusterFirstWithHostNet"}, f"nameserver 10.66.1.1\n{CLUSTER}options ndots:5\n"),
        (
            {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"},
            f"nameserver 10.66.1.1\n{CLUSTER}options ndots:5\n",
        ),
        ({"dnsPolicy": "Default"}, "nameserver 192.0.2.1\nsearch corp.example\n"),
        ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["192.0.2.9"]}}, "nameserver 192.0.2.9\n"),
        (
            {"dnsConfig": WISHES},
            "nameserver 10.66.1.1\nnameserver 192.0.2.9\n"
            "search shop.cluster.skate cluster.skate corp.example x.example\noptions ndots:2 edns0\n",
        ),
        (
            {"dnsPolicy": "Default", "dnsConfig": WISHES},
            "nameserver 192.0.2.1\nnameserver 192.0.2.9\nsearch corp.example x.example\noptions ndots:2 edns0\n",
        ),
        ({"hostNetwork": True}, None),
        ({"hostNetwork": True, "dnsPolicy": "Default"}, None),
        (
            {"hostNetwork": True, "dnsConfig": {"options": [{"name": "timeout", "value": "1"}]}},
            "nameserver 127.0.0.53\nsearch corp.example\noptions edns0 timeout:1\n",
        ),
    ],
    ids=str,
)
def test_each_policy_gives_what_kubernetes_gives(spec: dict[str, Any], text: str | None) -> None:
    assert said(spec) == text


def test_without_coredns_a_pod_has_the_hosts_nameservers() -> None:
    node = resolving.Resolving(upstream=NODE.upstream)
    assert said({}, node) == "nameserver 192.0.2.1\nsearch corp.example\n"
    assert said({}, resolving.Resolving()) is None


def test_nameservers_that_only_the_host_can_ask_are_asked_through_coredns() -> None:
    assert said({"dnsPolicy": "Default"}, resolving.Resolving(gateway="10.66.1.1")) == "nameserver 10.66.1.1\n"


def test_no_more_is_given_than_resolvers_take() -> None:
    many = {
        "nameservers": [f"192.0.2.{n}" for n in range(3)],
        "searches": [f"{n}{'a' * 60}.{'b' * 60}" for n in range(32)],
    }
    found = resolving.settings({"dnsConfig": many}, pod_name="p", namespace="n", node=NODE)
    assert found is not None
    assert found.conf.nameservers == ("10.66.1.1", "192.0.2.0", "192.0.2.1")
    assert len(" ".join(found.conf.searches)) <= resolving.MAX_SEARCH_TEXT
    assert len(found.conf.searches) < 32


def test_an_option_cannot_begin_another_line() -> None:
    assert "192.0.2.66" not in str(said({"dnsConfig": {"options": [{"name": "debug\nnameserver 192.0.2.66"}]}}))


def played(spec: dict[str, Any]) -> dict[str, Any]:
    instance = bundle.Instance(
        name="web",
        namespace="shop",
        owner=bundle.Owner(kind="Pod", name="web"),
        hash="abc",
        pod={"metadata": {"name": "web"}, "spec": {"containers": [{"name": "a", "image": "x:1"}], **spec}},
    )
    pod = desired.desired_pod(instance)
    found: dict[str, Any] = canonical.load(manifest.play_manifest(pod, manifest.dns(pod, NODE)))["spec"]
    return found


def test_podman_is_told_by_dns_config_alone() -> None:
    found = played({"dnsPolicy": "ClusterFirst"})
    assert "dnsPolicy" not in found
    assert found["dnsConfig"] == {
        "nameservers": ["10.66.1.1"],
        "searches": ["shop.cluster.skate", "cluster.skate", "corp.example"],
        "options": [{"name": "ndots", "value": "5"}],
    }


def test_in_the_hosts_network_the_file_is_mounted_where_the_pod_mounts_none_itself() -> None:
    own = {"name": "b", "image": "x:1", "volumeMounts": [{"name": "mine", "mountPath": "/etc/resolv.conf"}]}
    spec = {
        "hostNetwork": True,
        "dnsPolicy": "ClusterFirstWithHostNet",
        "containers": [{"name": "a", "image": "x:1"}, own],
        "volumes": [{"name": "mine", "hostPath": {"path": "/srv/resolv.conf"}}],
    }
    found = played(spec)
    assert "dnsConfig" not in found
    path = "/var/lib/skatelet/resolv/web.shop"
    assert found["volumes"][-1] == {"name": "skate-resolv-conf", "hostPath": {"path": path, "type": "File"}}
    mount = {"name": "skate-resolv-conf", "mountPath": "/etc/resolv.conf", "readOnly": True}
    assert [container["volumeMounts"] for container in found["containers"]] == [[mount], own["volumeMounts"]]


def test_what_the_host_uses_is_read_behind_the_stub(tmp_path: Path) -> None:
    paths = Paths(root=tmp_path)
    for name, text in {
        "etc/resolv.conf": "# stub\nnameserver 127.0.0.53\noptions edns0 trust-ad\nsearch corp.example .\n",
        "run/systemd/resolve/resolv.conf": "nameserver 10.66.1.1\nnameserver 192.0.2.1\nsearch corp.example\n",
        "usr/lib/systemd/system/skatelet-coredns.service": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    identity = bundle.NodeIdentity(cluster="c", node="node-1", subnet="10.66.1.0/24")
    found = resolving.resolving(identity, paths)
    assert (found.gateway, found.upstream) == ("10.66.1.1", NODE.upstream)
    assert found.host.nameservers == ("127.0.0.53",)


def test_a_resolv_conf_is_read_as_resolvers_do() -> None:
    lines = [
        "domain a.example",
        "search B.example. c.example bad_name!",
        "nameserver  192.0.2.1 # x",
        "nameserver x",
        "nameserver ::1",
        "nameserver 192.0.2.1",
    ]
    assert resolv.parse("\n".join(lines)) == resolv.Conf(
        nameservers=("192.0.2.1", "::1"), searches=("b.example", "c.example")
    )


class _Podman:
    """Takes what is played, and removes what it is told to."""

    def __init__(self) -> None:
        self.played: list[dict[str, Any]] = []

    def play(self, text: bytes, *, network: str) -> dict[str, Any]:
        assert network == ""
        self.played.append(canonical.load(text))
        return {"Pods": [{"Containers": []}]}

    def volumes(self, label: str) -> list[dict[str, Any]]:
        return []

    def remove_pod(self, identity: str) -> None: ...


def test_the_mounted_file_is_there_before_the_play_and_goes_with_the_pod(tmp_path: Path) -> None:
    podman = _Podman()
    node = dataclasses.replace(NODE, directory=tmp_path / "resolv")
    actor = act.Actor(podman, resolving=lambda: node)  # type: ignore[arg-type]
    spec = {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet", "containers": []}
    instance = bundle.Instance(
        name="web", namespace="shop", owner=bundle.Owner(kind="Pod", name="web"), hash="abc", pod={"spec": spec}
    )
    assert actor.act(model.Play(pod=desired.desired_pod(instance)), lambda *_: None).failure is None
    mounted = Path(podman.played[0]["spec"]["volumes"][0]["hostPath"]["path"])
    assert mounted == tmp_path / "resolv" / "web.shop"
    assert mounted.read_text().startswith("nameserver 10.66.1.1\n")
    assert mounted.stat().st_mode & 0o777 == 0o644
    seen = model.SeenPod(id="1", name="web.shop", managed=True)
    actor.act(model.Remove(pod=seen, keep_volumes=True), lambda *_: None)
    assert mounted.exists()
    actor.act(model.Remove(pod=seen), lambda *_: None)
    assert not mounted.exists()
