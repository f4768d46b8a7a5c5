"""Services, Ingresses, Secrets and ClusterIssuers as models: defaults, the catalogue's form, and what is kept secret."""

from __future__ import annotations

from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from skate import errors, manifests
from skate.manifests import claims, ingress_annotations, models

MARKER = "hunter2"
SEALED = {"key": "abcd", "fingerprint": "0123", "box": "Ym94", "keys": ["b", "a"]}


def secret(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, **fields}


def sentences(data: dict[str, Any]) -> list[str]:
    """All that is said when `data` is refused; nothing where it is taken."""
    try:
        manifests.parse(data)
    except errors.ManifestError as error:
        return [error.message, *error.details, error.hint]
    return []


def parsed(data: dict[str, Any]) -> Any:
    return manifests.parse(data).model


def test_a_service_has_kubernetes_defaults() -> None:
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    model = parsed({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec})
    assert (model.spec.type, model.spec.ports[0].protocol, model.spec.ports[0].target_port) == (
        "ClusterIP",
        "TCP",
        None,
    )


def test_string_data_wins_over_data() -> None:
    model = parsed(secret(data={"a": "YQ==", "b": "Yg=="}, stringData={"b": "new"}))
    assert isinstance(model, models.Secret)
    assert model.type == "Opaque"
    assert model.values() == {"a": b"a", "b": b"new"}
    assert model.keys() == ["a", "b"]


def test_a_secret_never_shows_its_values_when_it_is_printed() -> None:
    model = parsed(secret(data={"a": "aHVudGVyMg=="}, stringData={"b": MARKER}))
    assert MARKER not in repr(model)
    assert "aHVudGVyMg" not in repr(model)
    assert "Ym94" not in repr(parsed(secret(sealed=SEALED)))


def test_the_catalogue_holds_sealed_secrets() -> None:
    model = parsed(secret(sealed=SEALED, type="kubernetes.io/tls"))
    assert isinstance(model, models.SealedSecret)
    assert model.keys() == ["a", "b"]


@pytest.mark.parametrize("more", [{"data": {}}, {"stringData": {"a": "b"}}])
def test_a_sealed_secret_has_no_data_beside(more: dict[str, Any]) -> None:
    with pytest.raises(errors.ManifestError):
        manifests.parse(secret(sealed=SEALED, **more))


def test_all_values_together_are_bounded_as_in_kubernetes() -> None:
    with pytest.raises(errors.ManifestError) as refusal:
        manifests.parse(secret(stringData={"a": "x" * (512 * 1024), "b": "x" * (512 * 1024 + 1)}))
    assert refusal.value.details == ["Secret default/s: data: Too long: may not be more than 1048576 bytes"]


odd = strategies.sampled_from(
    [
        None,
        True,
        7,
        [MARKER],
        {MARKER: MARKER},
        f"{MARKER}!",
        f"\x1b{MARKER}",
        {"a": [MARKER]},
        {"a": 7.5},
        {"a b": MARKER},
    ]
)


@hypothesis.given(
    strategies.sampled_from(["data", "stringData"]),
    odd,
    strategies.sampled_from(
        ["Opaque", "kubernetes.io/tls", "kubernetes.io/dockercfg", "kubernetes.io/basic-auth", "example.com/x"]
    ),
)
def test_no_mistake_in_a_secret_shows_a_value(field: str, value: Any, kind: str) -> None:
    whole = value if isinstance(value, dict) and MARKER not in value else {"k": value, ".dockercfg": f"{MARKER}"}
    assert MARKER not in "\n".join(sentences(secret(type=kind, **{field: whole})))


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("/", True),
        ("/a/$1/$9", True),
        ("/index.php?path=/$1", True),
        ("//host", False),
        ("/$0", False),
        ("/${host}", False),
        ("/a b", False),
        ("a", False),
        ("", False),
    ],
)
def test_a_rewrite_holds_nothing_but_a_path_and_groups(text: str, good: bool) -> None:
    found = ingress_annotations.check({f"{ingress_annotations.NGINX}rewrite-target": text}, "default")
    assert (found == []) is good


@pytest.mark.parametrize("key", ["example.com/x", "kubernetes.io/tls-acme", "nginx.org/server-snippets", "note"])
def test_annotations_of_others_are_free(key: str) -> None:
    assert ingress_annotations.not_done(key) == ""
    assert ingress_annotations.check({key: "'; }\n"}, "default") == []


def test_claims_say_where_they_stand() -> None:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    paths = [{"path": "/a/", "pathType": "Prefix", "backend": backend}, {"pathType": "ImplementationSpecific"}]
    manifest = {
        "kind": "Ingress",
        "metadata": {"name": "web"},
        "spec": {"defaultBackend": backend, "rules": [{"host": "a.example.com", "http": {"paths": paths}}, {}]},
    }
    found = claims.of(manifest)
    assert [claim.key for claim in found] == [
        ("a.example.com", "Prefix", "/a"),
        ("a.example.com", "Prefix", ""),
        ("", "Prefix", ""),
    ]
    assert [claim.place for claim in found] == [
        ("spec", "rules", 0, "http", "paths", 0),
        ("spec", "rules", 0, "http", "paths", 1),
        ("spec", "rules", 1),
    ]
    assert claims.of({"kind": "Service"}) == []
