"""What tests of certificates share: certificates and keys made here, Secrets sealed, and a bundle with them."""

from __future__ import annotations

import base64
import datetime
import threading
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from skate import catalogue, issuing, sealing
from skatelet import reconciler
from skatelet.certificates import acme, reconcile
from skatelet.contract import bundle, sealed
from skatelet.contract import issuing as contract
from skatelet.paths import Paths
from skatelet.secrets import Secrets

PAIR = sealing.pair_of(bytes(range(32)))
CLUSTER = bundle.Cluster(name="home", cidr="10.66.0.0/16", seal_key=base64.b64encode(PAIR.public).decode())
NOW = 1_800_000_000.0
DAY = 86400.0


def key_pem(key: Any) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certificate(host: str = "web.example.test", *, begin: float = NOW, days: float = 90) -> tuple[bytes, bytes]:
    """A self-signed certificate and its key, both in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    start = datetime.datetime.fromtimestamp(begin, datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM), key_pem(key)


def secret(name: str, data: dict[str, bytes], *, namespace: str = "default", type: str = "Opaque", pair=PAIR) -> dict:
    """A Secret as it stands in the catalogue."""
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": type,
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }
    cluster = CLUSTER.model_copy(update={"seal_key": base64.b64encode(pair.public).decode()})
    return sealing.Sealer(pair).seal(manifest, before=None, cluster=cluster)


def ingress(name: str, *tls: tuple[str, list[str]], **metadata: Any) -> dict:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": "default", **metadata},
        "spec": {"tls": [{"secretName": secret_name, "hosts": hosts} for secret_name, hosts in tls]},
    }


def issuer(name: str = "pebble", server: str = "https://ca.example.test/dir") -> dict:
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "ClusterIssuer",
        "metadata": {"name": name},
        "spec": {"acme": {"server": server, "privateKeySecretRef": {"name": f"{name}-account"}}},
    }


def catalogue_of(*manifests: dict) -> catalogue.Catalogue:
    objects = {catalogue.key_of(item): bundle.CatalogueObject(manifest=item) for item in manifests}
    return catalogue.Catalogue(cluster=CLUSTER, nodes={}, objects=objects)


class Node:
    """A node below `root` that follows what `apply` was last given; orders are answered by `answer`."""

    def __init__(self, root, *, name: str = "node-1") -> None:
        self.paths = Paths(root=root)
        self.paths.seal_key.parent.mkdir(parents=True)
        self.paths.seal_key.write_bytes(sealed.encode_key(PAIR.private))
        self.name = name
        self.now = NOW
        self.notes: dict[str, str] = {}
        self.orders: list[acme.Order] = []
        self.answer: acme.Failed | float = 90.0
        """A failure, or the days that the certificate is valid for."""
        self.woken = threading.Event()
        self.accounts = issuing.Accounts(sealing.Sealer(PAIR))
        self.generation = 0
        self.apply()
        self.restart()

    def restart(self) -> None:
        """Another run of skatelet."""
        self.certificates = reconcile.Certificates(
            self.paths, wake=self.woken.set, secrets=Secrets(self.paths), order=self._order
        )

    def apply(self, *manifests: dict) -> None:
        self.generation += 1
        current, _ = self.accounts.ensured(catalogue_of(*manifests), now="")
        self.followed = bundle.build(
            catalogue=current.files(),
            instances=[],
            cluster="home",
            node=self.name,
            generation=self.generation,
            parent=self.generation - 1,
            time="",
            author="",
            tool_version="",
        )

    def once(self) -> reconciler.Outcome:
        identity = bundle.NodeIdentity(cluster="home", node=self.name, subnet="10.66.1.0/24")
        return self.certificates.reconcile(
            reconciler.World(
                identity=identity,
                followed=self.followed,
                version=str(self.generation),
                serving=(),
                now=self.now,
                notes=self.notes,
            )
        )

    def settle(self) -> reconciler.Outcome:
        """Passes until no order runs; moves the clock to what is due within a minute."""
        for _ in range(20):
            self.woken.clear()
            outcome = self.once()
            if outcome.busy:
                assert self.woken.wait(20), "the order has not ended"
            elif outcome.due is not None and outcome.due - self.now < 60:
                self.now = outcome.due
            else:
                return outcome
        raise AssertionError(f"it does not come to rest: {outcome}")

    def _order(self, order: acme.Order) -> acme.Ordered | acme.Failed:
        self.orders.append(order)
        if isinstance(self.answer, acme.Failed):
            return self.answer
        chain, key = certificate(order.hosts[0], begin=self.now, days=self.answer)
        order.target.mkdir(parents=True)
        (order.target / acme.CHAIN).write_bytes(chain)
        (order.target / acme.KEY).write_bytes(key)
        return acme.Ordered(not_before=self.now, not_after=self.now + self.answer * DAY)


TLS = contract.TLS_TYPE
