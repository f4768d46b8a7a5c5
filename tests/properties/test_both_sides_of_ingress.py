"""What the developer's side takes of an Ingress, the node takes too, and in the same sense: nothing is accepted and then has no
effect."""

from __future__ import annotations

from typing import Any

import hypothesis
from hypothesis import strategies

from skate.manifests import claims, formats, ingress_annotations
from skatelet.contract import bundle
from skatelet.ingress import annotating, rules

NGINX = ingress_annotations.NGINX
VALUES = {
    "boolean": strategies.sampled_from(["true", "false", "True", "1", ""]),
    "number": strategies.from_regex(r"[0-9]{0,10}[kKmMgGs]?i?", fullmatch=True),
    "path": strategies.from_regex(r"/?[a-z0-9/$.?%~ ;-]{0,12}", fullmatch=True),
    "ranges": strategies.lists(
        strategies.sampled_from(["10.0.0.0/8", " 192.0.2.7", "10.1.2.3/8", "2001:db8::/32", "all", "", "10.0.0.0/33"]),
        max_size=3,
    ).map(",".join),
    "text": strategies.text(max_size=12),
    "protocol": strategies.sampled_from(["HTTP", "https", "Grpc", "GRPCS", "FCGI", ""]),
}
ANY_VALUE = strategies.one_of(*VALUES.values())
OPEN = sorted(ingress_annotations.DONE - {ingress_annotations.CLASS, ingress_annotations.ISSUER})
PATHS = strategies.from_regex(r"/?[a-zä0-9/.%()|{},*+?$\\\[\]^=:! ;-]{0,14}", fullmatch=True) | strategies.sampled_from(
    ["/", "", "/a", "/a/", "/%61", "/a(/|$)(.*)", "/api/v[0-9]{1,3}", "/a%2Fb", "/%zz", "/%ff"]
)
TYPES = strategies.sampled_from(["Exact", "Prefix", "ImplementationSpecific"])
HOSTS = strategies.sampled_from(
    ["www.example.com", "*.example.com", "a" * 63 + ".x", "a" * 64 + ".x", "x..y", "*", "-a"]
)


def ingress(*paths: tuple[str, str], host: str = "www.example.com", regex: bool = False) -> dict[str, Any]:
    annotations = {f"{NGINX}use-regex": "true"} if regex else {}
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    items = [{"path": path, "pathType": sort, "backend": backend} for path, sort in paths]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web", "namespace": "default", "annotations": annotations},
        "spec": {"rules": [{"host": host, "http": {"paths": items}}]},
    }


def served(manifest: dict[str, Any]) -> tuple[set[tuple[str, str]], set[str]]:
    """The locations that the node would make for the Ingress, and the reasons of what it would not make."""
    model = rules.model_of([bundle.CatalogueObject(manifest=manifest)], services=[], pods=[])
    locations: set[tuple[str, str]] = {
        (item.match, item.path) for server in model.servers if server.host for item in server.locations
    }
    return locations, {problem.reason for problem in model.problems} - {"ServiceNotFound"}


def test_both_sides_know_the_same_annotations() -> None:
    metadata = {"name": "web", "namespace": "default"}
    everything = {name: "x" for name in OPEN}
    problems = annotating.read({**metadata, "annotations": everything}, {}).problems
    assert [text for reason, text in problems if "is not supported, and ignored" in text] == []
    for unknown in ("enable-cors", "configuration-snippet", "proxy-buffering"):
        assert ingress_annotations.not_done(f"{NGINX}{unknown}")
        (problem,) = annotating.read({**metadata, "annotations": {f"{NGINX}{unknown}": "x"}}, {}).problems
        assert problem[0] == "UnsupportedAnnotation"
    assert ingress_annotations.CLASSES == annotating.CLASSES


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(strategies.sampled_from(OPEN), ANY_VALUE)
def test_a_value_that_is_accepted_is_taken_on_the_node(name: str, value: str) -> None:
    values = {f"{NGINX}auth-type": "basic", f"{NGINX}auth-secret": "users", name: value}
    if ingress_annotations.check(values, "default"):
        return
    secret = values[f"{NGINX}auth-secret"].rpartition("/")[2]
    metadata = {"name": "web", "namespace": "default", "annotations": values}
    assert annotating.read(metadata, {("default", secret): {"auth": b"a:b"}}).problems == ()


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(PATHS, TYPES, strategies.booleans())
def test_a_path_that_is_accepted_is_served(path: str, sort: str, regex: bool) -> None:
    if ingress_annotations.path_problems(path, sort, patterns=regex):
        return
    locations, reasons = served(ingress((path, sort), regex=regex))
    assert len(locations) == 1
    assert reasons == set()


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(strategies.lists(strategies.tuples(PATHS, TYPES), min_size=2, max_size=2), strategies.booleans())
def test_two_paths_are_rivals_exactly_where_the_node_has_room_for_one(
    paths: list[tuple[str, str]], regex: bool
) -> None:
    if any(ingress_annotations.path_problems(*item, patterns=regex) for item in paths):
        return
    manifest = ingress(*paths, regex=regex)
    late = claims.rivals([("one", claims.of(manifest))])
    locations, reasons = served(manifest)
    assert len(locations) == 2 - len(late)
    assert ("Conflict" in reasons) == bool(late)


@hypothesis.given(HOSTS)
def test_a_host_that_is_accepted_is_served(host: str) -> None:
    if formats.host_name(host):
        return
    locations, reasons = served(ingress(("/", "Prefix"), host=host))
    assert (len(locations), reasons) == (1, set())
