"""The reconciler of names on a node of files: CoreDNS itself is a stand-in that says what a case wants."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from skatelet import reconciler, services
from skatelet.contract import bundle
from skatelet.dns import health, reconcile, resolved, unit
from skatelet.paths import Paths
from skatelet.system import command

IDENTITY = bundle.NodeIdentity(cluster="c", node="node-1", subnet="10.66.1.0/24", peer_host="127.0.0.1")
POD = services.Pod(namespace="shop", name="web-1", node="node-1", address="10.66.1.10", labels={"app": "web"}, ports=())
LIVE = health.State(state="live")


@dataclasses.dataclass
class CoreDns:
    """What was done to it, and what it says."""

    paths: Paths
    done: list[str] = dataclasses.field(default_factory=list)
    report: health.Report = dataclasses.field(
        default_factory=lambda: health.Report(nodes={"node-1": LIVE, "node-2": LIVE})
    )
    refusal: str = ""
    words: str = ""
    starts: bool = True
    looks: int = 0

    @property
    def cgroup(self) -> Path:
        return self.paths.below("/sys/fs/cgroup/system.slice/skatelet-coredns.service/cgroup.procs")

    def start(self) -> None:
        self.done.append("start")
        if not self.starts:
            raise command.CommandError(["systemctl"], 1, "", "Unit is masked.")
        self.cgroup.parent.mkdir(parents=True, exist_ok=True)
        self.cgroup.write_text("77\n")

    def reload(self) -> None:
        self.done.append("reload")

    def look(self, server: str) -> health.Report:
        assert server == "10.66.1.1"
        self.looks += 1
        return self.report


@pytest.fixture
def coredns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CoreDns:
    found = CoreDns(paths=Paths(root=tmp_path))
    monkeypatch.setattr(unit, "start", found.start)
    monkeypatch.setattr(unit, "reload", found.reload)
    monkeypatch.setattr(unit, "refusal", lambda: found.refusal)
    monkeypatch.setattr(unit, "last_words", lambda: found.words)
    monkeypatch.setattr(health, "look", found.look)
    installed = tmp_path / "usr/lib/systemd/system/skatelet-coredns.service"
    installed.parent.mkdir(parents=True)
    installed.write_text("")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/resolv.conf").write_text("nameserver 192.0.2.1\n")
    return found


def world(now: float, *serving: services.Pod, peer: str = "10.0.0.2", version: str = "1") -> reconciler.World:
    nodes = [
        bundle.Node(name="node-1", host="127.0.0.1", subnet="10.66.1.0/24"),
        bundle.Node(name="node-2", host=peer, subnet="10.66.2.0/24"),
    ]
    files = bundle.catalogue_files(cluster=bundle.Cluster(name="c", cidr="10.66.0.0/16"), nodes=nodes, objects=[])
    followed = bundle.build(
        catalogue=files,
        instances=[],
        cluster="c",
        node="node-1",
        generation=1,
        parent=0,
        time="",
        author="",
        tool_version="",
    )
    return reconciler.World(identity=IDENTITY, followed=followed, version=version, serving=serving, now=now, notes={})


def names(coredns: CoreDns) -> reconcile.Names:
    return reconcile.Names(coredns.paths, wake=lambda: None)


def said(outcome: reconciler.Outcome) -> tuple[str, str]:
    return outcome.condition.word, outcome.condition.reason


def zone_file(coredns: CoreDns) -> str:
    return (coredns.paths.names / "zone").read_text()


def test_at_first_both_files_are_written_and_coredns_is_started(coredns: CoreDns) -> None:
    outcome = names(coredns).reconcile(world(1000, POD))
    assert coredns.done == ["start"]
    assert said(outcome) == ("True", "Serving")
    assert outcome.acted
    assert "web.shop A 10.66.1.10\n" in zone_file(coredns)
    assert "own node-1 /run/skatelet-coredns/zone\n" in (coredns.paths.names / "Corefile").read_text()
    assert (coredns.paths.names / "zone").stat().st_mode & 0o777 == 0o644


def test_a_pass_with_nothing_new_writes_nothing_and_asks_nobody(coredns: CoreDns) -> None:
    reconciled = names(coredns)
    reconciled.reconcile(world(1000, POD))
    before = [(path.name, path.stat().st_ino) for path in sorted(coredns.paths.names.iterdir())]
    looks = coredns.looks
    assert said(reconciled.reconcile(world(1010, POD))) == ("True", "Serving")
    assert [(path.name, path.stat().st_ino) for path in sorted(coredns.paths.names.iterdir())] == before
    assert (coredns.done, coredns.looks) == (["start"], looks)


def test_a_pods_death_writes_the_zone_and_starts_nothing(coredns: CoreDns) -> None:
    reconciled = names(coredns)
    reconciled.reconcile(world(1000, POD))
    corefile = (coredns.paths.names / "Corefile").stat().st_ino
    outcome = reconciled.reconcile(world(1001))
    assert coredns.done == ["start"]
    assert "10.66.1.10" not in zone_file(coredns)
    assert " 1001 1 1 5 1\n" in zone_file(coredns)
    assert (coredns.paths.names / "Corefile").stat().st_ino == corefile
    assert not outcome.acted


def test_another_peer_or_nameserver_reloads(coredns: CoreDns) -> None:
    reconciled = names(coredns)
    reconciled.reconcile(world(1000))
    reconciled.reconcile(world(1010, peer="10.0.0.3", version="2"))
    coredns.paths.below("/etc/resolv.conf").write_text("nameserver 192.0.2.2\n")
    reconciled.reconcile(world(1020, peer="10.0.0.3", version="2"))
    assert coredns.done == ["start", "reload", "reload"]
    text = (coredns.paths.names / "Corefile").read_text()
    assert "node node-2 10.0.0.3\n" in text
    assert "forward . 192.0.2.2 {\n" in text


def test_a_refused_configuration_is_said(coredns: CoreDns) -> None:
    reconciled = names(coredns)
    notes: dict[str, str] = {}
    reconciled.reconcile(dataclasses.replace(world(1000), notes=notes))
    coredns.refusal = "[ERROR] SIGUSR1: no"
    again = dataclasses.replace(world(1010, peer="10.0.0.3", version="2"), notes=notes)
    reconciled.reconcile(again)
    outcome = reconciled.reconcile(dataclasses.replace(again, now=1012))
    assert said(outcome) == ("False", "ConfigRefused")
    assert outcome.condition.message.endswith("[ERROR] SIGUSR1: no")
    coredns.refusal = ""
    assert said(reconciled.reconcile(dataclasses.replace(again, now=1014))) == ("True", "Serving")
    assert notes == {}


def test_without_the_package_nothing_is_done_and_it_is_said_what_to_install(coredns: CoreDns) -> None:
    coredns.paths.below("/usr/lib/systemd/system/skatelet-coredns.service").unlink()
    outcome = names(coredns).reconcile(world(1000, POD))
    assert said(outcome) == ("False", "NotInstalled")
    assert "skatelet-coredns" in outcome.condition.message
    assert not coredns.paths.names.exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("listen udp 10.66.1.1:53: bind: address already in use", "PortTaken"),
        ("listen tcp 10.66.1.1:53: bind: cannot assign requested address", "AddressMissing"),
        ("", "NotAnswering"),
    ],
)
def test_a_coredns_that_does_not_answer_says_why(coredns: CoreDns, words: str, reason: str) -> None:
    reconciled = names(coredns)
    coredns.report, coredns.words = health.Report(silence="no answer within 0.1 s"), words
    first = reconciled.reconcile(world(1000))
    assert said(first) == ("Unknown", "Starting")
    assert first.due == 1001
    outcome = reconciled.reconcile(world(1004))
    assert said(outcome) == ("False", reason)
    assert (words or "no answer within") in outcome.condition.message
    assert coredns.done == ["start"]


def test_a_unit_that_cannot_be_started_is_said_and_tried_again_later(coredns: CoreDns) -> None:
    reconciled = names(coredns)
    coredns.report, coredns.starts = health.Report(silence="Connection refused"), False
    reconciled.reconcile(world(1000))
    outcome = reconciled.reconcile(world(1005))
    assert said(outcome) == ("False", "NotRunning")
    assert "Unit is masked." in outcome.condition.message
    reconciled.reconcile(world(1031))
    assert coredns.done == ["start", "start"]


def test_a_coredns_that_was_stopped_by_hand_is_started_again(coredns: CoreDns) -> None:
    names(coredns).reconcile(world(1000))
    coredns.cgroup.unlink()
    names(coredns).reconcile(world(1100))
    assert coredns.done == ["start", "start"]


def test_peers_that_are_missing_are_named_while_this_node_serves(coredns: CoreDns) -> None:
    coredns.report = health.Report(nodes={"node-1": LIVE, "node-2": health.State(state="expired")})
    outcome = names(coredns).reconcile(world(1000))
    assert said(outcome) == ("True", "PeersMissing")
    assert "node-2" in outcome.condition.message


def test_a_peer_registered_by_a_name_has_the_address_that_the_routes_found(coredns: CoreDns) -> None:
    reconciled = names(coredns)
    outcome = reconciled.reconcile(world(1000, peer="two.example.org"))
    assert said(outcome) == ("True", "PeersMissing")
    found = dataclasses.replace(
        world(1001, peer="two.example.org"), notes={"routes/address/two.example.org": "10.0.0.7"}
    )
    reconciled.reconcile(found)
    assert "node node-2 10.0.0.7\n" in (coredns.paths.names / "Corefile").read_text()


def test_after_a_boot_the_hosts_nameservers_are_waited_for(coredns: CoreDns) -> None:
    coredns.paths.below("/etc/resolv.conf").unlink()
    reconciled = names(coredns)
    reconciled.reconcile(world(1000))
    os.utime(coredns.paths.names / "Corefile", (1000, 1000))
    assert reconciled.reconcile(world(1010)).due == 1010 + reconcile.BOOTING_LOOK_SECONDS
    assert reconciled.reconcile(world(2000)).due is None
    coredns.paths.below("/etc/resolv.conf").write_text("nameserver 192.0.2.1\n")
    reconciled.reconcile(world(2001))
    assert "forward . 192.0.2.1 {\n" in (coredns.paths.names / "Corefile").read_text()


def test_the_own_zone_refused_is_no_good_state(coredns: CoreDns) -> None:
    coredns.report = health.Report(nodes={"node-1": health.State(state="live", error="bad line")})
    outcome = names(coredns).reconcile(world(1000))
    assert said(outcome) == ("False", "ZoneRefused")
    assert "bad line" in outcome.condition.message


def test_the_hosts_resolver_is_told_once_where_it_is_resolved(
    coredns: CoreDns, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _Commands(coredns.paths)
    monkeypatch.setattr(resolved.command, "run", run)
    coredns.paths.below("/etc/resolv.conf").write_text("nameserver 127.0.0.53\n")
    reconciled = names(coredns)
    reconciled.reconcile(world(1000))
    assert ["resolvectl", "default-route", "skate-dns", "no"] in run.argvs
    assert ["resolvectl", "dns", "skate-dns", "127.0.0.83"] in run.argvs
    domains = next(argv for argv in run.argvs if argv[1] == "domain")
    assert all(name.startswith("~") for name in domains[3:])
    before = len(run.argvs)
    reconciled.reconcile(world(1010))
    assert len(run.argvs) == before
    coredns.paths.below("/run/systemd/resolve/netif/9").unlink()
    reconciled.reconcile(world(1020))
    assert len(run.argvs) > before


def test_a_host_whose_resolver_cannot_be_told_still_serves_pods(
    coredns: CoreDns, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(argv: list[str], **_: float) -> str:
        raise command.CommandError(argv, 2, "", "Operation not supported")

    monkeypatch.setattr(resolved.command, "run", fails)
    coredns.paths.below("/etc/resolv.conf").write_text("nameserver 127.0.0.53\n")
    outcome = names(coredns).reconcile(world(1000))
    assert said(outcome) == ("True", "Serving")
    assert "Operation not supported" in outcome.condition.message


class _Commands:
    """`ip` and `resolvectl`, as far as files of theirs are looked at."""

    def __init__(self, paths: Paths) -> None:
        self.argvs: list[list[str]] = []
        self._paths = paths
        self._make: Callable[[str, str], None] = self._write

    def __call__(self, argv: list[str], **_: float) -> str:
        self.argvs.append(argv)
        if argv[:3] == ["ip", "link", "add"]:
            self._make("/sys/class/net/skate-dns/ifindex", "9\n")
        if argv[0] == "resolvectl":
            self._make("/run/systemd/resolve/netif/9", "private")
        return ""

    def _write(self, name: str, text: str) -> None:
        path = self._paths.below(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
