"""TLS Secrets that no server could use are refused before they are sealed, without a word of what they hold."""

from __future__ import annotations

import base64
import datetime
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from skate import manifests, tlspairs
from skate.errors import ManifestError
from tests.unit import certificates_world as world

MOMENT = datetime.datetime.fromtimestamp(world.NOW + world.DAY, datetime.UTC)
CHAIN, KEY = world.certificate()


def applied(tmp_path, chain: bytes, key: bytes):
    data = {"tls.crt": base64.b64encode(chain).decode(), "tls.key": base64.b64encode(key).decode()}
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web"}, "type": world.TLS, "data": data}
    path = tmp_path / "secret.json"
    path.write_text(json.dumps(manifest))
    return manifests.load([str(path)]).objects


def test_a_pair_that_fits_passes(tmp_path):
    assert tlspairs.check(applied(tmp_path, CHAIN, KEY), now=MOMENT) == []
    chain, _ = world.certificate("root.example.test")
    assert tlspairs.check(applied(tmp_path, CHAIN + chain, KEY), now=MOMENT) == []


@pytest.mark.parametrize(
    ("chain", "key", "words"),
    [
        (CHAIN, world.certificate()[1], "data.tls.key: Invalid value: the key does not fit the first certificate"),
        (b"secret nonsense", KEY, "data.tls.crt: Invalid value: must be certificates in PEM"),
        (CHAIN, b"secret nonsense", "data.tls.key: Invalid value: must be a private key in PEM"),
        (b"", KEY, "data.tls.crt: Invalid value"),
        (KEY, CHAIN, "data.tls.crt: Invalid value"),
    ],
    ids=["another-key", "no-certificate", "no-key", "empty", "the-wrong-way-round"],
)
def test_a_pair_that_no_server_could_use_is_refused(tmp_path, chain, key, words):
    with pytest.raises(ManifestError) as caught:
        tlspairs.check(applied(tmp_path, chain, key), now=MOMENT)
    said = "\n".join([caught.value.message, *caught.value.details])
    assert f"secret.json:1: Secret default/web: {words}" in said
    assert "secret nonsense" not in said
    assert "BEGIN" not in said


def test_a_key_with_a_password_is_refused(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"hunter2"),
    )
    with pytest.raises(ManifestError) as caught:
        tlspairs.check(applied(tmp_path, CHAIN, key), now=MOMENT)
    assert "store it without a password" in caught.value.details[0]


def test_one_that_has_expired_or_is_not_valid_yet_is_only_warned_of(tmp_path):
    late = MOMENT + datetime.timedelta(days=365)
    assert "expired on" in tlspairs.check(applied(tmp_path, CHAIN, KEY), now=late)[0]
    early = MOMENT - datetime.timedelta(days=30)
    assert "valid only from" in tlspairs.check(applied(tmp_path, CHAIN, KEY), now=early)[0]
