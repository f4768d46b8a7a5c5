"""apply, get, describe and delete of what has no instances, as they are typed: published to every node all the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from skate import registry, sealing
from tests.unit import drops_world
from tests.unit.test_deploying import Skate, nodes, skate

__all__ = ["nodes", "skate"]

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: api}
spec: {selector: {app: api}, ports: [{port: PORT}]}
"""
INGRESS = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: NAME}
spec:
  rules:
  - host: www.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: api, port: {number: 80}}}}]}
"""
ISSUER = """
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: {name: le}
spec: {acme: {server: "https://acme.example.com/directory", privateKeySecretRef: {name: account}}}
"""
SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: login, namespace: NAMESPACE}
stringData: {password: hunter2}
"""
Nodes = dict[str, drops_world.Node]


@pytest.fixture
def write(tmp_path: Path) -> str:
    """The Service in a file."""
    return file(tmp_path, SERVICE.replace("PORT", "80"))


def file(directory: Path, text: str, name: str = "names.yaml") -> str:
    path = directory / name
    path.write_text(text)
    return str(path)


@pytest.fixture
def sealed(tmp_path: Path, skate: Skate) -> None:
    """The cluster has a seal key, as `create cluster` makes one."""
    key = tmp_path / "seal.key"
    sealing.save(sealing.generate(), key)
    path = tmp_path / "config.yaml"
    known = registry.load(path)
    (cluster,) = known.clusters
    registry.save(known.model_copy(update={"clusters": [cluster.model_copy(update={"seal_key": str(key)})]}), path)


def generations(nodes: Nodes) -> list[list[int]]:
    return [node.history for node in nodes.values()]


def test_a_service_alone_is_published_to_every_node(skate: Skate, nodes: Nodes, write: str) -> None:
    code, out, err = skate("apply", "-f", write)
    assert (code, out) == (0, ["service/api created"])
    assert err[0] == "+ service/api in default"
    assert generations(nodes) == [[1]] * 3
    assert skate("apply", "-f", write)[:2] == (0, ["service/api unchanged"])
    assert generations(nodes) == [[1]] * 3


def test_the_change_of_a_service_alone_is_published_to_every_node(
    skate: Skate, nodes: Nodes, write: str, tmp_path: Path
) -> None:
    skate("apply", "-f", "web.yaml", "-f", write)
    code, out, err = skate("apply", "-f", file(tmp_path, SERVICE.replace("PORT", "81")))
    assert (code, out) == (0, ["service/api configured"])
    assert err[:2] == ["~ service/api in default", "  1 unchanged"]
    assert "generation 2 dropped on n1, n2, n3" in err
    assert generations(nodes) == [[1, 2]] * 3


def test_an_ingress_comes_with_what_is_missing_for_it(skate: Skate, tmp_path: Path) -> None:
    code, out, err = skate("apply", "-f", file(tmp_path, INGRESS.replace("NAME", "web")))
    assert (code, out) == (0, ["ingress.networking.k8s.io/web created"])
    assert any(
        line.startswith("warning: Ingress default/web: spec.rules[0]") and '"api" not found' in line for line in err
    )


def test_a_rival_ingress_is_refused_and_nothing_is_published(
    skate: Skate, nodes: Nodes, write: str, tmp_path: Path
) -> None:
    skate("apply", "-f", write, "-f", file(tmp_path, INGRESS.replace("NAME", "first"), "first.yaml"))
    code, out, err = skate("apply", "-f", file(tmp_path, INGRESS.replace("NAME", "second"), "second.yaml"))
    assert (code, out) == (1, [])
    assert err[1].strip() == (
        'Ingress default/second: spec.rules[0].http.paths[0]: Duplicate value: host "www.example.com" and path "/" (Prefix)'
        " belongs to Ingress default/first, which is applied already"
    )
    assert generations(nodes) == [[1]] * 3


def test_two_rivals_in_one_apply_are_refused_without_a_cluster(skate: Skate, nodes: Nodes, tmp_path: Path) -> None:
    first = file(tmp_path, INGRESS.replace("NAME", "first"), "first.yaml")
    second = file(tmp_path, INGRESS.replace("NAME", "second"), "second.yaml")
    code, out, err = skate("apply", "-f", first, "-f", second, "--dry-run=client")
    assert (code, out) == (1, [])
    assert err[1].strip().startswith(f"{second}:8: Ingress default/second: ")
    assert f"Ingress default/first at {first}:2 already" in err[1]


def test_rivals_in_files_can_be_deleted_together(skate: Skate, tmp_path: Path) -> None:
    first = file(tmp_path, INGRESS.replace("NAME", "first"), "first.yaml")
    second = file(tmp_path, INGRESS.replace("NAME", "second"), "second.yaml")
    skate("apply", "-f", first)
    code, out, _ = skate("delete", "-f", first, "-f", second, "--ignore-not-found")
    assert (code, out) == (0, ['ingress.networking.k8s.io "first" deleted'])
    assert skate("apply", "-f", first, "-f", second, "--validate=ignore")[0] == 1


def test_what_was_applied_is_shown_and_described(skate: Skate, write: str, tmp_path: Path) -> None:
    skate("apply", "-f", write, "-f", file(tmp_path, INGRESS.replace("NAME", "web"), "ingress.yaml"))
    code, out, err = skate("get", "svc,ing")
    assert (code, err) == (0, [])
    assert [line.split()[:2] for line in out if line] == [
        ["NAME", "TYPE"],
        ["service/api", "ClusterIP"],
        ["NAME", "CLASS"],
        ["ingress.networking.k8s.io/web", "<none>"],
    ]
    assert skate("get", "ingress,service", "-o", "name")[1] == ["ingress.networking.k8s.io/web", "service/api"]
    assert json.loads("\n".join(skate("get", "svc", "api", "-o", "json")[1]))["spec"]["ports"] == [{"port": 80}]
    assert "service/api" in [line.split()[0] for line in skate("get", "all")[1] if line]
    code, out, _ = skate("describe", "ingress")
    assert code == 0
    assert "                    /      api:80 (<none>)" in out
    assert skate("describe", "svc", "nobody")[2] == ['Error from server (NotFound): services "nobody" not found']


def test_kinds_without_instances_are_deleted_by_name_and_by_file(
    skate: Skate, nodes: Nodes, write: str, tmp_path: Path
) -> None:
    ingress = file(tmp_path, INGRESS.replace("NAME", "web"), "ingress.yaml")
    skate("apply", "-f", write, "-f", ingress)
    assert skate("delete", "ing", "web")[:2] == (0, ['ingress.networking.k8s.io "web" deleted'])
    assert skate("delete", "-f", write)[:2] == (0, ['service "api" deleted'])
    assert generations(nodes) == [[1, 2, 3]] * 3
    assert skate("get", "svc,ing")[1] == []


def test_deleting_a_namespace_deletes_the_names_in_it(skate: Skate, tmp_path: Path) -> None:
    space = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---"
    path = file(tmp_path, space + SERVICE.replace("PORT", "80"))
    assert skate("apply", "-n", "shop", "-f", path)[0] == 0
    code, _, err = skate("delete", "namespace", "shop")
    assert code == 0
    assert "- service/api in shop" in err
    assert skate("get", "svc", "-A")[1] == []


@pytest.mark.usefixtures("sealed")
def test_a_secret_is_nowhere_in_the_clear(skate: Skate, nodes: Nodes, tmp_path: Path) -> None:
    path = file(tmp_path, SECRET.replace("NAMESPACE", "default"))
    assert skate("apply", "-f", path)[:2] == (0, ["secret/login created"])
    assert skate("apply", "-f", path)[:2] == (0, ["secret/login unchanged"])
    assert generations(nodes) == [[1]] * 3
    said = [skate(*words) for words in (["get", "secret"], ["get", "secrets", "-o", "yaml"], ["describe", "secret"])]
    text = "\n".join("\n".join([*out, *err]) for _, out, err in said)
    assert all(code == 0 for code, _, _ in said)
    box = json.loads("\n".join(skate("get", "secret", "login", "-o", "json")[1]))
    assert box["sealed"] == {"keys": ["password"]}
    assert "hunter2" not in text
    assert "password" in text
    written = b"".join(
        path.read_bytes() for node in nodes.values() for path in node.paths.root.rglob("*") if path.is_file()
    )
    assert b"hunter2" not in written


@pytest.mark.usefixtures("sealed")
def test_what_get_prints_of_a_secret_is_not_taken_back(skate: Skate, tmp_path: Path) -> None:
    skate("apply", "-f", file(tmp_path, SECRET.replace("NAMESPACE", "default")))
    printed = "\n".join(skate("get", "secret", "login", "-o", "yaml")[1])
    code, _, err = skate("apply", "-f", file(tmp_path, printed))
    assert code == 1
    assert "sealed: Forbidden: only skate seals; write data or stringData" in err[-2]


@pytest.mark.usefixtures("sealed")
def test_a_cluster_issuer_lies_in_no_namespace(skate: Skate, tmp_path: Path) -> None:
    path = file(tmp_path, ISSUER)
    code, out, _ = skate("apply", "-n", "default", "-f", path)
    assert (code, out) == (0, ["clusterissuer.cert-manager.io/le created"])
    assert skate("get", "clusterissuers")[1][1].split()[:2] == ["le", "True"]
    assert skate("delete", "clusterissuer", "le")[:2] == (0, ['clusterissuer.cert-manager.io "le" deleted'])


@pytest.mark.parametrize("manifest", [SERVICE.replace("PORT", "0"), SECRET.replace("NAMESPACE", "De fault")])
def test_a_mistake_names_its_field_and_not_what_is_secret(skate: Skate, tmp_path: Path, manifest: str) -> None:
    code, out, err = skate("apply", "-f", file(tmp_path, manifest))
    assert (code, out) == (1, [])
    assert "hunter2" not in "\n".join(err)
