"""Hostile and broken bundles in the inbox of a real node: refused with the reason, and the last good one stays."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Iterator

import pytest

from skatelet.contract import bundle, drop
from tests.fleet import support

pytestmark = pytest.mark.fleet


class Target:
    """One node that follows a good bundle, and that bundle."""

    def __init__(self, cluster: support.Cluster) -> None:
        self.cluster = cluster
        self.node = cluster.nodes()[0]
        self.good = bundle.unpack(self.read(f"{drop.ROOT}/{drop.ACCEPTED}"))
        self.containers = support.container_ids(self.node)

    def read(self, path: str) -> bytes:
        text = self.node.run(["base64", "-w0", path]).stdout
        return base64.b64decode(text)

    def status(self) -> dict:
        return json.loads(self.node.run(["cat", f"{drop.ROOT}/{drop.STATUS}"]).stdout)

    def put(self, name: str, data: bytes) -> None:
        """Drop `data` as the drop account does: written aside, then renamed."""
        aside = f"{drop.ROOT}/{drop.UPLOAD}/{name}"
        self.node.run(["tee", aside], input=data)
        self.node.run(["chown", "skate:skate", aside])
        self.node.run(["mv", "-T", aside, f"{drop.ROOT}/{drop.INBOX}/{name}"])

    def next(self, **changes: object) -> bundle.Bundle:
        """The good bundle again, as the next generation."""
        index = self.good.index
        values = index.model_copy(update={"generation": index.generation + 1, "parent": index.generation} | changes)
        return bundle.Bundle(index=values, files=self.good.files)

    def refused(self, reason: str) -> str:
        """Wait until the status has a rejection for `reason`; its message. The good bundle must still be followed."""

        def found() -> str | None:
            for rejection in self.status().get("rejected", ()):
                if rejection["reason"] == reason:
                    return str(rejection["message"])
            return None

        message = support.eventually(found, f"refused as {reason}", saw=lambda: str(self.status().get("rejected")))
        self.emptied()
        assert self.status()["generationSeen"] == self.good.index.generation
        assert support.container_ids(self.node) == self.containers
        return str(message)

    def emptied(self) -> None:
        listing = ["ls", "-A", f"{drop.ROOT}/{drop.INBOX}"]
        support.eventually(
            lambda: not self.node.run(listing).stdout, "the inbox is empty", saw=lambda: self.node.run(listing).stdout
        )


@pytest.fixture(scope="module")
def deployed(session_cluster: support.Cluster) -> Iterator[support.Cluster]:
    """Something that runs, for every test here: what is refused changes nothing."""
    done = session_cluster.apply(support.web(replicas=3))
    assert done.returncode == 0, done.stderr
    yield session_cluster
    support.clear(session_cluster)


@pytest.fixture
def target(deployed: support.Cluster) -> Target:
    return Target(deployed)


def name(target: Target, ahead: int = 1) -> str:
    return f"{target.good.index.generation + ahead}.bundle"


def test_a_truncated_bundle_is_refused(target: Target) -> None:
    data = bundle.pack(target.next())
    target.put(name(target), data[: len(data) // 2])
    assert target.refused("Truncated")
    assert "Truncated" in target.cluster.ok("describe", "node", target.node.name)


def test_an_altered_bundle_is_refused(target: Target) -> None:
    buffer = io.BytesIO()
    good = io.BytesIO(bundle.pack(target.next()))
    with tarfile.open(fileobj=good) as source, tarfile.open(fileobj=buffer, mode="w") as altered:
        for member in source:
            content = source.extractfile(member)
            assert content is not None
            altered.addfile(member, io.BytesIO(content.read().replace(b"echo one", b"echo own")))
    target.put(name(target), buffer.getvalue())
    assert "sha256" in target.refused("Altered")


def test_a_newer_format_is_refused_with_words_that_say_what_to_upgrade(target: Target) -> None:
    target.put(name(target), bundle.pack(target.next(format_version=bundle.FORMAT + 1)))
    assert "upgrade skatelet" in target.refused("NewerFormat")


def test_an_older_generation_is_refused(target: Target) -> None:
    old = target.good.index.generation - 1
    target.put(f"{old}.bundle", bundle.pack(target.next(generation=old, parent=0)))
    assert str(target.good.index.generation) in target.refused("OlderGeneration")


def test_a_bundle_that_has_not_seen_the_last_generation_is_refused(target: Target) -> None:
    old = target.good.index.generation - 1
    target.put(name(target), bundle.pack(target.next(parent=old)))
    target.refused("Conflict")


def test_a_bundle_for_another_node_is_refused(target: Target) -> None:
    target.put(name(target), bundle.pack(target.next(node="node-9")))
    target.refused("WrongNode")


def test_links_devices_and_directories_are_taken_away_and_followed_by_nobody(target: Target) -> None:
    inbox = f"{drop.ROOT}/{drop.INBOX}"
    shadow = target.node.run(["sha256sum", "/etc/shadow"]).stdout
    target.node.run(["ln", "-s", "/etc/shadow", f"{inbox}/{name(target)}"])
    target.node.run(["mkfifo", f"{inbox}/{name(target, 2)}"])
    target.node.run(["mkdir", "-p", f"{inbox}/{name(target, 3)}/deep/er"])
    target.node.run(["ln", "-s", "/etc", f"{inbox}/{name(target, 3)}/deep/link"])
    target.node.run(["tee", f"{inbox}/strange name"], input="x")
    target.emptied()
    assert target.node.run(["sha256sum", "/etc/shadow"]).stdout == shadow
    assert target.node.run(["test", "-d", "/etc/systemd"]).returncode == 0
    assert target.status()["generationSeen"] == target.good.index.generation
    reasons = {rejection["reason"] for rejection in target.status()["rejected"]}
    assert reasons >= {"NotABundle"}
    assert target.node.run(["systemctl", "is-active", "skatelet.path"]).stdout.strip() == "active"


def test_after_all_that_the_next_good_bundle_is_followed(target: Target) -> None:
    target.put(name(target), b"no archive at all")
    target.refused("Truncated")
    assert target.cluster.apply(support.web(replicas=6)).returncode == 0
    target.cluster.running("app=web", 6)
