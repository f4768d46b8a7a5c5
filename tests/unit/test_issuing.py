"""Accounts' keys are made when they are needed, once, and stay; who issues what follows cert-manager's words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from skate import catalogue, issuing, sealing
from skatelet.certificates import account
from skatelet.contract import issuing as contract
from tests.unit import certificates_world as world

HOSTS = st.lists(st.sampled_from(["a.example", "b.example", "*.example", "C.example"]), max_size=4)


def accounts() -> issuing.Accounts:
    return issuing.Accounts(sealing.Sealer(world.PAIR))


def secrets_of(current: catalogue.Catalogue) -> list[tuple[str, str]]:
    return sorted(key[1:] for key in current.objects if key[0] == "Secret")


def test_an_issuer_gets_an_account_key_that_nodes_can_use():
    after, notes = accounts().ensured(world.catalogue_of(world.issuer()), now="2026-01-01T00:00:00Z")
    assert secrets_of(after) == [("skate-system", "pebble-account")]
    assert len(notes) == 1
    manifest = after.objects["Secret", "skate-system", "pebble-account"].manifest
    data = sealing.unseal(manifest, world.PAIR, world.CLUSTER)
    assert len(account.thumbprint(data[contract.ACCOUNT_KEY])) == 43
    assert b"PRIVATE KEY" not in b"".join(after.files().values())


def test_it_is_not_made_anew_by_the_next_apply_nor_after_a_conflict():
    before = world.catalogue_of(world.issuer())
    maker = accounts()
    first, _ = maker.ensured(before, now="1")
    again, _ = maker.ensured(before, now="1")
    assert again.files() == first.files()
    other, notes = accounts().ensured(first, now="2")
    assert other is first
    assert notes == []


def test_without_an_issuer_lets_encrypt_is_named_with_its_terms():
    current = world.catalogue_of(world.ingress("web", ("web-tls", ["web.example.test"])))
    after, notes = accounts().ensured(current, now="1")
    assert secrets_of(after) == [("skate-system", "letsencrypt-account")]
    assert "terms of service" in notes[1]
    assert "production" in notes[1]


def test_nothing_is_made_where_nothing_is_asked_for():
    plain = world.ingress("web")
    foreign = world.ingress("other", ("other-tls", ["x.example"]))
    foreign["spec"]["ingressClassName"] = "traefik"
    has_secret = world.ingress("third", ("third-tls", ["y.example"]))
    current = world.catalogue_of(plain, foreign, has_secret, world.secret("third-tls", {"a": b"b"}))
    after, notes = accounts().ensured(current, now="1")
    assert after is current
    assert notes == []


def test_the_annotation_names_the_issuer_and_a_lone_one_is_taken_without():
    pebble, other = (contract.issuer_of(world.issuer(name)) for name in ("pebble", "other"))
    plain = contract.Request(namespace="default", secret="s", hosts=("a",))
    named = contract.Request(namespace="default", secret="s", hosts=("a",), issuer="other")
    assert contract.choose(plain, [pebble]) == pebble
    assert contract.choose(named, [pebble, other]) == other
    assert "there are 2 ClusterIssuers" in str(contract.choose(plain, [pebble, other]))
    assert "no ClusterIssuer 'other'" in str(contract.choose(named, [pebble]))
    assert contract.choose(plain, []) == contract.LETS_ENCRYPT


@given(first=HOSTS, second=HOSTS)
def test_entries_of_one_secret_name_are_one_certificate_whatever_the_order(first, second):
    one = world.ingress("one", ("tls", first))
    two = world.ingress("two", ("tls", second), annotations={contract.ANNOTATION: "pebble"})
    found = contract.requests([one, two])
    assert found == contract.requests([two, one])
    assert [set(item.hosts) for item in found] == [{host.lower() for host in [*first, *second]}]
    assert found[0].issuer == "pebble"


def test_an_entry_without_hosts_means_those_of_the_rules_and_one_without_a_name_asks_for_nothing():
    manifest = world.ingress("web", ("web-tls", []))
    manifest["spec"]["rules"] = [{"host": "a.example"}, {"http": {}}]
    manifest["spec"]["tls"].append({"hosts": ["b.example"]})
    assert [(item.secret, item.hosts) for item in contract.requests([manifest])] == [("web-tls", ("a.example",))]
