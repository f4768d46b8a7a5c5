"""The inbox is hostile: whatever lies there is consumed, and nothing but a good bundle is followed."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from skatelet import intake
from skatelet.contract import bundle
from skatelet.paths import Paths

IDENTITY = bundle.NodeIdentity(cluster="c", node="n", subnet="10.66.1.0/24")


def packed(generation: int, *, parent: int | None = None, node: str = "n", address: str = "10.66.1.7") -> bytes:
    pod = {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "app", "image": "x:1"}]}}
    instance = bundle.Instance(
        name="web",
        namespace="default",
        owner=bundle.Owner(kind="Pod", name="web"),
        address=address,
        hash=f"{generation}",
        pod=pod,
    )
    catalogue = bundle.catalogue_files(cluster=bundle.Cluster(name="c", cidr="10.66.0.0/16"), nodes=[], objects=[])
    made = bundle.build(
        catalogue=catalogue,
        instances=[instance],
        cluster="c",
        node=node,
        generation=generation,
        parent=generation - 1 if parent is None else parent,
        time="2026-01-01T00:00:00Z",
        author="ann@desk",
        tool_version="1",
    )
    return bundle.pack(made)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(root=tmp_path)
    for directory in (paths.inbox, paths.upload, paths.claims):
        directory.mkdir(parents=True)
    return paths


def drop(paths: Paths, generation: int, data: bytes) -> None:
    (paths.inbox / f"{generation}.bundle").write_bytes(data)


def take(paths: Paths, own: bytes = b"") -> intake.Taken:
    taken = intake.take(paths, identity=IDENTITY, own=bundle.unpack(own) if own else None, own_data=own)
    assert intake.clear(paths, taken.consumed) == []
    assert not intake.waiting(paths), "something was left in the inbox"
    return taken


def refused(paths: Paths, own: bytes = b"") -> list[str]:
    taken = take(paths, own)
    assert taken.bundle is None
    assert not paths.bundle.exists()
    return [item.reason for item in taken.refusals]


def altered(data: bytes, name: str, content: bytes) -> bytes:
    """`data` with the file `name` replaced, the index left as it was."""
    target = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(data)) as source,
        tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for member in source:
            body = source.extractfile(member)
            text = content if member.name == name else body.read() if body else b""
            info = tarfile.TarInfo(member.name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    return target.getvalue()


def test_a_good_bundle_is_stored_and_consumed(paths: Paths) -> None:
    drop(paths, 1, packed(1))
    taken = take(paths)
    assert taken.refusals == []
    assert paths.bundle.read_bytes() == taken.data == packed(1)


def test_several_bundles_are_followed_in_order(paths: Paths) -> None:
    for generation in (10, 9, 2):
        drop(paths, generation, packed(generation))
    taken = take(paths, own=packed(1))
    assert taken.bundle is not None
    assert taken.bundle.index.generation == 10
    assert taken.refusals == []


@pytest.mark.parametrize("length", [0, 1, 511, 512, 1024, 3000])
def test_a_bundle_cut_short_is_never_applied(paths: Paths, length: int) -> None:
    drop(paths, 1, packed(1)[:length])
    assert refused(paths) == ["Truncated"]


def test_an_altered_bundle_is_refused(paths: Paths) -> None:
    drop(paths, 1, altered(packed(1), "instances/default/web.yaml", b"name: evil\n"))
    assert refused(paths) == ["Altered"]


def test_a_newer_format_is_refused_with_what_to_upgrade(paths: Paths) -> None:
    data = packed(1)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        handle = archive.extractfile("bundle.json")
        assert handle is not None
        index = json.load(handle)
    index["formatVersion"] = 99
    drop(paths, 1, altered(data, "bundle.json", json.dumps(index).encode()))
    taken = take(paths)
    assert [item.reason for item in taken.refusals] == ["NewerFormat"]
    assert "upgrade skatelet" in taken.refusals[0].message


def test_an_older_generation_is_refused(paths: Paths) -> None:
    drop(paths, 3, packed(3))
    assert refused(paths, own=packed(5)) == ["OlderGeneration"]


def test_the_bundle_that_is_followed_already_is_consumed_without_a_word(paths: Paths) -> None:
    drop(paths, 5, packed(5))
    assert refused(paths, own=packed(5)) == []


def test_a_bundle_made_without_knowing_the_last_one_is_a_conflict(paths: Paths) -> None:
    drop(paths, 8, packed(8, parent=6))
    taken = take(paths, own=packed(7))
    assert [item.reason for item in taken.refusals] == ["Conflict"]
    assert "generation 7 was published in between by ann@desk; apply again" in taken.refusals[0].message


def test_a_bundle_that_skips_generations_is_followed(paths: Paths) -> None:
    drop(paths, 9, packed(9))
    assert take(paths, own=packed(5)).bundle is not None


def test_another_nodes_bundle_is_refused(paths: Paths) -> None:
    drop(paths, 1, packed(1, node="other"))
    assert refused(paths) == ["WrongNode"]


def test_a_file_name_that_lies_about_the_generation_is_refused(paths: Paths) -> None:
    drop(paths, 4, packed(3))
    assert refused(paths) == ["Malformed"]


@pytest.mark.parametrize("address", ["10.66.2.7", "nonsense", "::1"])
def test_an_address_outside_the_subnet_is_refused(paths: Paths, address: str) -> None:
    drop(paths, 1, packed(1, address=address))
    assert refused(paths) == ["WrongAddress"]


def test_a_node_that_does_not_know_itself_follows_nothing(paths: Paths) -> None:
    drop(paths, 1, packed(1))
    taken = intake.take(paths, identity=None, own=None, own_data=b"")
    assert [item.reason for item in taken.refusals] == ["NoIdentity"]
    assert taken.bundle is None


def test_a_link_is_not_followed_and_its_target_stays(paths: Paths) -> None:
    target = paths.root / "secret"
    target.write_bytes(packed(1))
    (paths.inbox / "1.bundle").symlink_to(target)
    (paths.inbox / "2.bundle").symlink_to("/dev/zero")
    assert refused(paths) == ["NotABundle", "NotABundle"]
    assert target.exists()


def test_a_pipe_does_not_block(paths: Paths) -> None:
    os.mkfifo(paths.inbox / "1.bundle")
    assert refused(paths) == ["NotABundle"]


def test_a_file_too_large_is_not_read(paths: Paths) -> None:
    with (paths.inbox / "1.bundle").open("wb") as stream:
        stream.truncate(bundle.MAX_BYTES + 1)
    assert refused(paths) == ["TooLarge"]


def test_foreign_names_are_consumed(paths: Paths) -> None:
    for name in ("x", "0.bundle", "-1.bundle", ".hidden", "1.bundle.tmp", "ü\n.bundle"):
        (paths.inbox / name).write_bytes(packed(1))
    assert set(refused(paths)) == {"NotABundle"}


def test_a_hostile_tree_is_cleared_without_touching_what_it_links_to(paths: Paths) -> None:
    outside = paths.root / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    tree = paths.inbox / "1.bundle"
    tree.mkdir()
    (tree / "link").symlink_to(outside)
    (tree / "file").write_text("x")
    (tree / "closed").mkdir(mode=0o000)
    assert refused(paths) == ["NotABundle"]
    assert (outside / "kept").read_text() == "kept"


def test_a_very_deep_tree_is_cleared(paths: Paths) -> None:
    handle = os.open(paths.inbox, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=handle)
        deeper = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=handle)
        os.close(handle)
        handle = deeper
    os.close(handle)
    try:
        assert refused(paths) == ["NotABundle"]
    finally:
        # pytest itself cannot remove such a tree, if we could not.
        subprocess.run(["rm", "-rf", str(paths.inbox)], check=True)


def test_what_cannot_be_removed_is_told(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    drop(paths, 1, packed(1))

    def refuse(directory: int, name: str) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(intake, "_clear", refuse)
    assert intake.clear(paths, ["1.bundle"]) == ["'1.bundle': Operation not permitted"]


def test_claims_that_are_settled_and_stale_uploads_are_removed(paths: Paths) -> None:
    for name in ("3", "4", "5", "x", "04"):
        (paths.claims / name).write_text("")
    old, new = paths.upload / "old", paths.upload / "new"
    for path in (old, new):
        path.mkdir()
        (path / "part").write_text("x")
    os.utime(old, (1, 1))
    intake.prune(paths, generation=4)
    assert sorted(path.name for path in paths.claims.iterdir()) == ["04", "5", "x"]
    assert [path.name for path in paths.upload.iterdir()] == ["new"]


def test_refusals_tell_bundles_apart_by_their_bytes(paths: Paths) -> None:
    drop(paths, 3, packed(3))
    first = take(paths, own=packed(5)).refusals[0]
    drop(paths, 3, packed(3))
    second = take(paths, own=packed(5)).refusals[0]
    assert first == second
    assert first == dataclasses.replace(first, generation=3, reason="OlderGeneration")
    assert len(first.sha256) == 64
