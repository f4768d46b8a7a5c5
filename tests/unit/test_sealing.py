"""Secrets are sealed before they enter the catalogue, and stay as they are while nothing changes."""

from __future__ import annotations

import base64
import dataclasses
import random
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skate import catalogue, registry, sealing
from skate.errors import ConfigError, NodeError, SkateError
from skate.nodesetup import cluster as clusters
from skate.nodesetup import facts, package, plan, sealkey
from skatelet.contract import bundle, sealed

PAIR = sealing.pair_of(bytes(range(32)))
OTHER = sealing.pair_of(bytes(range(1, 33)))
CLUSTER = bundle.Cluster(name="home", cidr="10.66.0.0/16", seal_key=base64.b64encode(PAIR.public).decode())
PASSWORD = "correct horse battery staple"
DATA = st.dictionaries(st.from_regex(r"[-._a-zA-Z0-9]{1,20}", fullmatch=True), st.binary(max_size=200), max_size=5)


def manifest(**fields):
    metadata = {"name": "db", "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", **fields}


def seal(content, *, pair=PAIR, before=None):
    return sealing.Sealer(pair).seal(content, before=before, cluster=CLUSTER)


@given(data=DATA)
def test_what_was_sealed_comes_out_again(data):
    encoded = {name: base64.b64encode(value).decode() for name, value in data.items()}
    found = seal(manifest(data=encoded))
    assert sealing.unseal(found, PAIR, CLUSTER) == data
    assert found["sealed"]["keys"] == sorted(data)


@given(data=DATA, seed=st.integers())
def test_an_unchanged_secret_keeps_its_box_whatever_the_order_and_whoever_applies_it(data, seed):
    pairs = [(name, base64.b64encode(value).decode()) for name, value in data.items()]
    before = seal(manifest(data=dict(pairs)))
    random.Random(seed).shuffle(pairs)
    assert seal(manifest(data=dict(pairs)), before=before) == before


def test_a_changed_secret_gets_another_box():
    before = seal(manifest(stringData={"password": PASSWORD}))
    after = seal(manifest(stringData={"password": PASSWORD + "!"}), before=before)
    assert after["sealed"]["fingerprint"] != before["sealed"]["fingerprint"]
    assert sealing.unseal(after, PAIR, CLUSTER) == {"password": (PASSWORD + "!").encode()}


def test_a_change_made_anew_after_a_conflict_seals_the_same_box():
    sealer = sealing.Sealer(PAIR)
    content = manifest(stringData={"password": PASSWORD})
    first = sealer.seal(content, before=None, cluster=CLUSTER)
    assert sealer.seal(content, before=None, cluster=CLUSTER) == first


def test_string_data_wins_over_data():
    found = seal(manifest(data={"a": "AAAA", "b": base64.b64encode(b"1").decode()}, stringData={"a": "text"}))
    assert sealing.unseal(found, PAIR, CLUSTER) == {"a": b"text", "b": b"1"}


def test_no_byte_of_the_catalogue_holds_a_value():
    content = seal(manifest(stringData={"password": PASSWORD}))
    item = bundle.CatalogueObject(manifest=content)
    current = catalogue.Catalogue(cluster=CLUSTER, nodes={}, objects={("Secret", "shop", "db"): item})
    everything = b"\n".join(current.files().values())
    assert b"password" in everything
    forms = [PASSWORD.encode(), base64.b64encode(PASSWORD.encode()), PASSWORD.encode().hex().encode()]
    # base64 at each of the three places where it can begin in a longer text
    forms += [base64.b64encode(b"x" * shift + PASSWORD.encode())[4:-4] for shift in range(3)]
    assert not [form for form in forms if form in everything]
    assert base64.b64encode(PAIR.private) not in everything
    assert repr(PAIR.private) not in repr(PAIR)


def test_with_the_public_key_alone_a_secret_is_sealed_anew_each_time():
    content = manifest(stringData={"password": PASSWORD})
    before = seal(content)
    after = seal(content, pair=None, before=before)
    assert after["sealed"]["box"] != before["sealed"]["box"]
    assert after["sealed"]["fingerprint"] == ""
    assert sealing.unseal(after, PAIR, CLUSTER) == {"password": PASSWORD.encode()}


def test_a_key_that_is_not_the_clusters_is_refused():
    with pytest.raises(ConfigError, match="is not that of cluster home"):
        seal(manifest(stringData={"a": "b"}), pair=OTHER)
    with pytest.raises(ConfigError, match="is not that of cluster home"):
        sealing.unseal(seal(manifest(stringData={"a": "b"})), OTHER, CLUSTER)


def test_a_cluster_without_a_key_says_how_to_get_one():
    bare = bundle.Cluster(name="home", cidr="10.66.0.0/16")
    with pytest.raises(ConfigError, match="no seal key"):
        sealing.Sealer(None).seal(manifest(stringData={"a": "b"}), before=None, cluster=bare)


def test_a_box_opens_only_in_the_secret_it_was_sealed_for():
    moved = seal(manifest(stringData={"a": PASSWORD})) | {"metadata": {"name": "mine", "namespace": "shop"}}
    with pytest.raises(SkateError, match="it was sealed as the Secret shop/db") as caught:
        sealing.unseal(moved, PAIR, CLUSTER)
    assert PASSWORD not in str(caught.value)
    with pytest.raises(SkateError, match="sealed as the Secret"):
        seal(moved)


@given(cut=st.integers(min_value=0, max_value=400), flip=st.integers(min_value=0, max_value=255))
def test_a_damaged_box_is_an_error_with_words(cut, flip):
    found = seal(manifest(stringData={"a": PASSWORD}))
    box = bytearray(base64.b64decode(found["sealed"]["box"]))
    place = cut % len(box)
    box[place] ^= flip or 1
    found["sealed"] = found["sealed"] | {"box": base64.b64encode(bytes(box)).decode()}
    with pytest.raises(SkateError, match="its box is damaged"):
        sealing.unseal(found, PAIR, CLUSTER)


def test_a_sealed_secret_can_be_applied_as_get_shows_it():
    before = seal(manifest(stringData={"a": "b"}))
    assert seal(before, before=before, pair=None) == before
    assert seal(before) == before
    with pytest.raises(ConfigError, match="no seal key to see what it holds"):
        seal(before, pair=None)


def test_an_immutable_secret_is_not_changed():
    before = seal(manifest(stringData={"a": "b"}, immutable=True))
    same = seal(manifest(stringData={"a": "b"}, immutable=True), before=before)
    other = seal(manifest(stringData={"a": "c"}, immutable=True), before=before)
    loose = seal(manifest(stringData={"a": "b"}), before=before)
    assert sealing.immutable_problems(before, same) == []
    assert "data: Forbidden" in sealing.immutable_problems(before, other)[0]
    assert "immutable: Forbidden" in sealing.immutable_problems(before, loose)[0]
    assert "type: Invalid value" in sealing.immutable_problems(before, same | {"type": "kubernetes.io/tls"})[0]


def test_the_catalogues_key_stays_and_a_missing_one_is_filled_in():
    bare = catalogue.empty(bundle.Cluster(name="home", cidr="10.66.0.0/16"))
    filled = sealing.with_key(bare, PAIR)
    assert filled.cluster.seal_key == CLUSTER.seal_key
    assert sealing.with_key(filled, OTHER) is filled
    assert sealing.with_key(bare, None) is bare


@pytest.fixture
def home(tmp_path) -> Path:
    path = tmp_path / "config.yaml"
    clusters.create_cluster(registry_path=path, name="home", progress=lambda words: None)
    return path


def entry_of(path) -> registry.ClusterEntry:
    return registry.load(path).require("home")


def identity(cluster="home"):
    return bundle.NodeIdentity(cluster=cluster, node="a", subnet="10.66.1.0/24")


def with_node(path):
    with registry.edit(path) as content:
        content.require("home").put_node(registry.NodeEntry(name="a", host="192.0.2.1", subnet="10.66.1.0/24"))


def test_a_new_cluster_has_a_key_that_only_its_owner_can_read(home):
    path = Path(entry_of(home).seal_key)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    pair = sealing.of_cluster(entry_of(home))
    written = sealkey.settle(home, "home", host="a", identity=None, found=b"")
    assert sealed.decode_key(written) == pair.private


def test_who_joins_a_cluster_takes_over_the_key_of_its_node(home):
    theirs = sealed.encode_key(OTHER.private)
    assert sealkey.settle(home, "home", host="a", identity=identity(), found=theirs) == theirs
    assert sealing.of_cluster(entry_of(home)) == OTHER


def test_a_key_in_use_is_not_given_up_for_what_a_node_says(home):
    with_node(home)
    before = sealing.of_cluster(entry_of(home))
    with pytest.raises(NodeError, match="has the seal key"):
        sealkey.settle(home, "home", host="a", identity=identity(), found=sealed.encode_key(OTHER.private))
    assert sealing.of_cluster(entry_of(home)) == before


def test_a_lost_key_comes_back_from_a_node_and_no_other_is_made_for_a_new_one(home):
    with_node(home)
    Path(entry_of(home).seal_key).unlink()
    with pytest.raises(NodeError, match="does not have the seal key"):
        sealkey.settle(home, "home", host="b", identity=None, found=b"")
    with pytest.raises(NodeError, match="does not have the seal key"):
        sealkey.settle(home, "home", host="b", identity=identity("other"), found=sealed.encode_key(OTHER.private))
    sealkey.settle(home, "home", host="a", identity=identity(), found=sealed.encode_key(PAIR.private))
    assert sealing.of_cluster(entry_of(home)) == PAIR


def test_a_node_from_before_there_were_keys_gets_one(home):
    with_node(home)
    Path(entry_of(home).seal_key).unlink()
    written = sealkey.settle(home, "home", host="a", identity=identity(), found=b"")
    assert sealed.decode_key(written) == sealing.of_cluster(entry_of(home)).private


def test_a_broken_key_file_is_named_without_its_content(home):
    path = Path(entry_of(home).seal_key)
    path.write_text(PASSWORD)
    with pytest.raises(ConfigError, match="it is no seal key") as caught:
        sealing.of_cluster(entry_of(home))
    assert PASSWORD not in caught.value.message
    with pytest.raises(NodeError, match="cannot be read: it is no seal key") as refused:
        sealkey.settle(home, "home", host="a", identity=identity(), found=PASSWORD.encode())
    assert PASSWORD not in refused.value.message


def test_sealing_a_list_leaves_other_kinds_alone_and_tells_who_cannot_compare():
    @dataclasses.dataclass(frozen=True)
    class Applied:
        kind: str
        data: dict
        namespace: str = "shop"
        name: str = "db"

    content = manifest(stringData={"a": "b"})
    other = {"kind": "Pod", "metadata": {"name": "p", "namespace": "shop"}}
    stands = bundle.CatalogueObject(manifest=seal(content))
    current = catalogue.Catalogue(cluster=CLUSTER, nodes={}, objects={("Secret", "shop", "db"): stands})
    applied = [Applied("Pod", other), Applied("Secret", content)]
    found, notes = sealing.Sealer(PAIR).sealed(applied, current)
    assert [item.data for item in found] == [other, stands.manifest]
    assert notes == []
    _, notes = sealing.Sealer(None).sealed(applied, current)
    assert "sealed anew" in notes[0]


def test_a_seal_key_that_is_missing_other_or_open_is_written_again():
    wanted = sealed.encode_key(PAIR.private)
    deb = package.Package(path=Path("x.deb"), version="1", architecture="amd64", inputs="i")
    desired = plan.Desired(identity=identity(), package=deb, coredns=deb, seal_key=wanted)
    seen = facts.Facts(
        package_state="installed",
        package_version="1",
        package_inputs="i",
        identity=identity(),
        seal_key=wanted,
        units_active=True,
    )
    assert plan.Step.SEAL_KEY not in plan.plan(desired, seen)
    for change in ({"seal_key": b""}, {"seal_key": b"other"}, {"seal_key_open": True}):
        assert plan.Step.SEAL_KEY in plan.plan(desired, dataclasses.replace(seen, **change))
    assert wanted.decode().strip() not in repr(desired) + repr(seen)
