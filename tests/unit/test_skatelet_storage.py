"""The disk under skatelet: full, it is said in words, the pods go on, and it heals; unreadable, nothing changes."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from skatelet import durable
from skatelet.contract import bundle
from tests.unit import test_skatelet_node as node_tests

WORDS = "No space left on device"


class Disk:
    """Lets every write below one of `full` fail."""

    def __init__(self) -> None:
        self.full: tuple[Path, ...] = ()
        self._write = durable.write

    def write(self, path: Path, data: bytes, *, mode: int = 0o600, group: int | None = None) -> None:
        if any(path.is_relative_to(top) for top in self.full):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._write(path, data, mode=mode, group=group)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(durable, "write", disk.write)
    return disk


@pytest.fixture
def world(tmp_path: Path, disk: Disk) -> Iterator[node_tests.World]:
    world = node_tests.World(tmp_path)
    yield world
    world.node.close()


def test_a_full_disk_is_said_in_words_and_heals(
    world: node_tests.World, disk: Disk, capsys: pytest.CaptureFixture[str]
) -> None:
    world.drop(node_tests.pod("web"))
    world.settle()
    world.podman.end("web.default-app", code=1)
    disk.full = (world.paths.root,)
    for _ in range(3):
        while (outlook := world.node.once()).busy:
            world.happenings.get(timeout=30)
        assert WORDS in outlook.failed
    assert capsys.readouterr().out.count(f"{world.paths.status} cannot be written: {WORDS}") == 1
    assert world.podman.find("web.default-app")["State"] == "running", "the pods do not wait for the disk"
    disk.full = ()
    found = world.settle()
    assert world.node.once().failed == ""
    assert node_tests.ready(found).status == "True"
    assert found.instances[0].containers[0].restarts == 1


def test_a_bundle_that_cannot_be_stored_is_refused_and_leaves_the_inbox(world: node_tests.World, disk: Disk) -> None:
    world.drop(node_tests.pod("web"))
    world.settle()
    disk.full = (world.paths.bundle.parent,)
    world.drop(node_tests.pod("web"), node_tests.pod("more", address="10.66.1.8"))
    found = world.settle()
    assert [(item.generation, item.reason) for item in found.rejected] == [(2, "StorageFailed")]
    assert WORDS in found.rejected[0].message
    assert (node_tests.ready(found).status, node_tests.ready(found).reason) == ("False", "StorageFailed")
    assert WORDS in node_tests.ready(found).message
    assert found.generation_seen == 1
    assert not list(world.paths.inbox.iterdir())
    disk.full = ()
    assert node_tests.ready(world.settle()).status == "True"
    world.generation -= 1
    world.drop(node_tests.pod("web"), node_tests.pod("more", address="10.66.1.8"))
    found = world.settle()
    assert (found.generation_seen, found.rejected) == (2, [])


def test_a_copy_that_cannot_be_written_keeps_no_pod_waiting(world: node_tests.World, disk: Disk) -> None:
    disk.full = (world.paths.accepted.parent,)
    world.drop(node_tests.pod("web"))
    found = world.settle()
    assert node_tests.ready(found).reason == "StorageFailed"
    assert str(world.paths.accepted) in node_tests.ready(found).message
    assert found.instances[0].phase == "Running"
    disk.full = ()
    assert node_tests.ready(world.settle()).status == "True"
    assert bundle.unpack(world.paths.accepted.read_bytes()).index.generation == 1


def test_half_a_file_does_not_stay_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(durable.os, "fsync", full)
    with pytest.raises(OSError, match=WORDS):
        durable.write(tmp_path / "file", b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_stored_bundle_that_this_version_cannot_read_changes_nothing(world: node_tests.World) -> None:
    world.drop(node_tests.pod("web"))
    world.settle()
    known = bundle.unpack(world.paths.bundle.read_bytes())
    files = known.files | {"instances/default/web.yaml": b"name: web\n"}
    hashes = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
    made = bundle.Bundle(index=known.index.model_copy(update={"files": hashes}), files=files)
    world.paths.bundle.write_bytes(bundle.pack(made))
    world.wake_up()
    found = world.settle()
    assert node_tests.ready(found).reason == "BundleUnreadable"
    assert list(world.podman.stored) == ["web.default"]
