"""A node serves the certificates that Ingresses ask for: from Secrets, or ordered by ACME and renewed in time."""

from __future__ import annotations

import base64
import hashlib
import json
import os

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from skate import sealing
from skatelet.certificates import account, acme, plan
from skatelet.certificates.model import in_memory
from skatelet.contract import issuing
from skatelet.secrets import SecretError, Secrets
from skatelet.system import command
from tests.unit import certificates_world as world

WEB = ("default", "web-tls")
HOST = "web.example.test"


@pytest.fixture
def node(tmp_path) -> world.Node:
    return world.Node(tmp_path)


def tls_secret(**changes):
    chain, key = world.certificate()
    data = {"tls.crt": chain, "tls.key": key} | changes
    return world.secret("web-tls", data, type=world.TLS)


def files_below(root) -> dict[str, int]:
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            found[path] = os.stat(path).st_mtime_ns
    return found


def test_a_tls_secret_is_served_from_memory_readable_for_root_only(node):
    chain, key = world.certificate()
    node.apply(
        world.ingress("web", ("web-tls", [HOST])),
        world.secret("web-tls", {"tls.crt": chain, "tls.key": key}, type=world.TLS),
    )
    outcome = node.settle()
    assert (outcome.condition.word, outcome.condition.reason) == ("True", "Ready")
    pair = node.certificates.pairs()[WEB]
    assert (pair.chain.read_bytes(), pair.key.read_bytes()) == (chain, key)
    assert pair.key.is_relative_to(in_memory(node.paths))
    assert pair.key.stat().st_mode & 0o777 == 0o600
    assert pair.key.parent.stat().st_mode & 0o777 == 0o700
    assert not node.orders


def test_a_second_pass_and_a_second_run_write_nothing_and_unseal_nothing(node, monkeypatch):
    node.apply(world.ingress("web", ("web-tls", [HOST]), ("other-tls", ["other.example.test"])), tls_secret())
    node.settle()
    pairs = node.certificates.pairs()
    before, notes = files_below(node.paths.root), dict(node.notes)
    node.restart()
    monkeypatch.setattr(Secrets, "_unseal", lambda *_: pytest.fail("a box was opened"))
    outcome = node.once()
    assert not outcome.busy
    assert node.certificates.pairs() == pairs
    assert (files_below(node.paths.root), node.notes) == (before, notes)


def test_a_secret_that_changes_has_other_files_and_the_old_ones_go(node):
    node.apply(world.ingress("web", ("web-tls", [HOST])), tls_secret())
    node.settle()
    first = node.certificates.pairs()[WEB]
    node.apply(world.ingress("web", ("web-tls", [HOST])), tls_secret())
    node.settle()
    second = node.certificates.pairs()[WEB]
    assert first.chain != second.chain
    assert not first.key.exists()
    node.apply()
    assert node.settle().condition.reason == "NoneNeeded"
    assert not second.key.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tls.key": world.certificate()[1]}, "the key does not fit the certificate"),
        ({"tls.crt": b"nothing"}, "no server can use"),
        ({"tls.key": b""}, "no server can use"),
    ],
)
def test_a_pair_that_no_server_can_use_is_said_and_others_are_served(node, changes, words):
    chain, key = world.certificate("other.example.test")
    good = world.secret("good-tls", {"tls.crt": chain, "tls.key": key}, type=world.TLS)
    tls = world.ingress("web", ("web-tls", [HOST]), ("good-tls", ["other.example.test"]))
    node.apply(tls, tls_secret(**changes), good)
    condition = node.settle().condition
    assert (condition.word, condition.reason) == ("False", "Unfit")
    assert words in condition.message
    assert set(node.certificates.pairs()) == {("default", "good-tls")}
    assert b"".join(changes.values()).decode()[:40] not in condition.message or changes == {"tls.key": b""}


def test_a_secret_of_another_type_or_key_is_said(node):
    node.apply(world.ingress("web", ("web-tls", [HOST])), world.secret("web-tls", {"a": b"b"}))
    assert "of type Opaque" in node.settle().condition.message
    other = sealing.pair_of(bytes(range(1, 33)))
    node.apply(
        world.ingress("web", ("web-tls", [HOST])), world.secret("web-tls", {"a": b"b"}, type=world.TLS, pair=other)
    )
    assert node.settle().condition.reason == "WrongKey"
    node.paths.seal_key.unlink()
    assert node.settle().condition.reason == "NoKey"


def test_what_no_secret_holds_is_ordered_once_and_kept_over_runs(node):
    node.apply(world.ingress("web", ("web-tls", [HOST, "www.example.test"])), world.issuer())
    outcome = node.settle()
    assert outcome.condition.reason == "Ready"
    assert [order.hosts for order in node.orders] == [(HOST, "www.example.test")]
    assert node.orders[0].server == "https://ca.example.test/dir"
    pair = node.certificates.pairs()[WEB]
    assert pair.chain.is_relative_to(node.paths.certificates)
    assert outcome.due is not None
    assert outcome.due - node.now > 50 * world.DAY
    node.restart()
    node.settle()
    assert node.certificates.pairs()[WEB] == pair
    assert len(node.orders) == 1


def test_challenges_are_answered_before_anything_is_ordered(node):
    node.apply(world.ingress("web", ("web-tls", [HOST, "*.example.test"])), world.issuer())
    node.once()
    assert set(node.certificates.thumbprints()) == {HOST}
    assert len(node.certificates.thumbprints()[HOST]) == 43
    node.settle()
    assert node.orders[0].thumbprint == node.certificates.thumbprints()[HOST]
    assert account.thumbprint(node.orders[0].account_key) == node.orders[0].thumbprint


def test_it_is_renewed_when_less_than_a_third_of_its_time_is_left_and_served_meanwhile(node):
    node.apply(world.ingress("web", ("web-tls", [HOST])), world.issuer())
    node.settle()
    first = node.certificates.pairs()[WEB]
    node.now = world.NOW + 50 * world.DAY
    node.settle()
    assert len(node.orders) == 1
    node.now = world.NOW + 61 * world.DAY
    node.woken.clear()
    assert node.once().busy
    assert node.certificates.pairs()[WEB] == first
    assert node.woken.wait(20)
    outcome = node.once()
    assert outcome.acted
    assert [event[:2] for event in outcome.events] == [("Normal", "CertificateIssued")]
    second = node.certificates.pairs()[WEB]
    assert second.digest != first.digest
    assert first.chain.exists()


def test_a_failed_renewal_leaves_the_old_one_until_it_expires(node):
    node.apply(world.ingress("web", ("web-tls", [HOST])), world.issuer())
    node.settle()
    node.answer = acme.Failed(message="the authority is on holiday", seen=True)
    node.now = world.NOW + 61 * world.DAY
    outcome = node.settle()
    assert outcome.condition.reason == "OrderFailed"
    assert "the authority is on holiday" in outcome.condition.message
    assert WEB in node.certificates.pairs()
    node.now = world.NOW + 91 * world.DAY
    node.settle()
    assert WEB not in node.certificates.pairs()


def test_a_failure_is_not_tried_again_before_its_time_not_even_by_another_run(node):
    node.apply(world.ingress("web", ("web-tls", [HOST])), world.issuer())
    node.answer = acme.Failed(message="no such host", seen=True)
    outcome = node.settle()
    assert len(node.orders) == 1
    assert outcome.due == node.now + plan.FIRST_DELAY
    node.restart()
    node.now += plan.FIRST_DELAY - 61
    node.settle()
    assert len(node.orders) == 1
    node.now += 61
    node.settle()
    assert len(node.orders) == 2


def test_a_changed_ingress_is_ordered_for_at_once_and_the_old_one_is_served_until_then(node):
    node.apply(world.ingress("web", ("web-tls", [HOST])), world.issuer())
    node.settle()
    node.answer = acme.Failed(message="no such host", seen=True)
    node.apply(world.ingress("web", ("web-tls", [HOST, "new.example.test"])), world.issuer())
    node.settle()
    assert [order.hosts for order in node.orders] == [(HOST,), ("new.example.test", HOST)]
    assert WEB in node.certificates.pairs()
    node.answer = 90.0
    node.apply(world.ingress("web", ("web-tls", [HOST, "newer.example.test"])), world.issuer())
    assert node.settle().condition.reason == "Ready"


def test_wildcards_unknown_issuers_and_two_issuers_are_said(node):
    node.apply(world.ingress("web", ("web-tls", ["*.example.test"])), world.issuer())
    assert node.settle().condition.reason == "Wildcard"
    annotated = {"annotations": {issuing.ANNOTATION: "nobody"}}
    node.apply(world.ingress("web", ("web-tls", [HOST]), **annotated), world.issuer())
    assert "there is no ClusterIssuer 'nobody'" in node.settle().condition.message
    node.apply(world.ingress("web", ("web-tls", [HOST])), world.issuer(), world.issuer("other"))
    assert "there are 2 ClusterIssuers" in node.settle().condition.message
    assert not node.orders


def test_without_an_issuer_lets_encrypts_production_is_asked(node):
    node.apply(world.ingress("web", ("web-tls", [HOST])))
    node.settle()
    assert node.orders[0].server == "https://acme-v02.api.letsencrypt.org/directory"


def test_an_ingress_of_another_class_is_not_ours(node):
    manifest = world.ingress("web", ("web-tls", [HOST]))
    manifest["spec"]["ingressClassName"] = "traefik"
    node.apply(manifest, world.issuer())
    assert node.settle().condition.reason == "NoneNeeded"


def test_what_is_not_asked_for_any_more_is_kept_a_month(node):
    node.apply(world.ingress("web", ("web-tls", [HOST])), world.issuer())
    node.settle()
    node.apply(world.issuer())
    node.settle()
    node.now += 20 * world.DAY
    node.apply(world.ingress("web", ("web-tls", [HOST])), world.issuer())
    node.settle()
    assert len(node.orders) == 1
    node.apply(world.issuer())
    node.settle()
    node.now += 31 * world.DAY
    node.restart()
    node.settle()
    assert not list(node.paths.certificates.iterdir())


def test_orders_run_one_after_the_other(node):
    hosts = [f"host-{number}.example.test" for number in range(4)]
    node.apply(world.ingress("web", *((f"tls-{host[5]}", [host]) for host in hosts)), world.issuer())
    assert node.settle().condition.reason == "Ready"
    assert sorted(order.hosts[0] for order in node.orders) == hosts


def test_a_bug_in_an_order_is_a_failure_like_any_other(node):
    def broken(order):
        raise RuntimeError("a bug")

    node.certificates._order = broken
    node.apply(world.ingress("web", ("web-tls", [HOST])), world.issuer())
    assert "RuntimeError: a bug" in node.settle().condition.message


@given(st.binary(max_size=400))
def test_the_thumbprint_of_what_is_no_key_is_an_error_without_its_content(data):
    with pytest.raises(account.AccountKeyError, match="no EC key"):
        account.thumbprint(b"-----BEGIN PRIVATE KEY-----\n" + data + b"\n-----END PRIVATE KEY-----\n")


@pytest.mark.parametrize("form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL])
def test_the_thumbprint_is_that_of_rfc_7638(form):
    key = ec.generate_private_key(ec.SECP256R1())
    numbers = key.public_key().public_numbers()

    def coordinate(value):
        return base64.urlsafe_b64encode(value.to_bytes(32, "big")).rstrip(b"=").decode()

    jwk = {"crv": "P-256", "kty": "EC", "x": coordinate(numbers.x), "y": coordinate(numbers.y)}
    canonical = json.dumps(jwk, sort_keys=True, separators=(",", ":")).encode()
    wanted = base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    assert account.thumbprint(pem) == wanted


def test_the_rfcs_own_thumbprint_is_encoded_as_there():
    # RFC 7638 3.1: the SHA-256 of the example, in base64url.
    digest = bytes([55, 54, 203, 177, 120, 124, 184, 48, 156, 119, 238, 140, 55, 5, 197, 225, 111, 251, 158, 133, 151])
    digest += bytes([21, 144, 31, 30, 76, 89, 177, 17, 130, 245, 123])
    assert account.encoded(digest) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@given(
    failures=st.lists(st.booleans(), min_size=1, max_size=60),
    nodes=st.integers(min_value=1, max_value=50),
)
def test_failures_wait_longer_and_longer_up_to_half_a_day(failures, nodes):
    attempts = plan.Attempts(request="r", since=0.0)
    waits = {True: [0.0], False: [0.0]}
    for seen in failures:
        attempts = plan.failed(attempts, seen=seen, message="m", nodes=nodes, now=1000.0)
        waits[seen].append(attempts.next - 1000.0)
    for seen in (True, False):
        assert waits[seen] == sorted(waits[seen])
        assert waits[seen][-1] <= plan.LONGEST_DELAY
    assert all(wait >= plan.FIRST_DELAY for wait in waits[True][1:])


@given(
    lifetime=st.floats(min_value=60, max_value=400 * world.DAY),
    node=st.text(max_size=20),
    elapsed=st.floats(min_value=0, max_value=1.2),
)
def test_a_certificate_is_never_renewed_early_nor_let_expire(lifetime, node, elapsed):
    held = plan.Held(request="r", version=1, not_before=0.0, not_after=lifetime, digest="d")
    attempts = plan.Attempts(request="r", since=0.0)
    decision = plan.decide(held=held, attempts=attempts, node=node, now=elapsed * lifetime)
    assert lifetime * 0.6 <= plan.renewal(held, node) <= lifetime * 0.6667
    if elapsed < 0.63:
        assert not decision.order
    if elapsed > 0.6667 and elapsed * lifetime > plan.SPREAD:
        assert decision.order


def test_nodes_order_at_moments_of_their_own():
    attempts = plan.Attempts(request="r", since=0.0)
    moments = {
        round(plan.decide(held=None, attempts=attempts, node=f"node-{number}", now=0.0).due, 3) for number in range(20)
    }
    assert len(moments) == 20
    assert max(moments) <= plan.SPREAD


REFUSED = """uacme: version 1.7.4 starting on Sun, 22 Nov 2026 19:30:31 +0000
uacme: starting challenge at https://127.0.0.1:14000/chalZ/96
uacme: challenge https://127.0.0.1:14000/chalZ/96 failed with status invalid
uacme: the server reported the following error:
{
    "type": "urn:ietf:params:acme:error:connection",
    "detail": "Get \\"http://a.example.test:5002/\\": connection refused",
    "status": 400
}
uacme: failed to authorize order at https://127.0.0.1:14000/my-order/w3
"""
UNREACHABLE = """uacme: fetching directory at https://127.0.0.1:14000/dir
uacme: curl_get: GET https://127.0.0.1:14000/dir failed: Couldn't connect to server
uacme: acme_get: curl_get failed
uacme: failed to fetch directory at https://127.0.0.1:14000/dir
"""
LIMITED = """uacme: creating new order at https://ca/order
uacme: failed to create new order at https://ca/order
uacme: the server reported the following error:
{"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many failed authorizations"}
"""


@pytest.mark.parametrize(
    ("stderr", "seen", "message"),
    [
        (REFUSED, True, 'Get "http://a.example.test:5002/": connection refused'),
        (UNREACHABLE, False, "curl_get: GET https://127.0.0.1:14000/dir failed: Couldn't connect to server"),
        (LIMITED, True, "too many failed authorizations"),
        ("", False, "exit code 2"),
    ],
)
def test_what_uacme_prints_is_understood(stderr, seen, message):
    found = acme.failure(command.CommandError(["uacme"], 2, "", stderr))
    assert (found.seen, found.message) == (seen, message)


def test_the_dates_that_openssl_prints_are_moments():
    found = acme.dates("notBefore=Nov 22 19:30:31 2026 GMT\nnotAfter=Feb  2 09:05:01 2027 GMT\n")
    assert found == acme.Ordered(not_before=1795375831.0, not_after=1801559101.0)
    assert acme.dates("notBefore=tomorrow GMT\nnotAfter=Feb  2 09:05:01 2027 GMT\n") is None


def test_a_secret_that_is_not_there_is_none_and_a_foreign_file_is_damaged(node):
    secrets = Secrets(node.paths)
    assert secrets.get(node.followed, "default", "nope") is None
    node.apply(tls_secret() | {"sealed": {"box": "x"}})
    with pytest.raises(SecretError) as caught:
        secrets.get(node.followed, "default", "web-tls")
    assert caught.value.reason == "Damaged"
