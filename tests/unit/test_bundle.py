"""The bundle's reader trusts nothing, and its writer always writes the same."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import pytest

from skatelet.contract import bundle, canonical

INSTANCE = bundle.Instance(
    name="web-1",
    namespace="default",
    owner=bundle.Owner(kind="Deployment", name="web"),
    address="10.66.1.2",
    hash="0" * 64,
    pod={"metadata": {"name": "web-1"}, "spec": {"containers": [{"name": "a", "image": "b"}]}},
)


def make(**changes: Any) -> bundle.Bundle:
    catalogue = bundle.catalogue_files(
        cluster=bundle.Cluster(name="test", cidr="10.66.0.0/16"),
        nodes=[bundle.Node(name="n1", subnet="10.66.1.0/24")],
        objects=[
            bundle.CatalogueObject(
                manifest={"kind": "Deployment", "metadata": {"name": "web", "namespace": "default"}},
                placements=[bundle.Placement(instance="web-1", node="n1", address="10.66.1.2", hash="0" * 64)],
            ),
            bundle.CatalogueObject(manifest={"kind": "Namespace", "metadata": {"name": "tools"}}),
        ],
    )
    arguments: dict[str, Any] = {
        "catalogue": catalogue,
        "instances": [INSTANCE],
        "cluster": "test",
        "node": "n1",
        "generation": 3,
        "parent": 2,
        "time": "2030-01-01T00:00:00Z",
        "author": "me@here",
        "tool_version": "1",
    }
    return bundle.build(**(arguments | changes))


def repack(data: bytes, change: dict[str, bytes | tarfile.TarInfo | None]) -> bytes:
    """The archive with members replaced (bytes), removed (None) or given as a bare header (TarInfo)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as source, tarfile.open(fileobj=buffer, mode="w") as target:
        for member in source:
            content = source.extractfile(member)
            if member.name not in change and content is not None:
                target.addfile(member, content)
        for name, new in change.items():
            if isinstance(new, bytes):
                member = tarfile.TarInfo(name)
                member.size = len(new)
                target.addfile(member, io.BytesIO(new))
            elif new is not None:
                target.addfile(new)
    return buffer.getvalue()


def index_of(data: bytes) -> dict[str, Any]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        content = archive.extractfile(bundle.INDEX)
        assert content is not None
        result: dict[str, Any] = json.load(content)
        return result


def refusal(data: bytes) -> bundle.BundleError:
    with pytest.raises(bundle.BundleError) as caught:
        bundle.unpack(data)
    return caught.value


def test_what_is_packed_is_unpacked_the_same() -> None:
    made = make()
    read = bundle.unpack(bundle.pack(made))
    assert read == made
    assert read.instances() == [INSTANCE]
    assert [node.name for node in read.nodes()] == ["n1"]
    assert read.objects()[0].placements[0].instance == "web-1"


def test_a_cluster_wide_object_has_a_path_too() -> None:
    assert "catalogue/objects/namespace/-/tools.yaml" in bundle.unpack(bundle.pack(make())).files


def test_a_name_that_no_reader_takes_is_never_written() -> None:
    with pytest.raises(ValueError, match="no path of a bundle"):
        make(instances=[INSTANCE.model_copy(update={"name": "../web"})])


def test_equal_bundles_are_equal_bytes() -> None:
    assert bundle.pack(make()) == bundle.pack(make())


def test_a_bundle_cut_short_anywhere_is_refused() -> None:
    data = bundle.pack(make())
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        end = max(member.offset_data + member.size for member in archive)
    for length in range(0, end, 97):
        assert refusal(data[:length]).reason in {"Truncated", "Altered", "Malformed"}


def test_a_bundle_with_any_byte_of_a_file_changed_is_refused() -> None:
    data = bytearray(bundle.pack(make()))
    with tarfile.open(fileobj=io.BytesIO(bytes(data))) as archive:
        members = [(m.offset_data, m.size) for m in archive if m.name != bundle.INDEX]
    for offset, size in members:
        for place in (offset, offset + size // 2, offset + size - 1):
            changed = bytearray(data)
            changed[place] ^= 1
            assert refusal(bytes(changed)).reason == "Altered"


def test_a_newer_format_is_refused_with_words_that_say_what_to_upgrade() -> None:
    data = bundle.pack(make())
    index = index_of(data) | {"formatVersion": bundle.FORMAT + 1}
    error = refusal(repack(data, {bundle.INDEX: json.dumps(index).encode()}))
    assert error.reason == "NewerFormat"
    assert "upgrade skatelet" in str(error)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_anything_but_a_regular_file_is_refused(kind: bytes) -> None:
    member = tarfile.TarInfo("instances/default/evil.yaml")
    member.type = kind
    member.linkname = "/etc/shadow"
    assert refusal(repack(bundle.pack(make()), {member.name: member})).reason == "Malformed"


@pytest.mark.parametrize(
    "path",
    [
        "../etc/passwd",
        "/etc/passwd",
        "instances/../../x.yaml",
        "instances/default/x",
        "instances/a/b/c.yaml",
        "instances/a/b.yaml\n",
        "x" * 5000,
    ],
)
def test_a_path_outside_the_layout_is_refused(path: str) -> None:
    assert refusal(repack(bundle.pack(make()), {path: b"x"})).reason == "Malformed"


def test_a_file_that_the_index_does_not_know_is_refused() -> None:
    assert refusal(repack(bundle.pack(make()), {"instances/default/more.yaml": b"a: 1"})).reason == "Altered"


def test_a_file_that_the_index_knows_must_be_there() -> None:
    assert refusal(repack(bundle.pack(make()), {"instances/default/web-1.yaml": None})).reason == "Truncated"


def test_an_object_that_is_no_yaml_is_refused_though_its_hash_is_right() -> None:
    made = make()
    broken = dict(made.files) | {"instances/default/web-1.yaml": b"a: ["}
    rebuilt = bundle.build(
        catalogue=broken,
        instances=[],
        cluster="test",
        node="n1",
        generation=1,
        parent=0,
        time="",
        author="",
        tool_version="",
    )
    assert refusal(bundle.pack(rebuilt)).reason == "Malformed"


def test_too_large_is_refused() -> None:
    assert refusal(b"\0" * (bundle.MAX_BYTES + 1)).reason == "TooLarge"


def test_unknown_fields_of_the_same_format_are_read_over() -> None:
    data = bundle.pack(make())
    index = index_of(data) | {"somethingNew": 1}
    assert bundle.unpack(repack(data, {bundle.INDEX: json.dumps(index).encode()})).index.generation == 3


def test_the_catalogue_is_the_same_files_whatever_the_order() -> None:
    nodes = [bundle.Node(name=name, subnet=f"10.66.{number}.0/24") for number, name in enumerate("abc", 1)]
    cluster = bundle.Cluster(name="t", cidr="10.66.0.0/16")
    one = bundle.catalogue_files(cluster=cluster, nodes=nodes, objects=[])
    other = bundle.catalogue_files(cluster=cluster, nodes=nodes[::-1], objects=[])
    assert one == other
    assert canonical.load(one["catalogue/cluster.yaml"])["name"] == "t"


def test_a_known_bundle_is_read_when_asked_and_its_hashes_are_checked_all_the_same() -> None:
    data = bundle.pack(make())
    path = "catalogue/objects/namespace/-/tools.yaml"
    with pytest.raises(bundle.BundleError, match="does not have the sha256"):
        bundle.unpack_known(repack(data, {path: b"manifest: {}\n"}))
    unreadable = bundle.pack(bundle.build(**_arguments(make(), {path: b"[]\n"})))
    known = bundle.unpack_known(unreadable)
    assert known.instances() == [INSTANCE]
    with pytest.raises(bundle.UNREADABLE):
        known.objects()
    assert refusal(unreadable).reason == "Malformed"


def _arguments(source: bundle.Bundle, changed: dict[str, bytes]) -> dict[str, Any]:
    catalogue = {path: data for path, data in source.files.items() if path.startswith("catalogue/")}
    fields = ("cluster", "node", "generation", "parent", "time", "author", "tool_version")
    rest = {name: getattr(source.index, name) for name in fields}
    return {**rest, "catalogue": catalogue | changed, "instances": source.instances()}


@pytest.mark.parametrize("read", [False, True])
def test_objects_are_found_by_a_text_in_them(read: bool) -> None:
    made = make()
    if read:
        assert len(made.objects()) == 2
    assert [item.manifest["metadata"]["name"] for item in made.objects_with(b"tools")] == ["tools"]
    assert made.objects_with(b"Recreate") == []
