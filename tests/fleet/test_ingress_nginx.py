"""What nginx, of each version that nodes have, makes of the rules: Kubernetes' conformance cases, and all that goes beyond.

https://github.com/kubernetes-sigs/ingress-controller-conformance/tree/master/features
"""

from __future__ import annotations

import base64
import collections
import functools
import random
import re
import time
import urllib.parse
from collections.abc import Iterator

import pytest

from skate.sandbox import fleet
from skatelet import services
from skatelet.ingress import configuration, model, quoting, rules
from tests.fleet.ingress_world import ROOT, World, backend, ingress, pods, rule, service

pytestmark = pytest.mark.fleet

NAMES = [f"s{number}" for number in range(1, 10)]
SERVICES = [service(name) for name in NAMES]
PODS = [pod for number, name in enumerate(NAMES, 1) for pod in pods(name, f"127.1.{number}.1")]
BACKENDS = [f"127.1.{number}.1:8080={name}" for number, name in enumerate(NAMES, 1)]


@pytest.fixture(params=["bookworm", "trixie"], scope="module")
def world(request: pytest.FixtureRequest, pair: fleet.Fleet) -> Iterator[World]:
    target = next(item for item in pair.nodes if item.release == request.param)
    made = World(target=target)
    made.open()
    try:
        made.backends(*BACKENDS)
        yield made
    finally:
        made.close()


def serve(world: World, *ingresses, **more) -> model.Model:
    return world.serve(*ingresses, services=more.pop("services", SERVICES), pods=more.pop("pods", PODS), **more)


def asked(world: World, *questions: tuple[str, str]) -> list[str]:
    """Who answers for each host and path."""
    return [world.get(host, path).pod for host, path in questions]


def test_conformance_host_rules(world: World) -> None:
    paths = [("/", "Prefix", "s1")]
    serve(
        world,
        ingress("hosts", rule("*.foo.com", *paths), rule("foo.bar.com", ("/", "Prefix", "s2"))),
        ingress("more", rule("exact.foo.com", ("/", "Prefix", "s3"))),
    )
    hosts = {
        "foo.bar.com": "s2",
        "FOO.bar.com": "s2",
        "sub.bar.com": "(404)",
        "any.foo.com": "s1",
        "exact.foo.com": "s3",
        "foo.com": "(404)",
        "two.labels.foo.com": "(404)",
        "afoo.com": "(404)",
        "other.org": "(404)",
    }
    assert dict(zip(hosts, asked(world, *[(host, "/") for host in hosts]), strict=True)) == hosts


def test_conformance_path_rules(world: World) -> None:
    serve(
        world,
        ingress("exact", rule("exact.com", ("/foo", "Exact", "s1"), ("/bar/", "Exact", "s2"))),
        ingress(
            "prefix",
            rule("prefix.com", ("/foo", "Prefix", "s1"), ("/aaa/bbb", "Prefix", "s2"), ("/aaa", "Prefix", "s3")),
        ),
        ingress("slash", rule("slash.com", ("/foo/", "Prefix", "s1"), ("/aaa/bbb/", "Prefix", "s2"))),
        ingress("mixed", rule("mixed.com", ("/foo", "Prefix", "s1"), ("/foo", "Exact", "s2"), ("/", "Prefix", "s3"))),
        ingress("own", rule("own.com", ("/foo", "ImplementationSpecific", "s1"))),
    )
    expected = {
        ("exact.com", "/foo"): "s1",
        ("exact.com", "/foo/"): "(404)",
        ("exact.com", "/FOO"): "(404)",
        ("exact.com", "/foo/bar"): "(404)",
        ("exact.com", "/bar/"): "s2",
        ("exact.com", "/bar"): "(404)",
        ("exact.com", "/"): "(404)",
        ("prefix.com", "/foo"): "s1",
        ("prefix.com", "/foo/"): "s1",
        ("prefix.com", "/foo/bar"): "s1",
        ("prefix.com", "/foo?query=1"): "s1",
        ("prefix.com", "/foobar"): "(404)",
        ("prefix.com", "/FOO"): "(404)",
        ("prefix.com", "/aaa/bbb"): "s2",
        ("prefix.com", "/aaa/bbb/ccc"): "s2",
        ("prefix.com", "/aaa/bbbb"): "s3",
        ("prefix.com", "/aaa/ccc"): "s3",
        ("prefix.com", "/"): "(404)",
        ("slash.com", "/foo"): "s1",
        ("slash.com", "/foo/"): "s1",
        ("slash.com", "/aaa/bbb"): "s2",
        ("slash.com", "/aaa/bbb/ccc"): "s2",
        ("slash.com", "/aaa/bbbccc"): "(404)",
        ("mixed.com", "/foo"): "s2",
        ("mixed.com", "/foo/"): "s1",
        ("mixed.com", "/fo"): "s3",
        ("own.com", "/foo/bar"): "s1",
        ("own.com", "/foobar"): "(404)",
    }
    assert dict(zip(expected, asked(world, *expected), strict=True)) == expected


def test_conformance_default_backend(world: World) -> None:
    serve(world, ingress("default", defaultBackend=backend("s4")))
    questions = [("any.com", "/"), ("any.com", "/path"), ("other.org", "/a/b?c")]
    assert asked(world, *questions) == ["s4"] * 3
    serve(
        world,
        ingress("hosts", rule("one.com", ("/one", "Prefix", "s1"))),
        ingress("default", defaultBackend=backend("s4")),
    )
    assert asked(world, ("one.com", "/one"), ("one.com", "/two"), ("two.com", "/")) == ["s1", "s4", "s4"]


def test_conformance_ingress_class(world: World) -> None:
    served = serve(
        world,
        ingress("mine", rule("one.com", ("/", "Prefix", "s1")), ingressClassName="nginx"),
        ingress("foreign", rule("two.com", ("/", "Prefix", "s2")), ingressClassName="some-other"),
    )
    assert asked(world, ("one.com", "/"), ("two.com", "/")) == ["s1", "(404)"]
    assert [(item.object, item.reason) for item in served.problems] == [("ingress/default/foreign", "OtherClass")]


def test_conformance_load_balancing_goes_round_over_all_pods_and_all_workers(world: World) -> None:
    addresses = [f"127.2.0.{number}" for number in range(1, 11)]
    world.backends(*[f"{address}:8080=pod-{address}" for address in addresses])
    serve(
        world,
        ingress("lb", rule("lb.com", ("/", "Prefix", "many"))),
        services=[service("many")],
        pods=pods("many", *addresses),
    )
    counted = collections.Counter(world.get("lb.com").pod for _ in range(100))
    assert sorted(counted.values()) == [10] * 10, counted


def test_rules_without_a_host_are_for_every_host_that_has_no_better_rule(world: World) -> None:
    serve(
        world,
        ingress(
            "all",
            rule("", ("/", "Prefix", "s9"), ("/a/b", "Prefix", "s8"), ("/only", "Exact", "s7")),
            rule("*.foo.com", ("/w", "Prefix", "s6")),
            rule("one.foo.com", ("/a", "Prefix", "s1")),
        ),
    )
    expected = {
        ("one.foo.com", "/a/b"): "s1",
        ("one.foo.com", "/w/x"): "s6",
        ("one.foo.com", "/only"): "s7",
        ("one.foo.com", "/z"): "s9",
        ("two.foo.com", "/a/b/c"): "s8",
        ("else.org", "/"): "s9",
    }
    assert dict(zip(expected, asked(world, *expected), strict=True)) == expected


def test_a_backend_that_is_not_there_answers_503_and_all_else_serves(world: World) -> None:
    served = serve(
        world,
        ingress(
            "web", rule("web.com", ("/gone", "Prefix", "nobody"), ("/empty", "Prefix", "empty"), ("/", "Prefix", "s1"))
        ),
        services=[*SERVICES, service("empty")],
    )
    assert asked(world, ("web.com", "/gone/x"), ("web.com", "/empty"), ("web.com", "/")) == ["(503)", "(503)", "s1"]
    assert sorted(item.reason for item in served.problems) == ["NoPods", "ServiceNotFound"]


def test_the_older_of_two_that_claim_one_path_has_it(world: World) -> None:
    served = serve(
        world,
        ingress("new", rule("web.com", ("/a", "Prefix", "s2"), ("/b", "Prefix", "s2")), created="2026-02-01T00:00:00Z"),
        ingress("old", rule("web.com", ("/a/", "Prefix", "s1")), created="2026-01-01T00:00:00Z"),
    )
    assert asked(world, ("web.com", "/a"), ("web.com", "/b")) == ["s1", "s2"]
    assert [(item.object, item.reason) for item in served.problems] == [("ingress/default/new", "Conflict")]


def test_the_backend_sees_who_asked_and_not_what_he_says_of_himself(world: World) -> None:
    serve(world, ingress("web", rule("web.com", ("/", "Prefix", "s1"))))
    forged = ["X-Forwarded-For: 6.6.6.6", "X-Real-IP: 6.6.6.6", "X-Forwarded-Proto: https", "Forwarded: for=6.6.6.6"]
    forged += ["X-Forwarded-Host: evil", "Proxy: evil", "X-Request-ID: bad id"]
    flags = [part for text in forged for part in ("-H", text)]
    answer = world.get("web.com", "/a%20b//c?d=%2F&e", *flags, "--interface", "127.0.0.77")
    headers = answer.said["headers"]
    assert answer.said["uri"] == "/a%20b//c?d=%2F&e"
    assert headers["host"] == headers["x-forwarded-host"] == "web.com"
    assert headers["x-real-ip"] == headers["x-forwarded-for"] == "127.0.0.77"
    assert (headers["x-forwarded-proto"], headers["x-forwarded-port"]) == ("http", "80")
    given = headers["x-request-id"]
    assert re.fullmatch(r"[a-z0-9-]+-[0-9]+-[0-9]+\.[0-9]{3}-[0-9]+-[0-9]+", given)
    assert world.get("web.com", "/").said["headers"]["x-request-id"] != given
    assert not {"forwarded", "proxy", "upgrade"} & headers.keys()
    assert world.get("web.com", "/", "-H", "Host: web.com:8443").said["headers"]["host"] == "web.com:8443"
    assert world.get("web.com", "/", "-H", "X-Request-ID: id-1").said["headers"]["x-request-id"] == "id-1"


def test_tls_redirects_certificates_and_protocols(world: World) -> None:
    world.certificate("web", "web.com")
    pair = model.Pair(chain="", key="", digest="one")
    renamed = "mv {0}/tls/web.crt {0}/tls/{1}.crt; mv {0}/tls/web.key {0}/tls/{1}.key"
    world.target.run(["sh", "-c", renamed.format(ROOT, configuration.pair_name(pair))])
    tls = [{"hosts": ["web.com", "*.wild.com"], "secretName": "cert"}]
    serve(
        world,
        ingress("tls", rule("web.com", ("/", "Prefix", "s1")), rule("a.wild.com", ("/", "Prefix", "s2")), tls=tls),
        ingress("plain", rule("plain.com", ("/", "Prefix", "s3"))),
        ingress("no", rule("web.com", ("/no", "Prefix", "s4")), annotations={"ssl-redirect": "false"}),
        ingress("force", rule("plain.com", ("/force", "Prefix", "s5")), annotations={"force-ssl-redirect": "true"}),
        certificates={("default", "cert"): pair},
        thumbprints={"web.com": "t" * 43},
    )
    answer = world.get("web.com", "/a?b=1")
    assert (answer.status, answer.headers["location"]) == (308, "https://web.com/a?b=1")
    assert world.get("a.wild.com", "/").status == 308
    assert asked(world, ("plain.com", "/"), ("web.com", "/no"), ("plain.com", "/force")) == ["s3", "s4", "(308)"]
    answer = world.get("web.com", "/", scheme="https")
    assert answer.pod == "s1"
    assert answer.said["headers"]["x-forwarded-proto"] == "https"
    assert world.get("web.com", "/", "--http2", "-o", "/dev/null", "-w", "%{http_version}", scheme="https").body == "2"
    assert shown(world, "web.com") == shown(world, "a.wild.com") == "web.com"
    assert shown(world, "plain.com") == shown(world, "unknown.org") == "self-signed"
    assert world.get("web.com", "/", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0", scheme="https").status == 0
    assert world.get("web.com", "/", "--tls-max", "1.2", scheme="https").status == 200


def shown(world: World, host: str) -> str:
    """The name in the certificate that `host` shows."""
    argv = ["openssl", "s_client", "-connect", "127.0.0.1:443", "-servername", host]
    done = world.run(argv, input=b"", check=False)
    found = re.search(r"subject=.*CN ?= ?(\S+)", done.stdout)
    return found[1] if found else done.stdout + done.stderr


def test_acme_challenges_are_answered_before_anything_else(world: World) -> None:
    tls = [{"hosts": ["web.com"], "secretName": "cert"}]
    annotations = {"whitelist-source-range": "192.0.2.1", "force-ssl-redirect": "true"}
    clash = ("/.well-known/acme-challenge", "Prefix", "s1")
    serve(
        world,
        ingress(
            "tls",
            rule("web.com", clash, ("/", "Prefix", "s1")),
            rule("own.com", clash),
            tls=tls,
            annotations=annotations,
        ),
        ingress("own", rule("free.com", clash)),
        thumbprints={"web.com": "t" * 43},
    )
    at = "/.well-known/acme-challenge/"
    answer = world.get("web.com", f"{at}Token_-09")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, f"Token_-09.{'t' * 43}", "text/plain")
    assert [world.get("web.com", at + wrong).status for wrong in ("", "a.b", "a/b", "a%0d%0ab", "x" * 129)] == [404] * 5
    assert world.get("free.com", f"{at}token").pod == "s1"


def test_annotations_guard_and_bound(world: World) -> None:
    users = b"ada:{SHA}" + base64.b64encode(bytes.fromhex("8843d7f92416211de9ebb963ff4ce28125932878")) + b"\n"
    auth = {"auth-type": "basic", "auth-secret": "users", "auth-realm": "The 'inner' room; {1}"}
    served = serve(
        world,
        ingress("auth", rule("auth.com", ("/", "Prefix", "s1")), annotations=auth),
        ingress("missing", rule("missing.com", ("/", "Prefix", "s1")), annotations={**auth, "auth-secret": "nothing"}),
        ingress("in", rule("in.com", ("/", "Prefix", "s1")), annotations={"whitelist-source-range": "127.0.0.0/8"}),
        ingress(
            "out", rule("out.com", ("/", "Prefix", "s1")), annotations={"whitelist-source-range": "10.0.0.0/8, ::1"}
        ),
        ingress("bad", rule("bad.com", ("/", "Prefix", "s1")), annotations={"whitelist-source-range": "all; }"}),
        ingress("url", rule("url.com", ("/", "Prefix", "s1")), annotations={"auth-url": "http://auth"}),
        ingress("small", rule("small.com", ("/", "Prefix", "s1")), annotations={"proxy-body-size": "1k"}),
        ingress("big", rule("big.com", ("/", "Prefix", "s1")), annotations={"proxy-body-size": "0"}),
        ingress("slow", rule("slow.com", ("/", "Prefix", "s1")), annotations={"proxy-read-timeout": "1"}),
        ingress("snippet", rule("snippet.com", ("/", "Prefix", "s1")), annotations={"server-snippet": "return 418;"}),
        secrets={("default", "users"): {"auth": users}},
    )
    world.target.run(["chgrp", "-R", "www-data", "/run/ingress-test/users"])
    answer = world.get("auth.com")
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "basic realm=\"the 'inner' room; {1}\"")
    assert [world.get("auth.com", "/", "-u", given).status for given in ("ada:foobar", "ada:wrong")] == [200, 401]
    hosts = ["missing.com", "in.com", "out.com", "bad.com", "url.com", "snippet.com"]
    assert [world.get(host).status for host in hosts] == [503, 200, 403, 503, 503, 200]
    data = ["--data-binary", "x" * 1025]
    assert [world.get(host, "/", *data).status for host in ("small.com", "big.com")] == [413, 200]
    start = time.monotonic()
    assert world.get("slow.com", "/slow?seconds=8").status == 504
    assert time.monotonic() - start < 6
    reasons = {(item.object.rpartition("/")[2], item.reason) for item in served.problems}
    assert reasons == {
        ("missing", "SecretMissing"),
        ("bad", "InvalidAnnotation"),
        ("url", "UnsupportedAnnotation"),
        ("snippet", "UnsupportedAnnotation"),
    }


def test_rewriting_and_regular_expressions_as_ingress_nginx_does(world: World) -> None:
    serve(
        world,
        ingress(
            "groups",
            rule("re.com", ("/api(/|$)(.*)", "ImplementationSpecific", "s1"), ("/old/([0-9]{2,3})$", "Prefix", "s2")),
            annotations={"rewrite-target": "/$2"},
        ),
        ingress("flat", rule("flat.com", ("/a", "Prefix", "s3")), annotations={"rewrite-target": "/new?x=1"}),
        ingress(
            "regex", rule("use.com", ("/v[12]/.+", "ImplementationSpecific", "s4")), annotations={"use-regex": "true"}
        ),
    )
    uris = [
        ("re.com", "/api"),
        ("re.com", "/api/a/b?q=1"),
        ("re.com", "/API/x%20y"),
        ("flat.com", "/a/b"),
        ("use.com", "/v2/x"),
    ]
    found = [(answer.pod, answer.said["uri"]) for answer in (world.get(*uri) for uri in uris)]
    assert found == [("s1", "/"), ("s1", "/a/b?q=1"), ("s1", "/x%20y"), ("s3", "/new?x=1"), ("s4", "/v2/x")]
    assert asked(world, ("re.com", "/apis"), ("use.com", "/v3/x"), ("re.com", "/old/1")) == ["(404)"] * 3
    assert world.get("re.com", "/old/22").pod == "s2"


def test_a_pod_that_is_gone_is_passed_over_and_one_slow_address_closes_nothing(world: World) -> None:
    dead, slow = pods("half", "127.3.0.1", "127.1.1.1"), pods("slow", "127.1.1.1", "127.1.2.1")
    serve(
        world,
        ingress("half", rule("half.com", ("/", "Prefix", "half"))),
        ingress("slow", rule("slow.com", ("/", "Prefix", "slow")), annotations={"proxy-read-timeout": "1"}),
        services=[service("half"), service("slow")],
        pods=[*dead, *slow],
    )
    assert [world.get("half.com", "/", *flags).status for flags in ([], ["-X", "POST"], []) for _ in range(3)] == [
        200
    ] * 9
    assert world.get("slow.com", "/slow?seconds=20").status == 504
    assert [world.get("slow.com").status for _ in range(8)] == [200] * 8


def test_connections_to_pods_are_kept(world: World) -> None:
    serve(world, ingress("web", rule("web.com", ("/", "Prefix", "s5"))))
    urls = ["http://web.com/"] * 7
    answer = world.get("web.com", "/", *urls)
    numbers = re.findall(r'"connection": (\d+)', answer.body)
    assert len(numbers) == 8
    assert len(set(numbers)) == 1


def test_websockets_go_through_and_h2c_does_not(world: World) -> None:
    serve(world, ingress("web", rule("web.com", ("/", "Prefix", "s1"))))
    script = """
import socket
with socket.create_connection(("127.0.0.1", 80), timeout=5) as one:
    one.sendall(b"GET /ws HTTP/1.1\\r\\nHost: web.com\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n\\r\\n")
    stream = one.makefile("rb")
    print(stream.readline().decode().split()[1])
    while stream.readline().strip():
        pass
    one.sendall(b"hello")
    print(stream.read(5).decode())
"""
    assert world.run(["python3", "-c", script]).stdout.split() == ["101", "hello"]
    answer = world.get(
        "web.com",
        "/",
        "-H",
        "Connection: Upgrade, HTTP2-Settings",
        "-H",
        "Upgrade: h2c",
        "-H",
        "HTTP2-Settings: AAMAAABk",
    )
    assert answer.status == 200
    assert "upgrade" not in answer.said["headers"]


def test_answers_are_streamed(world: World) -> None:
    serve(world, ingress("web", rule("web.com", ("/", "Prefix", "s1"))))
    argv = ["curl", "-sN", "--max-time", "20", "--resolve", "web.com:80:127.0.0.1", "http://web.com/stream"]
    process = world.spawn(argv)
    assert process.stdout is not None
    assert process.stdout.readline() == "data: first\n"
    assert world.get("web.com", "/release").status == 200
    assert process.stdout.read().split("\n")[1] == "data: second"


def test_an_upload_of_a_gigabyte_is_streamed_and_never_on_a_disk(world: World) -> None:
    serve(world, ingress("web", rule("web.com", ("/", "Prefix", "s1")), annotations={"proxy-body-size": "2g"}))
    world.target.run(["truncate", "-s", "1G", "/var/tmp/ingress-upload"])
    try:
        process = world.spawn(
            [
                *["curl", "-s", "--max-time", "120", "--limit-rate", "400M", "-T", "/var/tmp/ingress-upload"],
                *["--resolve", "web.com:80:127.0.0.1", "http://web.com/upload"],
            ]
        )
        assert process.stdout is not None
        largest = 0
        while process.poll() is None:
            seen = world.target.run(["du", "-sk", "/run/ingress-test/prefix"], check=False).stdout.split()
            largest = max(largest, int(seen[0]))
        assert f'"bytes": {1 << 30}' in process.stdout.read()
        assert largest < 1024, f"{largest} kB in nginx's temporary files"
    finally:
        world.target.run(["rm", "-f", "/var/tmp/ingress-upload"])


def test_grpc_is_spoken_to_the_backend(world: World) -> None:
    """The backend is another nginx that takes HTTP/2 alone."""
    on = "listen 127.4.0.1:9000;\nhttp2 on;" if world.version() >= (1, 25, 1) else "listen 127.4.0.1:9000 http2;"
    answered = 'add_header grpc-status 0; default_type application/grpc; return 200 "$server_protocol $uri $http_te";'
    paths = "".join(f"{kind}_temp_path temp/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    text = f"events {{}} http {{ {paths} access_log off; server {{ {on} location / {{ {answered} }} }} }}"
    world.write("grpc.conf", text)
    world.start("grpc.conf", "grpc.pid")
    served = serve(
        world,
        ingress("grpc", rule("grpc.com", ("/", "Prefix", "rpc")), annotations={"backend-protocol": "GRPC"}),
        services=[service("rpc", target=9000)],
        pods=pods("rpc", "127.4.0.1"),
    )
    assert served.problems == ()
    flags = ["--http2", "-H", "TE: trailers", "-H", "Content-Type: application/grpc", "--data-binary", "x"]
    answer = world.get("grpc.com", "/pkg.Service/Method", *flags, scheme="https")
    assert answer.status == 200
    assert answer.body.split()[:2] == ["HTTP/2.0", "/pkg.Service/Method"]


def test_an_external_name_that_nobody_knows_breaks_nothing_else(world: World) -> None:
    external = services.Service(namespace="default", name="out", external_name="nobody.invalid")
    serve(
        world,
        ingress("web", rule("web.com", ("/out", "Prefix", "out"), ("/", "Prefix", "s1"))),
        services=[*SERVICES, external],
    )
    assert asked(world, ("web.com", "/out"), ("web.com", "/")) == ["(502)", "s1"]


def test_every_path_is_one_location_that_nginx_reads_as_the_same_path_or_a_problem(world: World) -> None:
    chance = random.Random(20260101)
    alphabet = "ab/${}();\"'\\# \t\n\r%20?~^*=@é.-_[]|<>&+,:!`"
    texts = {"/" + "".join(chance.choices(alphabet, k=chance.randint(1, 12))) for _ in range(400)}
    texts |= {'/"; return 418; #', "/a{b", "/$uri", "/${host}", "/\\", "/\\\\n", "/a b", "/%24%7B", "/~", "/'", "/\\t"}
    objects = []
    for text in sorted(texts):
        for kind in ("Exact", "Prefix"):
            objects.append(ingress(f"i{len(objects)}", rule("web.com", (text, kind, f"p{len(objects)}"))))
    named = [service(f"p{number}") for number in range(len(objects))]
    placed = [pod for number in range(len(objects)) for pod in pods(f"p{number}", "127.1.1.1")]
    served = rules.model_of(rules.in_order(objects), services=named, pods=placed)
    text = re.sub(r"proxy_pass http://default\.(p\d+)\.80\.http;", r'return 200 "\1";', world.render(served))
    world.configure(text)
    (server,) = [item for item in served.servers if item.host == "web.com"]
    claimed = {location.ingress for location in server.locations}
    assert claimed | {item.object for item in served.problems} == {rules.label(item) for item in objects}
    exact = [item for item in server.locations if item.match == "exact"]
    assert len(exact) > 100
    urls = [urllib.parse.quote(item.path) for item in exact]
    answer = world.get("web.com", urls[-1], *[f"http://web.com{url}" for url in urls[:-1]], "-w", "\n", timeout=60)
    assert answer.body.split() == [item.backend.name.split(".")[1] for item in exact]


def test_paths_that_quote_themselves_out_are_taken_literally(world: World) -> None:
    path = '/a"; return 418; # ${host} \\'
    serve(world, ingress("web", rule("web.com", (path, "Exact", "s1"))))
    assert world.get("web.com", urllib.parse.quote(path)).pod == "s1"
    with pytest.raises(quoting.Refused):
        quoting.text("/a\nreturn 418;")


def test_a_regular_expression_that_is_none_is_refused_by_nginx_alone(world: World) -> None:
    """So the reconciler can leave out the Ingress it is from: nothing but nginx's own test knows what PCRE takes."""
    annotations = {"use-regex": "true"}
    bad = ingress("bad", rule("web.com", ("/a(", "ImplementationSpecific", "s1")), annotations=annotations)
    served = rules.model_of([bad], services=SERVICES, pods=PODS)
    assert "missing" in world.refusal(world.render(served))


def test_reading_the_whole_configuration_gives_no_warning_and_the_same_bytes(world: World) -> None:
    made = functools.partial(
        serve, world, ingress("web", rule("web.com", ("/", "Prefix", "s1")), tls=[{"hosts": ["web.com"]}])
    )
    assert world.render(made()) == world.render(made())
