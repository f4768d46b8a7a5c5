"""Services, Ingresses, Secrets and ClusterIssuers as `get` and `describe` show them, compared with what kubectl prints."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from typing import Any

import pytest

from skate import catalogue, descriptions, exposure, objects, printers
from skatelet.contract import bundle, status
from tests.unit import drops_world, test_objects

NOW = datetime.datetime(2030, 1, 1, 12, tzinfo=datetime.UTC)
CREATED = "2030-01-01T11:00:00Z"
Object = dict[str, Any]


def service(name: str = "web", **spec: Any) -> Object:
    whole = {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"}, "spec": whole}


def external(name: str = "db") -> Object:
    return service(name, type="ExternalName", externalName="db.example.com", selector={}, ports=[])


def backend(to: str = "web", **port: Any) -> Object:
    return {"service": {"name": to, "port": port or {"number": 80}}}


def rule(host: str, path: str = "/", target: Object | None = None) -> Object:
    item = {"path": path, "pathType": "Prefix", "backend": target or backend()}
    return {**({"host": host} if host else {}), "http": {"paths": [item]}}


def ingress(name: str = "web", annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    metadata = {"name": name, "namespace": "default", **({"annotations": annotations} if annotations else {})}
    whole = {"rules": [rule("www.example.com")], **spec}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": whole}


def secret(name: str = "web-tls", *keys: str) -> Object:
    sealed = {"key": "abcd", "fingerprint": "0123", "box": "SEALEDBOX", "keys": list(keys)}
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata, "sealed": sealed}


def issuer(name: str = "le") -> Object:
    acme = {"server": "https://acme.example.com/directory", "privateKeySecretRef": {"name": "account"}}
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "ClusterIssuer",
        "metadata": {"name": name},
        "spec": {"acme": acme},
    }


def seen(*manifests: Object, hosts: tuple[str, ...] = ("n1", "n2"), **node: Any) -> objects.Seen:
    """Two ready pods of the Deployment web on two nodes, and `manifests`."""
    nodes = [
        test_objects.node(name, test_objects.instance(f"web-{letter}", address=f"10.66.{number}.2"), **node)
        for name, letter, number in (("n1", "a", 1), ("n2", "b", 2))
    ]
    named = [
        objects.NodeSeen(**{**vars(item), "node": item.node.model_copy(update={"host": host})})
        for item, host in zip(nodes, hosts, strict=True)
    ]
    before = test_objects.cluster(*named)
    added = {
        catalogue.key_of(manifest): bundle.CatalogueObject(manifest=manifest, created=CREATED) for manifest in manifests
    }
    content = catalogue.Catalogue(
        cluster=before.catalogue.cluster,
        nodes=before.catalogue.nodes,
        objects={**before.catalogue.objects, **added},
        generation=4,
    )
    return objects.Seen(catalogue=content, nodes=before.nodes)


def table(
    kind: str, found: objects.Seen, collect: Callable[[objects.Seen], list[Object]], *, wide: bool = False
) -> str:
    return printers.print_objects(
        kind, collect(found), wide=wide, namespaces=False, labels=False, headers=True, now=NOW
    )


def test_services_are_shown_as_kubectl_shows_them() -> None:
    several = service("api", ports=[{"port": 53, "protocol": "UDP", "name": "a"}, {"port": 80, "name": "b"}])
    found = seen(service(), several, external(), service("bare", clusterIP="None", ports=[]))
    assert table("Service", found, exposure.services) == (
        "NAME   TYPE           CLUSTER-IP   EXTERNAL-IP      PORT(S)         AGE\n"
        "api    ClusterIP      None         <none>           53/UDP,80/TCP   60m\n"
        "bare   ClusterIP      None         <none>           <none>          60m\n"
        "db     ExternalName   <none>       db.example.com   <none>          60m\n"
        "web    ClusterIP      None         <none>           80/TCP          60m"
    )


def test_wide_services_have_their_selector() -> None:
    found = seen(service(selector={"tier": "x", "app": "web"}), external())
    assert [line.split()[-1] for line in table("Service", found, exposure.services, wide=True).splitlines()] == [
        "SELECTOR",
        "<none>",
        "app=web,tier=x",
    ]


def test_ingresses_are_shown_as_kubectl_shows_them() -> None:
    hosts = [rule(f"{name}.example.com") for name in "abcde"]
    found = seen(
        ingress(ingressClassName="nginx", tls=[{"hosts": ["www.example.com"]}]),
        ingress("many", rules=hosts),
        ingress("any", rules=[rule("")]),
        ingress("three", rules=hosts[:3]),
        hosts=("192.0.2.10", "192.0.2.11"),
    )
    assert table("Ingress", found, exposure.ingresses) == (
        "NAME    CLASS    HOSTS                                                   ADDRESS            PORTS     AGE\n"
        "any     <none>   *                                                       192.0.2.10,19...   80        60m\n"
        "many    <none>   a.example.com,b.example.com,c.example.com + 2 more...   192.0.2.10,19...   80        60m\n"
        "three   <none>   a.example.com,b.example.com,c.example.com               192.0.2.10,19...   80        60m\n"
        "web     nginx    www.example.com                                         192.0.2.10,19...   80, 443   60m"
    )


def test_wide_ingresses_have_all_addresses() -> None:
    found = seen(ingress(), hosts=("192.0.2.10", "node.example.com"))
    assert (
        table("Ingress", found, exposure.ingresses, wide=True).splitlines()[1].split()[3]
        == "192.0.2.10,node.example.com"
    )
    (item,) = exposure.ingresses(found)
    points = [{"ip": "192.0.2.10"}, {"hostname": "node.example.com"}]
    assert item["status"] == {"loadBalancer": {"ingress": points}}


def test_a_node_that_is_down_answers_for_no_ingress() -> None:
    (item,) = exposure.ingresses(seen(ingress(), **test_objects.LOST))
    assert item["status"] == {"loadBalancer": {}}


def test_secrets_show_how_many_values_and_never_what_is_in_them() -> None:
    item = secret("web-tls", "tls.key", "tls.crt")
    found = seen(item, {**secret("odd"), "data": {"password": "aHVudGVyMg=="}, "stringData": {"x": "hunter2"}})
    assert table("Secret", found, exposure.secrets) == (
        "NAME      TYPE                DATA   AGE\n"
        "odd       kubernetes.io/tls   0      60m\n"
        "web-tls   kubernetes.io/tls   2      60m"
    )
    shown = exposure.secrets(found)
    assert shown[1]["sealed"] == {"keys": ["tls.crt", "tls.key"]}
    texts = json.dumps(shown) + "".join(descriptions.describe(one, found, NOW) for one in shown)
    assert not any(word in texts for word in ("SEALEDBOX", "0123", "hunter2", "aHVudGVyMg"))


def test_a_secret_is_described_by_the_names_of_its_values() -> None:
    found = seen(secret("web-tls", "tls.key", "tls.crt"))
    assert descriptions.describe(exposure.secrets(found)[0], found, NOW) == (
        "Name:              web-tls\n"
        "Namespace:         default\n"
        "Labels:            <none>\n"
        "Annotations:       <none>\n"
        "\n"
        "Type:              kubernetes.io/tls\n"
        "\n"
        "Data\n"
        "====\n"
        "tls.crt:  sealed\n"
        "tls.key:  sealed"
    )


def test_a_cluster_issuer_is_ready_when_its_account_has_a_key() -> None:
    assert table("ClusterIssuer", seen(issuer()), exposure.cluster_issuers) == "NAME   READY   AGE\nle     False   60m"
    account = secret("account", "tls.key")
    account["metadata"]["namespace"] = "skate-system"
    found = seen(issuer(), account)
    assert table("ClusterIssuer", found, exposure.cluster_issuers) == "NAME   READY   AGE\nle     True    60m"
    text = descriptions.describe(exposure.cluster_issuers(found)[0], found, NOW)
    assert "Server:            https://acme.example.com/directory" in text
    assert "Email:             <none>" in text


def test_a_service_is_described_with_the_ready_pods_behind_each_port() -> None:
    found = seen(service())
    assert descriptions.describe(exposure.services(found)[0], found, NOW) == (
        "Name:              web\n"
        "Namespace:         default\n"
        "Labels:            <none>\n"
        "Annotations:       <none>\n"
        "Selector:          app=web\n"
        "Type:              ClusterIP\n"
        "IP:                None\n"
        "Port:              http  80/TCP\n"
        "TargetPort:        8080/TCP\n"
        "Endpoints:         10.66.1.2:8080,10.66.2.2:8080\n"
        "Session Affinity:  None\n"
        "Events:            <none>"
    )


def test_who_is_not_ready_stands_behind_no_service() -> None:
    found = seen(service(), **test_objects.LOST)
    assert "Endpoints:         <none>" in descriptions.describe(exposure.services(found)[0], found, NOW)


def test_an_external_name_is_described_as_kubectl_does() -> None:
    found = seen(external())
    lines = descriptions.describe(exposure.services(found)[0], found, NOW).splitlines()
    assert lines[4:] == [
        "Selector:          <none>",
        "Type:              ExternalName",
        "External Name:     db.example.com",
        "Session Affinity:  None",
        "Events:            <none>",
    ]


def test_an_ingress_is_described_with_who_answers_each_path() -> None:
    rules = [
        rule("www.example.com", "/api", backend(name="http")),
        rule("www.example.com", "/gone", backend("nobody")),
        rule("", "/db", backend("db", number=5432)),
        rule("", "/app", backend("web.default.cluster.skate", number=8000)),
        rule("", "/other", backend("web", number=81)),
    ]
    tls = [{"hosts": ["www.example.com"], "secretName": "web-tls"}, {"hosts": ["a.example.com"]}]
    found = seen(
        service("web"),
        external(),
        ingress(annotations={"a": "b"}, rules=rules, tls=tls, defaultBackend=backend()),
        hosts=("192.0.2.10", "192.0.2.11"),
    )
    # The Service is named after the app: the implicit name leads to it, with the container's own port.
    assert descriptions.describe(exposure.ingresses(found)[0], found, NOW) == (
        "Name:              web\n"
        "Namespace:         default\n"
        "Labels:            <none>\n"
        "Address:           192.0.2.10,192.0.2.11\n"
        "Ingress Class:     <none>\n"
        "Default backend:   web:80 (10.66.1.2:8080,10.66.2.2:8080)\n"
        "TLS:\n"
        "  web-tls terminates www.example.com\n"
        "  SNI routes a.example.com\n"
        "Rules:\n"
        "  Host              Path     Backends\n"
        "  ----              ----     --------\n"
        "  www.example.com\n"
        "                    /api     web:http (10.66.1.2:8080,10.66.2.2:8080)\n"
        "  www.example.com\n"
        '                    /gone    nobody:80 (<error: services "nobody" not found>)\n'
        "  *\n"
        "                    /db      db:5432 (db.example.com)\n"
        "  *\n"
        "                    /app     web.default.cluster.skate:8000 (10.66.1.2:8000,10.66.2.2:8000)\n"
        "  *\n"
        "                    /other   web:81 (<none>)\n"
        "Annotations:       a: b\n"
        "Events:            <none>"
    )


def test_an_ingress_of_a_default_backend_alone_has_kubectls_empty_rule() -> None:
    found = seen(ingress(rules=[], defaultBackend=backend("web.default.cluster.skate", number=80)))
    text = descriptions.describe(exposure.ingresses(found)[0], found, NOW)
    assert "Default backend:   web.default.cluster.skate:80 (10.66.1.2:80,10.66.2.2:80)" in text
    assert "  *      *      <default>" in text


def test_more_than_three_endpoints_are_counted() -> None:
    assert exposure.endpoints_text(["a", "b", "c"]) == "a,b,c"
    assert exposure.endpoints_text(["a", "b", "c", "d", "e"]) == "a,b,c + 2 more..."
    assert exposure.endpoints_text([]) == "<none>"


def test_events_of_an_ingress_are_told() -> None:
    event = status.Event(
        time=CREATED, type="Warning", reason="SecretMissing", object="ingress/default/web", message="no users"
    )
    said = status.Status(cluster="test", node="n1", time="", info=drops_world.INFO, events=[event], generation_seen=4)
    found = seen(ingress(), status=said)
    assert "SecretMissing   60m    skatelet, n1   no users" in descriptions.describe(
        exposure.ingresses(found)[0], found, NOW
    )


@pytest.mark.parametrize(
    ("conditions", "text"),
    [
        ({}, "<unknown>"),
        ({"RoutesReady": "True", "DNSReady": "True"}, "Ready"),
        ({"RoutesReady": "False", "DNSReady": "True"}, "RoutesReady=False(Because)"),
        (
            {"RoutesReady": "False", "IngressReady": "Unknown"},
            "RoutesReady=False(Because),IngressReady=Unknown(Because)",
        ),
        ({"RoutesReady": "True", "PodsReady": "False"}, "Ready"),
    ],
)
def test_a_node_shows_how_its_network_stands(conditions: dict[str, str], text: str) -> None:
    said = status.Status(
        cluster="test",
        node="n1",
        time="",
        generation_seen=4,
        info=drops_world.INFO,
        conditions=[status.Condition(type=name, status=word, reason="Because") for name, word in conditions.items()],
    )
    found = objects.nodes(test_objects.cluster(test_objects.node("n1", status=said)))
    shown = printers.print_objects("Node", found, wide=True, namespaces=False, labels=False, headers=True, now=NOW)
    heading, row = shown.splitlines()
    assert heading.split()[-1] == "NETWORK"
    assert row.split()[-1] == text


def test_of_a_node_that_is_silent_the_network_is_unknown() -> None:
    (item,) = objects.nodes(test_objects.cluster(test_objects.node("n2", **test_objects.LOST)))
    assert printers.network_state(item) == "Unknown"
