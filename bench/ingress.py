"""Throughput through the ingress to one pod, against a hand-written nginx that proxies to the same pod (budget: a ratio of 0.9).

Both run on one node, with as many workers and the same connections kept to the pod, and are asked in turn from this machine by
wrk. The pod is played by a third nginx on the node, since a container of busybox would itself be the slowest part.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from skate.errors import SkateError
from skate.sandbox import node
from skatelet import services
from skatelet.contract import bundle
from skatelet.ingress import configuration, rules
from skatelet.system import nginx

ROOT = "/run/skate-bench"
POD_PORT = 9000
BY_HAND_PORT = 8081
HOST = "bench.example"
ROUNDS = 7
SECONDS = 2
CONNECTIONS = 32
_TEMPORARY = "".join(f"{kind}_temp_path temp/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
_POD = f"""\
worker_processes 1;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
    access_log off; {_TEMPORARY}
    keepalive_requests 1000000;
    server {{ listen {POD_PORT}; location / {{ default_type text/plain; return 200 "one kilobyte{"." * 1010}"; }} }}
}}
"""
_BY_HAND = f"""\
user www-data;
worker_processes auto;
error_log stderr error;
events {{ worker_connections 8192; }}
http {{
    access_log off; {_TEMPORARY}
    upstream pod {{ server ADDRESS:{POD_PORT}; keepalive {configuration.KEEPALIVE}; }}
    server {{
        listen {BY_HAND_PORT};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        location / {{ proxy_pass http://pod; }}
    }}
}}
"""


def measure(target: node.Node) -> float:
    """Measure on `target`, which serves no Ingress, print requests per second, and return the ratio. Needs wrk here."""
    ingress = configuration.render(
        rules.model_of([_ingress()], services=[_service()], pods=[_pod(target)]),
        version=_version(target),
        account="www-data",
        resolver="127.0.0.1",
        ipv6=True,
    )
    by_hand = _BY_HAND.replace("ADDRESS", target.address)
    ours, theirs = [], []
    with _running(target, {"pod": _POD, "by-hand": by_hand, "ingress": ingress}):
        for _ in range(ROUNDS):
            theirs.append(_requests(f"http://{target.address}:{BY_HAND_PORT}/"))
            ours.append(_requests(f"http://{target.address}/"))
    # Each round by itself: what else the machine does in it slows both alike.
    ratio = statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
    print(f"ingress: requests/s through nginx by hand, median of {ROUNDS}: {statistics.median(theirs):.0f}")
    print(f"ingress: requests/s through the ingress, median of {ROUNDS}: {statistics.median(ours):.0f}")
    print(f"ingress: ratio, median of {ROUNDS}: {ratio:.2f}")
    return ratio


@contextmanager
def _running(target: node.Node, configurations: dict[str, str]) -> Iterator[None]:
    """One nginx for each configuration, by name, ended afterwards."""
    target.run(["mkdir", "-p", f"{ROOT}/temp", f"{ROOT}/tls"])
    names = [
        "-keyout",
        f"{ROOT}/tls/{configuration.SELF_SIGNED}.key",
        "-out",
        f"{ROOT}/tls/{configuration.SELF_SIGNED}.crt",
    ]
    target.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=bench", "-days", "1", *names])
    try:
        for name, text in configurations.items():
            target.run(["tee", f"{ROOT}/{name}.conf"], input=text)
            argv = ["nginx", "-p", f"{ROOT}/", "-c", f"{ROOT}/{name}.conf", "-g", f"pid {ROOT}/{name}.pid;"]
            target.run(
                ["systemd-run", "--quiet", "--collect", f"--unit=skate-bench-{name}", "-p", "Type=forking", *argv]
            )
        yield
    finally:
        for name in configurations:
            target.run(["systemctl", "stop", f"skate-bench-{name}"], check=False)
        target.run(["rm", "-rf", ROOT])


def _requests(url: str) -> float:
    """Requests per second that wrk gets answered, all of them well."""
    threads = min(2, os.cpu_count() or 1)
    argv = ["wrk", f"-t{threads}", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-H", f"Host: {HOST}", url]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    found = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    if found is None or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise SkateError("wrk was not answered as it should be", details=done.stdout.splitlines())
    return float(found[1])


def _version(target: node.Node) -> tuple[int, ...]:
    done = target.run(["nginx", "-v"])
    found = nginx.parsed_version(done.stderr + done.stdout)
    if found is None:
        raise SkateError(f"{target.name} has no nginx")
    return found


def _ingress() -> bundle.CatalogueObject:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    metadata = {"name": "web", "namespace": "default"}
    spec = {"rules": [{"host": HOST, "http": {"paths": paths}}]}
    manifest = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}
    return bundle.CatalogueObject(manifest=manifest)


def _service() -> services.Service:
    ports = (services.ServicePort(name="", port=80, target=POD_PORT),)
    return services.Service(namespace="default", name="web", selector={"app": "web"}, ports=ports)


def _pod(target: node.Node) -> services.Pod:
    return services.Pod(
        namespace="default", name="web-0", node=target.name, address=target.address, labels={"app": "web"}
    )
