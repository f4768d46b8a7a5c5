"""What apply says when it looks at the whole catalogue."""

from __future__ import annotations

from typing import Any

import pytest

from skate import catalogue, conflicts
from skate.errors import ManifestError
from skatelet.contract import bundle
from tests.unit import test_exposure as made
from tests.unit import test_objects

Object = dict[str, Any]
WEB = test_objects.WEB


def check(*applied: Object, there: tuple[Object, ...] = ()) -> tuple[list[str], list[str]]:
    keys = [catalogue.key_of(item) for item in applied]
    objects = {
        catalogue.key_of(item): bundle.CatalogueObject(manifest=item, created=made.CREATED)
        for item in (*there, *applied)
    }
    content = catalogue.Catalogue(cluster=bundle.Cluster(name="test", cidr="10.66.0.0/16"), nodes={}, objects=objects)
    return conflicts.check(content, keys)


def warnings(*applied: Object, there: tuple[Object, ...] = ()) -> list[str]:
    return check(*applied, there=there)[0]


def tls(secret: str = "web-tls", *hosts: str, **annotations: str) -> Object:
    item = made.ingress(tls=[{"hosts": list(hosts or ("www.example.com",)), "secretName": secret}])
    return {**item, "metadata": {**item["metadata"], "annotations": annotations}}


def elsewhere(item: Object, namespace: str) -> Object:
    return {**item, "metadata": {**item["metadata"], "namespace": namespace}}


def test_what_fits_together_is_passed_without_a_word() -> None:
    assert check(WEB, made.service(), made.ingress()) == ([], [])
    assert check(made.ingress(), there=(WEB, made.service())) == ([], [])


def test_a_host_and_path_that_is_taken_is_refused_naming_both() -> None:
    with pytest.raises(ManifestError) as refusal:
        check(made.ingress("a"), there=(made.service(), elsewhere(made.ingress("z"), "shop")))
    assert refusal.value.details == [
        'Ingress default/a: spec.rules[0].http.paths[0]: Duplicate value: host "www.example.com" and path "/" (Prefix)'
        " belongs to Ingress shop/z, which is applied already"
    ]
    assert "nothing has been changed" in refusal.value.hint


def test_an_ingress_applied_again_is_no_rival_of_itself() -> None:
    assert check(made.ingress(), there=(WEB, made.service(), made.ingress())) == ([], [])


def test_rivals_that_stand_there_already_do_not_keep_others_out() -> None:
    assert check(WEB, there=(made.service(), made.ingress("a"), made.ingress("b"))) == ([], [])


@pytest.mark.parametrize(
    ("path", "sort", "annotations"),
    [
        ("/", "Prefix", {}),
        ("", "ImplementationSpecific", {}),
        ("/", "ImplementationSpecific", {"nginx.ingress.kubernetes.io/use-regex": "true"}),
    ],
)
def test_what_nodes_take_as_the_same_path_is_the_same(path: str, sort: str, annotations: dict[str, str]) -> None:
    item = made.ingress("other", annotations=annotations)
    item["spec"]["rules"][0]["http"]["paths"][0] |= {"path": path, "pathType": sort}
    with pytest.raises(ManifestError):
        check(item, there=(made.ingress(),))


@pytest.mark.parametrize(
    ("host", "path", "sort"),
    [
        ("www.example.com", "/", "Exact"),
        ("www.example.com", "/a", "Prefix"),
        ("*.example.com", "/", "Prefix"),
        ("", "/", "Prefix"),
    ],
)
def test_another_host_path_or_type_is_no_conflict(host: str, path: str, sort: str) -> None:
    item = made.ingress("other", rules=[made.rule(host, path)])
    item["spec"]["rules"][0]["http"]["paths"][0]["pathType"] = sort
    assert check(item, there=(WEB, made.service(), made.ingress())) == ([], [])


def test_a_host_alone_claims_all_of_it_for_the_default_backend() -> None:
    item = made.ingress("other", rules=[{"host": "www.example.com"}], defaultBackend=made.backend())
    with pytest.raises(ManifestError):
        check(item, there=(made.ingress(),))


NOWHERE = ": answers 503 until it is there"


@pytest.mark.parametrize(
    ("backend", "sentence"),
    [
        (made.backend("nobody"), 'services "nobody" not found in namespace default'),
        (made.backend("api", number=81), 'services "api" in namespace default has no port 81'),
        (made.backend("api", name="grpc"), 'services "api" in namespace default has no port grpc'),
        (made.backend("nobody.default.cluster.skate"), "no app and no Service nobody in namespace default"),
        (made.backend("web.shop.cluster.skate"), "no app and no Service web in namespace shop"),
        (made.backend("web.default.cluster.skate", name="http"), "the pods of app web have no port named http"),
        (
            made.backend("web"),
            'services "web" not found in namespace default; web.default.cluster.skate names the pods of that app',
        ),
    ],
)
def test_a_backend_that_leads_to_nobody_is_said(backend: Object, sentence: str) -> None:
    item = made.ingress(rules=[made.rule("www.example.com", target=backend)])
    place = "Ingress default/web: spec.rules[0].http.paths[0].backend.service: "
    assert warnings(item, there=(WEB, made.service("api"))) == [f"{place}{sentence}{NOWHERE}"]
    # What was applied long ago is not complained about again.
    assert warnings(WEB, there=(item, made.service("api"))) == []


@pytest.mark.parametrize(
    "backend",
    [
        made.backend("api", number=80),
        made.backend("api", name="http"),
        made.backend("web.default.cluster.skate", number=8000),
        made.backend("api.default.svc.cluster.skate", number=80),
        made.backend("db", number=5432),
    ],
)
def test_a_backend_that_leads_somewhere_is_not_mentioned(backend: Object) -> None:
    item = made.ingress(rules=[], defaultBackend=backend)
    assert warnings(item, there=(WEB, made.service("api"), made.external())) == []


def test_a_second_default_backend_is_said_to_be_second() -> None:
    first = made.ingress("first", rules=[], defaultBackend=made.backend())
    second = made.ingress("second", rules=[], defaultBackend=made.backend())
    (warning,) = warnings(second, there=(WEB, made.service(), first))
    assert warning.startswith("Ingress default/second: spec.defaultBackend: Ingress default/first has one, too")


def test_users_that_are_missing_are_said() -> None:
    nginx = "nginx.ingress.kubernetes.io/"
    item = made.ingress(annotations={f"{nginx}auth-type": "basic", f"{nginx}auth-secret": "default/users"})
    sentence = 'Ingress default/web: secrets "users" with users in its key auth not found' + NOWHERE
    there = (WEB, made.service())
    assert warnings(item, there=there) == [sentence]
    assert warnings(item, there=(*there, made.secret("users", "htpasswd"))) == [sentence]
    assert warnings(item, there=(*there, made.secret("users", "auth"))) == []


def test_a_missing_certificate_is_said_to_be_asked_for_from_lets_encrypts_production() -> None:
    assert check(tls(), there=(WEB, made.service())) == (
        [],
        [
            'Ingress default/web: secrets "web-tls" not found: a certificate for www.example.com will be asked for from'
            " https://acme-v02.api.letsencrypt.org/directory"
        ],
    )


def test_a_cluster_issuer_is_asked_instead() -> None:
    _, (note,) = check(tls(), there=(WEB, made.service(), made.issuer()))
    assert note.endswith("from https://acme.example.com/directory")


def test_a_certificate_that_is_there_is_not_asked_for() -> None:
    assert check(tls(), there=(WEB, made.service(), made.secret("web-tls", "tls.crt", "tls.key"))) == ([], [])


def test_a_secret_that_holds_no_certificate_is_said() -> None:
    there = (WEB, made.service(), made.secret("web-tls", "tls.crt"))
    assert warnings(tls(), there=there) == [
        'Ingress default/web: spec.tls: secrets "web-tls" has no tls.key: a self-signed certificate is shown'
    ]


def test_a_wildcard_cannot_be_proved_by_http() -> None:
    (warning,) = warnings(tls("web-tls", "*.example.com"), there=(WEB, made.service()))
    assert "HTTP-01 proves no wildcard" in warning


def test_a_cluster_issuer_that_is_not_there_is_said() -> None:
    item = tls(**{"cert-manager.io/cluster-issuer": "other"})
    (warning,) = warnings(item, there=(WEB, made.service(), made.issuer()))
    assert "there is no ClusterIssuer 'other'" in warning


def test_a_service_that_takes_an_apps_name_is_said_from_either_side() -> None:
    hiding = made.service("web", selector={"app": "other"})
    assert warnings(hiding, there=(WEB,)) == [
        "Service default/web: takes the name of the app web, whose pods it does not select: they cannot be found by it"
    ]
    (warning,) = warnings(WEB, there=(hiding,))
    assert warning.startswith("Deployment default/web: the Service default/web has the name of this app")
    assert warnings(made.service("web"), there=(WEB,)) == []
    assert warnings(elsewhere(hiding, "shop"), there=(WEB,)) == []


def test_a_named_port_that_no_pod_has_is_said() -> None:
    item = made.service("api", ports=[{"port": 80, "targetPort": "http"}])
    assert warnings(item, there=(WEB,)) == [
        "Service default/api: port 80: no pod that it selects has a port named http"
    ]
    # What selects nobody yet is not judged: its pods may have it.
    assert warnings(item) == []
