"""Secrets and certificates on real nodes: sealed on the way, served by every node, ordered from a real authority and renewed."""

from __future__ import annotations

import base64
import json
import socket
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from skate.sandbox import node
from tests.fleet import pebble, support
from tests.unit import certificates_world as world

pytestmark = pytest.mark.fleet
HOST = "web.example.test"
PASSWORD = "correct-horse-battery-staple"
LIFETIME = 75
"""Seconds: certificates are renewed 50 s after they were given, less up to 2.5 s."""


def ingress(*, secret: str = "web-tls", host: str = HOST) -> str:
    rule = {
        "host": host,
        "http": {
            "paths": [
                {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}
            ]
        },
    }
    return json.dumps(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": "web"},
            "spec": {"rules": [rule], "tls": [{"hosts": [host], "secretName": secret}]},
        }
    )


def tls_secret(chain: bytes, key: bytes) -> str:
    data = {"tls.crt": base64.b64encode(chain).decode(), "tls.key": base64.b64encode(key).decode()}
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web-tls"}, "type": world.TLS, "data": data}
    return json.dumps(manifest)


def shown(target: node.Node, *, roots: str, host: str = HOST) -> bytes:
    """The certificate (DER) that a node shows for `host`, trusted by `roots` and no others; empty where it is not."""
    context = ssl.create_default_context(cadata=roots)
    try:
        with (
            socket.create_connection((target.address, 443), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            return secured.getpeercert(binary_form=True) or b""
    except OSError:
        return b""


def explained(target: node.Node) -> str:
    """What a node has to say about its certificates."""
    found = target.run(["journalctl", "-u", "skatelet.service", "-n", "15", "-o", "cat", "--no-pager"], check=False)
    return f"{conditions(target)}\n{found.stdout}"


def conditions(target: node.Node) -> str:
    status = target.run(["cat", "/var/lib/skate/drop/status/status.json"], check=False).stdout
    found = [item for item in json.loads(status or "{}").get("conditions", ()) if item["type"] == "CertificatesReady"]
    return json.dumps(found)


def everywhere(cluster: support.Cluster, *, roots: str, unlike: dict[str, bytes], seconds: float) -> dict[str, bytes]:
    """Wait until every node shows a trusted certificate that is not the one in `unlike`; each node's, by name."""
    found: dict[str, bytes] = {}
    for item in cluster.nodes():
        found[item.name] = support.eventually(
            lambda item=item: (der := shown(item, roots=roots)) != unlike.get(item.name) and der,
            f"{item.name} shows a trusted certificate",
            seconds=seconds,
            saw=lambda item=item: explained(item),
        )
    return found


def test_three_nodes_behind_one_name_get_certificates_and_renew_them_by_their_timers(
    cluster: support.Cluster, tmp_path: Path
) -> None:
    nodes = cluster.nodes()
    gateway = f"{nodes[0].address.rpartition('.')[0]}.1"
    with pebble.running(tmp_path, address=gateway, nodes=nodes, lifetime=LIFETIME) as authority:
        acme = {"server": authority.directory, "privateKeySecretRef": {"name": "pebble-account"}}
        issuer = {
            "apiVersion": "cert-manager.io/v1",
            "kind": "ClusterIssuer",
            "metadata": {"name": "pebble"},
            "spec": {"acme": acme},
        }
        cluster.ok("apply", "-f", "-", input=support.listed(json.dumps(issuer), ingress()))
        first = everywhere(cluster, roots=authority.roots, unlike={}, seconds=60)
        assert len(set(first.values())) == len(nodes), "each node has a certificate and key of its own"
        assert set(authority.asked) == {item.address for item in nodes}, "each node has answered for the others"
        second = everywhere(cluster, roots=authority.roots, unlike=first, seconds=LIFETIME)
        for name, der in second.items():
            before, after = x509.load_der_x509_certificate(first[name]), x509.load_der_x509_certificate(der)
            assert after.not_valid_before_utc < before.not_valid_after_utc, f"{name} was never without a valid one"
            assert after.public_key() != before.public_key()


def test_a_tls_secret_is_served_as_it_is_and_its_key_lies_in_memory_only(cluster: support.Cluster) -> None:
    chain, key = world.certificate(HOST, begin=world.datetime.datetime.now().timestamp() - 60)
    cluster.ok("apply", "-f", "-", input=support.listed(tls_secret(chain, key), ingress()))
    wanted = ssl.PEM_cert_to_DER_cert(chain.decode())
    body = key.decode().splitlines()[1]
    for item in cluster.nodes():
        support.eventually(
            lambda item=item: shown(item, roots=chain.decode()) == wanted,
            f"{item.name} shows the Secret's certificate",
            saw=lambda item=item: explained(item),
        )
        found = item.run(["grep", "-rlF", "--", body, "/etc", "/var", "/run"], check=False).stdout.split()
        assert found
        assert all(path.startswith("/run/") for path in found), found
        modes = item.run(["stat", "-c", "%a %U", "/etc/skate/seal.key", *found]).stdout.splitlines()
        assert set(modes) == {"600 root"}


def test_a_key_that_does_not_fit_is_refused_before_anything_changes(cluster: support.Cluster) -> None:
    chain, _ = world.certificate(HOST)
    _, other = world.certificate(HOST)
    done = cluster.skate("apply", "-f", "-", input=support.listed(tls_secret(chain, other), ingress()))
    assert done.returncode == 1
    assert "data.tls.key: Invalid value: the key does not fit the first certificate in tls.crt" in done.stderr
    assert other.decode().splitlines()[1] not in done.stdout + done.stderr
    assert json.loads(cluster.ok("get", "secrets,ingresses", "-o", "json"))["items"] == []


def test_a_secret_is_nowhere_on_a_node_in_the_clear_and_comes_back_for_who_has_the_key(
    cluster: support.Cluster,
) -> None:
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"password": PASSWORD}}
    cluster.ok("apply", "-f", "-", input=json.dumps(manifest))
    again = cluster.skate("apply", "-f", "-", input=json.dumps(manifest))
    assert "secret/db unchanged" in again.stdout
    assert cluster.ok("secret", "reveal", "db", "--key", "password") == PASSWORD
    seen = "".join(cluster.ok("get", "secrets", "-o", form) for form in ("yaml", "json", "wide"))
    assert PASSWORD not in seen + cluster.ok("describe", "secret", "db") + again.stderr
    for item in cluster.nodes():
        found = item.run(["grep", "-rlF", "--", PASSWORD, "/etc", "/var", "/run"], check=False).stdout
        assert found == "", f"{item.name} holds it in the clear: {found}"


def test_who_joins_takes_the_seal_key_from_a_node_and_a_node_that_lost_it_gets_it_back(
    cluster: support.Cluster, tmp_path: Path
) -> None:
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"password": PASSWORD}}
    cluster.ok("apply", "-f", "-", input=json.dumps(manifest))
    target = cluster.nodes()[0]
    joined = support.Cluster(fleet=cluster.fleet, registry=tmp_path / "config.yaml")
    joined.ok("create", "cluster", cluster.fleet.name)
    reached = ["--name", target.name, "--host", target.address, "--key", str(target.key), "--yes"]
    joined.ok("create", "node", *reached)
    assert joined.ok("secret", "reveal", "db", "--key", "password") == PASSWORD
    target.run(["chmod", "644", "/etc/skate/seal.key"])
    assert "configured" in joined.ok("create", "node", *reached)
    assert target.run(["stat", "-c", "%a", "/etc/skate/seal.key"]).stdout == "600\n"
    target.run(["mv", "/etc/skate/seal.key", "/root/seal.key.lost"])
    assert "configured" in cluster.ok("create", "node", *reached)
    target.run(["cmp", "/etc/skate/seal.key", "/root/seal.key.lost"])
    assert "unchanged" in cluster.ok("create", "node", *reached)
