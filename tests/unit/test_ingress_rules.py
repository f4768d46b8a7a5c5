"""Which request goes where, as data; what nginx makes of it is tried on nodes (tests/fleet/test_ingress_nginx.py)."""

from __future__ import annotations

import pytest

from skatelet import services
from skatelet.ingress import configuration, model, quoting, rules
from skatelet.system import nginx
from tests.fleet.ingress_world import backend, ingress, pods, rule, service

WEB = service("web")
PODS = pods("web", "10.66.1.10", "10.66.2.10")


def made(*ingresses, services=(WEB,), pods=PODS, **more) -> model.Model:
    return rules.model_of(rules.in_order(ingresses), services=services, pods=pods, **more)


def members(served: model.Model, host: str, path: str = "") -> list[str]:
    (server,) = [item for item in served.servers if item.host == host]
    (location,) = [item for item in server.locations if item.path == path]
    assert isinstance(location.backend, model.Upstream)
    return [f"{item.address}:{item.port}" for item in location.backend.members]


def reasons(served: model.Model) -> list[tuple[str, str]]:
    return [(item.object.rpartition("/")[2], item.reason) for item in served.problems]


def to(name: str, port: int | str) -> dict:
    return {"host": "a.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend(name, port)}]}}


@pytest.mark.parametrize(
    ("name", "port", "expected"),
    [
        ("web", 80, ["10.66.1.10:8080", "10.66.2.10:8080"]),
        ("web", "http", ["10.66.1.10:8080", "10.66.2.10:8080"]),
        ("web.default.cluster.skate", 8081, ["10.66.1.10:8081", "10.66.2.10:8081"]),
        ("web.default.svc.cluster.skate", 80, ["10.66.1.10:8080", "10.66.2.10:8080"]),
        ("tool.other.cluster.skate", 9000, ["10.66.1.20:9000"]),
        ("tool.other.cluster.skate", "main", ["10.66.1.20:9100"]),
        ("named", 80, ["10.66.1.30:7001", "10.66.2.30:7002"]),
        ("portless", 6000, ["10.66.1.10:6000", "10.66.2.10:6000"]),
    ],
)
def test_a_backend_is_every_pod_that_stands_for_it_on_every_node(name, port, expected) -> None:
    def pod(namespace: str, app: str, address: str, number: int) -> services.Pod:
        port = services.Port(name="main", number=number)
        return services.Pod(
            namespace=namespace, name=app, node="n", address=address, labels={"app": app}, ports=(port,)
        )

    named = service("named", target="main")
    portless = services.Service(namespace="default", name="portless", selector={"app": "web"})
    more = [pod("other", "tool", "10.66.1.20", 9100)]
    more += [pod("default", "named", "10.66.1.30", 7001), pod("default", "named", "10.66.2.30", 7002)]
    served = made(ingress("a", to(name, port)), services=[WEB, named, portless], pods=[*PODS, *more])
    assert served.problems == ()
    assert members(served, "a.com") == expected


@pytest.mark.parametrize(
    ("name", "port", "reason"),
    [
        ("nobody", 80, "ServiceNotFound"),
        ("web", 81, "PortNotFound"),
        ("web", "https", "PortNotFound"),
        ("web", "80; }", "PortNotFound"),
        ("none.default.cluster.skate", 80, "NoPods"),
        ("web }", 80, "ServiceNotFound"),
        ("out", 80, "InvalidExternalName"),
    ],
)
def test_a_backend_that_leads_nowhere_is_a_problem_and_no_text(name, port, reason) -> None:
    out = services.Service(namespace="default", name="out", external_name="bad name;")
    served = made(ingress("a", to(name, port)), services=[WEB, out])
    assert reasons(served) == [("a", reason)]
    (server,) = [item for item in served.servers if item.host == "a.com"]
    assert [item.backend for item in server.locations] == [None]


def test_pods_of_a_former_version_are_members_until_nobody_has_them_any_more() -> None:
    old = pods("web", "10.66.1.99")
    gathered = {"web.default.cluster.skate": ["10.66.2.98", "10.66.1.10"]}
    served = made(ingress("a", to("web", 80)), serving=[*PODS, *old], gathered=gathered)
    assert members(served, "a.com") == [f"{a}:8080" for a in ("10.66.1.10", "10.66.1.99", "10.66.2.10", "10.66.2.98")]
    assert served.strangers == {"10.66.1.99", "10.66.2.98"}
    assert served.names == {"web.default.cluster.skate": ("10.66.1.10", "10.66.2.10")}


def test_the_order_in_which_ingresses_come_changes_nothing() -> None:
    one = ingress("one", rule("a.com", ("/", "Prefix", "web")), created="2026-01-01T00:00:00Z")
    two = ingress("two", rule("a.com", ("/", "Prefix", "web")), created="2026-01-01T00:00:00Z")
    assert made(one, two) == made(two, one)
    assert reasons(made(two, one)) == [("two", "Conflict")]


def test_the_oldest_default_backend_is_the_default() -> None:
    new = ingress("new", created="2026-03-01T00:00:00Z", defaultBackend=backend("other"))
    old = ingress("old", created="2026-01-01T00:00:00Z", defaultBackend=backend("web"))
    served = made(new, old)
    assert members(served, "") == ["10.66.1.10:8080", "10.66.2.10:8080"]
    assert reasons(served) == [("new", "Conflict")]


def test_a_host_that_is_none_is_a_problem_and_the_others_serve() -> None:
    served = made(
        ingress("a", *[rule(host, ("/", "Prefix", "web")) for host in ("a b.com", "x;y", "*.*.com", "good.com")])
    )
    assert [item.host for item in served.servers] == ["", "good.com"]
    assert reasons(served) == [("a", "InvalidHost")] * 3


@pytest.mark.parametrize(
    "path", ["foo", "/a//b", "/a/../b", "/a/.", "/%2e%2e/x", "/a%2Fb", "/a\nb", "/%00", "/%ff", "/" + "a" * 1100]
)
def test_a_path_that_no_request_can_have_is_a_problem(path) -> None:
    served = made(ingress("a", rule("a.com", (path, "Prefix", "web"))))
    assert reasons(served) == [("a", "InvalidPath")]
    assert all(not item.locations for item in served.servers)


def test_an_object_with_a_name_that_is_none_is_left_out() -> None:
    assert rules.in_order([ingress("a\n}", rule("a.com")), ingress("a", rule("b.com"), namespace="x y")]) == []


def test_a_certificate_goes_to_the_hosts_that_its_ingress_names() -> None:
    pair = model.Pair(chain="/c", key="/k", digest="1")
    tls = [{"hosts": ["a.com", "*.b.com"], "secretName": "cert"}, {"hosts": ["c.com"], "secretName": "later"}]
    hosts = ["a.com", "x.b.com", "c.com", "d.com"]
    item = ingress("a", *[rule(host, ("/", "Prefix", "web")) for host in hosts], tls=tls)
    served = made(item, certificates={("default", "cert"): pair}, thumbprints={"c.com": "t" * 43, "d.com": "no"})
    found = {server.host: server for server in served.servers}
    assert [found[host].certificate for host in hosts] == [pair, pair, None, None]
    assert [found[host].locations[0].redirect for host in hosts] == [True, True, True, False]
    assert [bool(found[host].thumbprint) for host in hosts] == [False, False, True, False]
    assert reasons(served) == [("a", "CertificatePending")]


def test_every_version_of_nginx_gets_the_words_it_knows() -> None:
    served = made(ingress("a", rule("a.com", ("/", "Prefix", "web"))))

    def text(*version: int) -> str:
        return configuration.render(served, version=version, account="nobody", resolver="10.66.1.1", ipv6=False)

    assert "listen 443 ssl http2;" in text(1, 24, 0)
    assert "http2 on" not in text(1, 25, 0)
    assert "http2 on;" in text(1, 25, 1)
    assert "ssl http2" not in text(1, 26, 3)
    assert "[::]" not in text(1, 26, 3)


@pytest.mark.parametrize("value", ["/$host", "/${1}", "/$0", "x", "/a b", '/"', "/;", "//evil.com", "/a\\"])
def test_a_rewrite_reads_no_variable_of_nginx(value) -> None:
    with pytest.raises(quoting.Refused):
        quoting.rewrite(value)


@pytest.mark.parametrize("value", ["1 m", "-1", "1t", "", "1m;", "99999999999"])
def test_a_size_is_a_size(value) -> None:
    with pytest.raises(quoting.Refused):
        quoting.size(value)


@pytest.mark.parametrize("value", ["/(?{code})", "/(?P<a>b)", "/(*COMMIT)", "/(a{999}){999}", "x"])
def test_a_regular_expression_is_plain_and_bounded(value) -> None:
    with pytest.raises(quoting.Refused):
        quoting.regex(value)


def test_what_nginx_says_is_told_without_what_is_another_each_time() -> None:
    text = (
        "2026/11/22 19:45:00 [warn] 7#7: low in /x:1\n"
        'nginx: [emerg] 12#12: pcre2_compile() failed: missing ) in "^/x(" in /run/tree-1/nginx.conf:111\n'
        "nginx: configuration file /run/tree-1/nginx.conf test failed\n"
    )
    assert nginx.reason(text) == 'pcre2_compile() failed: missing ) in "^/x("'
    assert nginx.reason('nginx: [emerg] unknown directive "x" in /a:1\n') == 'unknown directive "x"'


def test_who_listens_is_read_from_what_ss_prints() -> None:
    text = (
        'LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=12,fd=6),("nginx",pid=11,fd=6))\n'
        "LISTEN 0 511 [::]:443 [::]:*\n"
    )
    assert [(item.port, item.process, item.pid) for item in nginx.listening(text)] == [
        (80, "nginx", 11),
        (80, "nginx", 12),
        (443, "an unknown process", 0),
    ]
