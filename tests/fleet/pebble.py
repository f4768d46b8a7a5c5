"""A certificate authority of our own: pebble, which makes real ACME of it, and a name server that it asks.

The name server gives the nodes' addresses in turn, one an answer: so pebble's look at a challenge goes to any of them. Needs
Debian's package `pebble`.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import itertools
import json
import os
import socket
import ssl
import subprocess
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from skate.sandbox import node
from tests.fleet import support

TRUSTED = "/etc/ssl/certs/ca-certificates.crt"
BEFORE = "/root/ca-certificates.before"


@dataclass(frozen=True, kw_only=True)
class Authority:
    """Where it is, and who has to be trusted for what it signs."""

    directory: str
    roots: str
    """PEM."""
    log: Path
    asked: list[str]
    """Which node's address the name server gave, answer by answer."""


@contextlib.contextmanager
def running(folder: Path, *, address: str, nodes: Sequence[node.Node], lifetime: int) -> Iterator[Authority]:
    """Pebble at `address`, whose HTTPS the nodes trust meanwhile; certificates live `lifetime` seconds."""
    listen, manage = _free_port(address), _free_port(address)
    certificate = _server_certificate(folder, address)
    (folder / "config.json").write_text(
        json.dumps(
            {
                "pebble": {
                    "listenAddress": f"{address}:{listen}",
                    "managementListenAddress": f"{address}:{manage}",
                    "certificate": str(folder / "cert.pem"),
                    "privateKey": str(folder / "key.pem"),
                    "httpPort": 80,
                    "tlsPort": 443,
                    "certificateValidityPeriod": lifetime,
                }
            }
        )
    )
    asked: list[str] = []
    log = folder / "pebble.log"
    # No authorization is taken over from an earlier order: each order has its challenge looked at.
    environment = os.environ | {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0"}
    with _names([item.address for item in nodes], asked) as resolver, log.open("wb") as output:
        argv = ["pebble", "-config", str(folder / "config.json"), "-dnsserver", resolver]
        process = subprocess.Popen(argv, stdout=output, stderr=output, env=environment)
        try:
            context = ssl.create_default_context(cadata=certificate)
            roots = support.eventually(
                lambda: _fetch(f"https://{address}:{manage}/roots/0", context),
                "pebble answers",
                saw=lambda: log.read_text(errors="replace")[-500:],
            )
            with _trusted(nodes, certificate):
                yield Authority(directory=f"https://{address}:{listen}/dir", roots=roots, log=log, asked=asked)
        finally:
            process.kill()
            process.wait()


def _fetch(url: str, context: ssl.SSLContext) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5, context=context) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


@contextlib.contextmanager
def _trusted(nodes: Sequence[node.Node], certificate: str) -> Iterator[None]:
    """The nodes' own trust store with one certificate more: uacme's libcurl knows no other place."""
    for item in nodes:
        item.run(["cp", "-p", TRUSTED, BEFORE])
        item.run(["tee", "-a", TRUSTED], input=certificate.encode())
    try:
        yield
    finally:
        for item in nodes:
            if item.running:
                item.run(["mv", BEFORE, TRUSTED], check=False)


@contextlib.contextmanager
def _names(addresses: Sequence[str], asked: list[str]) -> Iterator[str]:
    turn = itertools.cycle(addresses)
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            data, sender = server.recvfrom(4096)
            if data == b"stop":
                return
            query = dns.message.from_wire(data)
            answer = dns.message.make_response(query)
            answer.flags |= dns.flags.AA | dns.flags.RA
            question = query.question[0]
            if question.rdtype == dns.rdatatype.A:
                asked.append(next(turn))
                answer.answer.append(dns.rrset.from_text(question.name, 0, "IN", "A", asked[-1]))
            server.sendto(answer.to_wire(), sender)

    thread = threading.Thread(target=serve)
    thread.start()
    host, port = server.getsockname()
    try:
        yield f"{host}:{port}"
    finally:
        server.sendto(b"stop", (host, port))
        thread.join()
        server.close()


def _server_certificate(folder: Path, address: str) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pebble")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    text = built.public_bytes(serialization.Encoding.PEM).decode()
    (folder / "cert.pem").write_text(text)
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return text


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port
