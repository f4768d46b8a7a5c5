"""A real nginx of a node, in a network of its own there, with the configuration that the ingress makes of manifests.

So the rules are tried on every nginx that nodes have, on ports 80 and 443, beside whatever the node itself serves.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skate.sandbox import node
from skatelet import services
from skatelet.contract import bundle
from skatelet.ingress import configuration, model, rules
from skatelet.system import nginx
from tests.fleet import support

NAMESPACE = "ingress-test"
ROOT = "/run/ingress-test"
PREFIX = "nginx.ingress.kubernetes.io/"


def ingress(
    name: str,
    *rule: Mapping[str, Any],
    created: str = "2026-01-01T00:00:00Z",
    annotations: Mapping[str, str] | None = None,
    namespace: str = "default",
    **spec: Any,
) -> bundle.CatalogueObject:
    """An Ingress of the catalogue; annotations without ingress-nginx's prefix."""
    metadata = {
        "name": name,
        "namespace": namespace,
        "annotations": {f"{PREFIX}{key}": value for key, value in (annotations or {}).items()},
    }
    manifest = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata}
    return bundle.CatalogueObject(manifest={**manifest, "spec": {"rules": list(rule), **spec}}, created=created)


def backend(name: str, port: int | str = 80) -> dict[str, Any]:
    return {"service": {"name": name, "port": {"name" if isinstance(port, str) else "number": port}}}


def rule(host: str, *paths: tuple[str, str, str]) -> dict[str, Any]:
    """A rule; each path as path, type, Service."""
    listed = [{"path": path, "pathType": kind, "backend": backend(service)} for path, kind, service in paths]
    return {**({"host": host} if host else {}), "http": {"paths": listed}}


def service(name: str, *, port: int = 80, target: int | str = 8080, **more: Any) -> services.Service:
    ports = (services.ServicePort(name="http", port=port, target=target),)
    return services.Service(namespace="default", name=name, selector={"app": name}, ports=ports, **more)


def pods(name: str, *addresses: str) -> list[services.Pod]:
    return [
        services.Pod(namespace="default", name=f"{name}-{number}", node="node-1", address=address, labels={"app": name})
        for number, address in enumerate(addresses)
    ]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What curl saw."""

    status: int
    body: str
    headers: Mapping[str, str]
    error: str = ""

    @property
    def said(self) -> dict[str, Any]:
        """What the backend says it was asked."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def pod(self) -> str:
        return str(self.said["pod"]) if self.status == 200 else f"({self.status})"


@dataclass(kw_only=True)
class World:
    """nginx and its backends on one node."""

    target: node.Node
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def open(self) -> None:
        self.close()
        self.target.run(["ip", "netns", "add", NAMESPACE])
        self.target.run(["ip", "-n", NAMESPACE, "link", "set", "lo", "up"])
        for name in ("", "/tls", "/users", "/prefix", "/prefix/temp"):
            self.target.run(["mkdir", "-p", f"{ROOT}{name}"])
        self.target.run(["chmod", "755", ROOT])
        self.certificate(configuration.SELF_SIGNED, "self-signed")
        self.write("backend.py", (Path(__file__).parent / "ingress_backend.py").read_text(encoding="utf-8"))

    def close(self) -> None:
        """End what was started, and leave nothing behind."""
        inside = self.target.run(["ip", "netns", "pids", NAMESPACE], check=False).stdout.split()
        if inside:
            self.target.run(["kill", "-KILL", *inside], check=False)
        for process in self.started:
            process.wait(timeout=20)
        self.started.clear()
        self.target.run(["ip", "netns", "del", NAMESPACE], check=False)
        self.target.run(["rm", "-rf", ROOT], check=False)

    def run(self, argv: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in nginx's network."""
        return self.target.run(["ip", "netns", "exec", NAMESPACE, *argv], **options)

    def spawn(self, argv: Sequence[str]) -> subprocess.Popen[str]:
        """Start a command there, with its streams."""
        process = subprocess.Popen(
            self.target.exec_argv(["ip", "netns", "exec", NAMESPACE, *argv]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def write(self, name: str, text: str) -> None:
        self.target.run(["tee", f"{ROOT}/{name}"], input=text)

    def certificate(self, name: str, host: str) -> None:
        """A certificate of nobody's for `host`, as files `name` in the tree."""
        subject = ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}", "-days", "2", "-nodes"]
        files = ["-keyout", f"{ROOT}/tls/{name}.key", "-out", f"{ROOT}/tls/{name}.crt"]
        self.target.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", *subject, *files])

    def backends(self, *where: str) -> subprocess.Popen[str]:
        """Pods' stand-ins, each `address:port=name`."""
        process = self.spawn(["python3", f"{ROOT}/backend.py", *where])
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def version(self) -> tuple[int, ...]:
        done = self.target.run(["nginx", "-v"])
        found = nginx.parsed_version(done.stderr + done.stdout)
        assert found is not None
        return found

    def render(self, served: model.Model, *, resolver: str = "127.0.0.1") -> str:
        return configuration.render(served, version=self.version(), account="www-data", resolver=resolver, ipv6=True)

    def serve(
        self,
        *ingresses: bundle.CatalogueObject,
        services: Iterable[services.Service],
        pods: Iterable[services.Pod],
        **more: Any,
    ) -> model.Model:
        """Have nginx serve `ingresses`; their model."""
        served = rules.model_of(rules.in_order(ingresses), services=services, pods=pods, **more)
        for name, content in served.files.items():
            self.write(f"users/{name}", content.decode())
        self.configure(self.render(served))
        return served

    def refusal(self, text: str) -> str:
        """What nginx says against a configuration; empty when it takes it. A warning counts as well."""
        self.write("nginx.conf", text)
        return self.run([*self._nginx(), "-t", "-q"], check=False).stderr

    def configure(self, text: str) -> None:
        refused = self.refusal(text)
        assert refused == ""
        pid = self.target.run(["cat", f"{ROOT}/nginx.pid"], check=False).stdout.strip()
        if pid and self.target.run(["kill", "-0", pid], check=False).returncode == 0:
            before = self._workers(pid)
            self.run([*self._nginx(), "-s", "reload"])
            support.eventually(
                lambda: self._workers(pid) - before, "nginx has read its configuration again", seconds=10
            )
            support.eventually(lambda: not self._workers(pid) & before, "the old workers leave", seconds=10)
        else:
            self.start("nginx.conf", "nginx.pid")

    def start(self, configuration: str, pid: str) -> None:
        """Start an nginx of that configuration and wait until it serves."""
        argv = ["nginx", "-p", f"{ROOT}/prefix/", "-c", f"{ROOT}/{configuration}"]
        self.spawn([*argv, "-g", f"daemon off; pid {ROOT}/{pid};"])

        def workers() -> set[str]:
            found = self.target.run(["cat", f"{ROOT}/{pid}"], check=False).stdout.strip()
            return self._workers(found) if found else set()

        support.eventually(workers, "nginx serves", seconds=10)

    def _workers(self, pid: str) -> set[str]:
        text = self.target.run(["ps", "-o", "pid=,args=", "--ppid", pid], check=False).stdout
        return {line.split()[0] for line in text.splitlines() if "worker process" in line and "shutting" not in line}

    def _nginx(self) -> list[str]:
        return ["nginx", "-p", f"{ROOT}/prefix/", "-c", f"{ROOT}/nginx.conf", "-g", f"pid {ROOT}/nginx.pid;"]

    def get(self, host: str, path: str = "/", *flags: str, scheme: str = "http", timeout: int = 10) -> Answer:
        """Ask nginx as `host` for `path`, which is sent as it stands."""
        port = {"http": 80, "https": 443}[scheme]
        argv = ["curl", "-sk", "--path-as-is", "--max-time", str(timeout), "--resolve", f"{host}:{port}:127.0.0.1"]
        done = self.run([*argv, "-D", "/dev/stderr", *flags, f"{scheme}://{host}{path}"], check=False)
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        statuses = [line.split()[1] for line in lines if line.startswith("HTTP/")]
        headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
        status = int(statuses[-1]) if statuses else 0
        return Answer(status=status, body=done.stdout, headers=headers, error=f"curl: {done.returncode}")
