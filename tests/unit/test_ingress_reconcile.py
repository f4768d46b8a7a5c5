"""The reconciler of the ingress on a file system of its own, with an nginx and a systemd that are played."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from skatelet import reconciler, services
from skatelet.contract import bundle
from skatelet.ingress import model, reconcile, tree
from skatelet.paths import Paths
from skatelet.system import command, nginx
from tests.fleet.ingress_world import ingress, rule

SERVICE = bundle.CatalogueObject(
    manifest={
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
)
GATHERED = "web.default.cluster.skate"


def deployment(*addresses: str) -> bundle.CatalogueObject:
    metadata = {"name": "web", "namespace": "default"}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "web"}]}}
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": template}}
    placements = [
        bundle.Placement(instance=f"web-{number}", node="node-1", address=address, hash="0")
        for number, address in enumerate(addresses)
    ]
    return bundle.CatalogueObject(manifest=manifest, placements=placements)


@dataclass(kw_only=True)
class Node:
    """A node as the reconciler sees it: what it did stands in `done`."""

    paths: Paths
    done: list[str] = field(default_factory=list)
    tested: int = 0
    refuses: Callable[[str], str] = lambda text: ""
    listeners: list[nginx.Listener] = field(default_factory=list)
    pairs: dict[tuple[str, str], model.Pair] = field(default_factory=dict)
    secrets: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    names: dict[str, list[str] | None] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    serving: tuple[services.Pod, ...] = ()
    objects: tuple[bundle.CatalogueObject, ...] = ()
    generation: int = 1

    def __post_init__(self) -> None:
        binary = self.paths.below("/usr/sbin/nginx")
        binary.parent.mkdir(parents=True)
        binary.write_text("1", encoding="ascii")
        self.reconciler = self.again()

    def again(self) -> reconcile.Ingress:
        self.reconciler = reconcile.Ingress(
            self.paths,
            wake=lambda: None,
            secret=lambda namespace, name: self.secrets.get((namespace, name)),
            certificates=lambda: self.pairs,
            thumbprints=lambda: {},
            gathered=self._gather,
        )
        return self.reconciler

    def _gather(self, name: str) -> list[str] | None:
        self.asked.append(name)
        return self.names.get(name, [])

    def apply(self, *objects: bundle.CatalogueObject) -> reconciler.Outcome:
        self.objects = objects
        self.generation += 1
        return self.run()

    def run(self) -> reconciler.Outcome:
        cluster = bundle.Cluster(name="c", cidr="10.66.0.0/16")
        files = bundle.catalogue_files(cluster=cluster, nodes=[], objects=list(self.objects))
        followed = bundle.build(
            catalogue=files,
            instances=[],
            cluster="c",
            node="node-1",
            generation=self.generation,
            parent=0,
            time="",
            author="",
            tool_version="",
        )
        world = reconciler.World(
            identity=bundle.NodeIdentity(cluster="c", node="node-1", subnet="10.66.1.0/24"),
            followed=followed,
            version=str(self.generation),
            serving=self.serving,
            now=1000.0,
        )
        self.done.clear()
        self.asked.clear()
        self.tested = 0
        return self.reconciler.reconcile(world)

    def runs(self, pid: int | None) -> None:
        """Let nginx run as `pid`, or not at all."""
        file = self.paths.ingress / "nginx.pid"
        if pid is None:
            file.unlink()
            return
        file.write_text(f"{pid}\n", encoding="ascii")
        cgroup = self.paths.proc(f"{pid}/cgroup")
        cgroup.parent.mkdir(parents=True, exist_ok=True)
        cgroup.write_text(f"0::/system.slice/{nginx.UNIT}\n", encoding="ascii")

    @property
    def text(self) -> str:
        return (self.paths.ingress / "current/nginx.conf").read_text(encoding="utf-8")

    def files(self) -> dict[str, tuple[int, int]]:
        found = [path for path in self.paths.ingress.rglob("*") if path.is_file() and path.name != "nginx.pid"]
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_ino) for path in found}


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    made = Node(paths=Paths(root=tmp_path))

    def start() -> None:
        made.done.append("start")
        made.runs(100)

    def refusal(binary: Path, *, prefix: Path, configuration: Path, pid: Path) -> str:
        made.tested += 1
        return made.refuses(configuration.read_text(encoding="utf-8"))

    def run(argv: list[str], **options: object) -> str:
        assert argv[0] == "openssl"
        for name in ("-out", "-keyout"):
            Path(argv[argv.index(name) + 1]).write_text("self-signed", encoding="ascii")
        return ""

    monkeypatch.setattr(nginx, "version", lambda binary: (1, 26, 3))
    monkeypatch.setattr(nginx, "refusal", refusal)
    monkeypatch.setattr(nginx, "start", start)
    monkeypatch.setattr(nginx, "reload", lambda: made.done.append("reload"))
    monkeypatch.setattr(nginx, "stop", lambda: made.done.append("stop"))
    monkeypatch.setattr(nginx, "listeners", lambda ports: made.listeners)
    monkeypatch.setattr(command, "run", run)
    monkeypatch.setattr(tree.Tree, "group", property(lambda self: os.getgid()))
    return made


def web(*, host: str = "a.com", path: str = "/", name: str = "web", **more) -> bundle.CatalogueObject:
    return ingress(name, rule(host, (path, "Prefix", "web")), **more)


def test_without_an_ingress_nothing_runs_and_no_file_is_there(node: Node) -> None:
    outcome = node.apply(SERVICE, deployment("10.66.1.10"))
    assert (outcome.condition.word, outcome.acted, node.done) == ("True", False, [])
    assert not node.paths.ingress.exists()
    node.apply(SERVICE, deployment("10.66.1.10"), web())
    assert node.done == ["start"]
    outcome = node.apply(SERVICE, deployment("10.66.1.10"))
    assert (outcome.acted, node.done) == (True, ["stop"])
    assert not node.paths.ingress.exists()


def test_a_second_pass_writes_nothing_starts_nothing_and_reads_no_catalogue(node: Node, monkeypatch) -> None:
    node.apply(SERVICE, deployment("10.66.1.10"), web())
    before = node.files()
    monkeypatch.setattr(bundle.Bundle, "objects_with", lambda self, text: pytest.fail("the catalogue was read"))
    monkeypatch.setattr(bundle.Bundle, "objects", lambda self: pytest.fail("the catalogue was read"))
    for _ in range(2):
        outcome = node.again() and node.run()
        assert (outcome.condition.word, outcome.acted, node.done, node.tested, node.asked) == ("True", False, [], 0, [])
    assert node.files() == before


def test_nginx_reloads_only_when_bytes_change(node: Node) -> None:
    node.apply(SERVICE, deployment("10.66.1.10"), web())
    unrelated = bundle.CatalogueObject(manifest={**SERVICE.manifest, "metadata": {"name": "x", "namespace": "default"}})
    outcome = node.apply(SERVICE, unrelated, deployment("10.66.1.10"), web())
    assert (node.done, outcome.acted) == ([], False)
    outcome = node.apply(SERVICE, deployment("10.66.1.10", "10.66.2.10"), web())
    assert (node.done, outcome.acted) == (["reload"], True)
    assert "server 10.66.2.10:8080" in node.text


def test_a_reload_that_was_cut_off_is_made_up_for(node: Node, monkeypatch) -> None:
    node.apply(SERVICE, deployment("10.66.1.10"), web())

    def fail() -> None:
        raise nginx.NginxError("power was cut")

    with monkeypatch.context() as patch:
        patch.setattr(nginx, "reload", fail)
        outcome = node.apply(SERVICE, deployment("10.66.1.11"), web())
        assert (outcome.condition.word, outcome.condition.message) == ("False", "power was cut")
    assert node.run().acted
    assert node.done == ["reload"]


def test_nginx_that_was_killed_or_stopped_is_started(node: Node) -> None:
    node.apply(SERVICE, deployment("10.66.1.10"), web())
    node.runs(None)
    node.run()
    assert node.done == ["start"]
    node.paths.proc("100/cgroup").write_text("0::/system.slice/cron.service\n", encoding="ascii")
    node.run()
    assert node.done == ["start"]


def test_a_new_nginx_on_disk_takes_the_place_of_the_one_that_runs(node: Node) -> None:
    node.apply(SERVICE, deployment("10.66.1.10"), web())
    node.paths.below("/usr/sbin/nginx").write_text("a newer one", encoding="ascii")
    node.run()
    assert node.done == ["stop", "start"]
    node.run()
    assert node.done == []


def test_bad_rules_never_stop_the_good_ones(node: Node) -> None:
    node.refuses = lambda text: "it is bad" if '"/bad' in text else ""
    good = [web(name=f"good-{number}", path=f"/good-{number}") for number in range(6)]
    bad = [web(name=f"bad-{number}", path=f"/bad-{number}") for number in range(2)]
    outcome = node.apply(SERVICE, deployment("10.66.1.10"), *good[:3], bad[0], *good[3:], bad[1])
    assert node.done == ["start"]
    assert [event[1:3] for event in outcome.events] == [
        ("Refused", "ingress/default/bad-0"),
        ("Refused", "ingress/default/bad-1"),
    ]
    assert outcome.condition.word == "False"
    assert outcome.condition.reason == "Refused"
    assert [f'"/good-{number}/"' in node.text for number in range(6)] == [True] * 6
    assert "/bad" not in node.text
    assert len(list(node.paths.ingress.glob("tree-*"))) == 1
    outcome = node.run()
    assert (node.tested, node.done, outcome.events) == (0, [], ())
    assert outcome.condition.reason == "Refused"


def test_when_nginx_takes_nothing_at_all_what_was_served_stays(node: Node) -> None:
    node.apply(SERVICE, deployment("10.66.1.10"), web())
    before = node.text
    node.refuses = lambda text: "no such user"
    outcome = node.apply(SERVICE, deployment("10.66.1.11"), web())
    assert (outcome.condition.word, node.done) == ("False", [])
    assert "no such user" in outcome.condition.message
    assert node.text == before


def test_a_port_that_somebody_else_has_is_told_with_his_name(node: Node) -> None:
    node.listeners = [nginx.Listener(port=80, process="apache2", pid=7)]
    outcome = node.apply(SERVICE, deployment("10.66.1.10"), web())
    assert (outcome.condition.word, outcome.condition.reason, node.done) == ("False", "PortTaken", [])
    assert "apache2 (pid 7)" in outcome.condition.message
    assert outcome.due == 1030.0
    node.listeners = []
    assert node.run().condition.word == "True"
    assert (node.done, node.tested) == (["start"], 0)


def test_without_nginx_the_condition_says_so(node: Node) -> None:
    node.paths.below("/usr/sbin/nginx").unlink()
    outcome = node.apply(SERVICE, web())
    assert (outcome.condition.word, outcome.condition.reason) == ("False", "NotInstalled")


def test_pods_of_a_former_version_serve_until_they_are_gone_from_the_names(node: Node) -> None:
    node.names = {GATHERED: ["10.66.1.9", "10.66.2.9"]}
    outcome = node.apply(SERVICE, deployment("10.66.1.10"), web())
    assert outcome.due == 1002.0
    assert "server 10.66.2.9:8080" in node.text
    outcome = node.run()
    assert (node.done, node.asked, outcome.due) == ([], [GATHERED], 1002.0)
    node.names = {GATHERED: None}
    outcome = node.run()
    assert (node.done, outcome.due) == ([], 1002.0)
    node.names = {GATHERED: ["10.66.2.9", "10.66.1.10"]}
    node.run()
    assert node.done == ["reload"]
    assert "10.66.1.9:" not in node.text
    node.names = {GATHERED: ["10.66.1.10"]}
    outcome = node.run()
    assert (node.done, outcome.due) == (["reload"], None)
    assert "10.66.2.9" not in node.text
    node.run()
    assert (node.done, node.asked) == ([], [])


def test_an_old_pod_of_this_node_serves_as_long_as_it_is_to_be_found(node: Node) -> None:
    old = services.Pod(namespace="default", name="web-0", node="node-1", address="10.66.1.9", labels={"app": "web"})
    node.serving = (old,)
    node.apply(SERVICE, deployment("10.66.1.10"), web())
    assert "server 10.66.1.9:8080" in node.text
    node.serving = ()
    node.run()
    assert node.done == ["reload"]
    assert "10.66.1.9:" not in node.text


def test_a_certificate_that_changes_is_served_and_one_that_cannot_be_is_not(node: Node, monkeypatch) -> None:
    tls = [{"hosts": ["a.com"], "secretName": "cert"}]
    outcome = node.apply(SERVICE, deployment("10.66.1.10"), web(tls=tls))
    assert (outcome.condition.word, outcome.condition.reason) == ("True", "CertificatePending")
    assert "tls/self-signed.crt" in node.text.partition("server_name a.com")[2]
    for digest in ("one", "two"):
        chain, key = node.paths.root / f"{digest}.crt", node.paths.root / f"{digest}.key"
        chain.write_text(digest, encoding="ascii")
        key.write_text(digest, encoding="ascii")
        node.pairs = {("default", "cert"): model.Pair(chain=str(chain), key=str(key), digest=digest)}
        monkeypatch.setattr(tree, "unusable", lambda pair: "")
        assert node.run().condition.reason == "Serving"
        assert node.done == ["reload"]
        (served,) = [path for path in (node.paths.ingress / "current/tls").glob("*.key") if path.stem != "self-signed"]
        assert served.read_text(encoding="ascii") == digest
        assert served.stat().st_mode & 0o777 == 0o600
    monkeypatch.undo()
    assert "cannot be used" in tree.unusable(node.pairs["default", "cert"])


def test_a_secret_that_comes_later_opens_what_it_guards(node: Node) -> None:
    guarded = web(annotations={"auth-type": "basic", "auth-secret": "users"})
    outcome = node.apply(SERVICE, deployment("10.66.1.10"), guarded)
    assert outcome.condition.reason == "SecretMissing"
    assert "return 503" in node.text
    assert "proxy_pass" not in node.text
    node.secrets = {("default", "users"): {"auth": b"wilhelm:x\n"}}
    assert node.run().condition.word == "True"
    (users,) = (node.paths.ingress / "current/users").iterdir()
    assert users.read_bytes() == b"wilhelm:x\n"
    assert users.stat().st_mode & 0o777 == 0o640
    assert "proxy_pass" in node.text
    assert "wilhelm" not in (node.paths.ingress / "state.json").read_text(encoding="utf-8")
