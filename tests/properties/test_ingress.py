"""What holds for all values and all rules: nothing gets out of its quotes, and each request finds the rule that is its own.

The reader of nginx's language here is written after ngx_conf_file.c; that nginx reads the same is tried on nodes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import hypothesis
from hypothesis import strategies

from skatelet.ingress import configuration, quoting, rules
from tests.fleet.ingress_world import ingress, pods, rule, service

HOSTS = ["", "a.com", "b.a.com", "*.a.com"]
PATHS = ["/", "/a", "/a/", "/a/b", "/ab", "/a/b/c", "/b"]
REQUESTS = ["/", "/a", "/a/", "/a/b", "/a/bc", "/ab", "/a/b/c/d", "/b/x", "/c"]
ASKED = ["a.com", "b.a.com", "x.a.com", "x.y.a.com", "other.org"]
SERVICES = [service(f"s{number}") for number in range(8)]
PODS = [pod for number in range(8) for pod in pods(f"s{number}", f"10.66.1.{number + 10}")]


def tokens(text: str) -> Iterator[str]:
    """nginx's words, and `{`, `}` and `;` by themselves where they are syntax."""
    place = 0
    while place < len(text):
        sign = text[place]
        if sign.isspace():
            place += 1
        elif sign == "#":
            place = text.index("\n", place)
        elif sign in "{};":
            yield f"syntax {sign}"
            place += 1
        elif sign in "\"'":
            word, place = "", place + 1
            while text[place] != sign:
                if text[place] == "\\" and text[place + 1] in "\"'\\":
                    place += 1
                elif text[place] == "\\" and text[place + 1] in "trn":
                    raise AssertionError("nginx would read a control character")
                word, place = word + text[place], place + 1
            place += 1
            yield word
        else:
            found = re.compile(r"(?:\\.|\$\{|[^\s;{])+", re.DOTALL).match(text, place)
            assert found is not None
            yield found[0]
            place = found.end()


def statements(text: str) -> list[list[str]]:
    """Each simple directive and each block's beginning, as words; blocks end with `}`."""
    found: list[list[str]] = [[]]
    for token in tokens(text):
        if token in ("syntax ;", "syntax {"):
            found.append([])
        elif token == "syntax }":
            found[-1].append("}")
            found.append([])
        else:
            found[-1].append(token)
    return [words for words in found if words]


@hypothesis.settings(max_examples=1000)
@hypothesis.given(strategies.text(max_size=30) | strategies.text(alphabet="\\\"'${};# \n\ttrn/", max_size=12))
def test_any_text_is_one_word_that_reads_as_the_same_text_or_is_refused(value: str) -> None:
    try:
        quoted = quoting.text(value)
    except quoting.Refused:
        assert re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", value)
        return
    assert list(tokens(quoted)) == [value]


@hypothesis.settings(max_examples=500)
@hypothesis.given(
    strategies.text(alphabet="ab/${};\"'\\# \n%20?~^*=()[]|.", max_size=14).map(lambda text: "/" + text),
    strategies.sampled_from(["Exact", "Prefix", "ImplementationSpecific"]),
    strategies.dictionaries(
        strategies.sampled_from(
            ["use-regex", "rewrite-target", "auth-realm", "proxy-body-size", "whitelist-source-range"]
        ),
        strategies.sampled_from(["true", "/$1", '"; return 418; #', "}", "$host", "10.0.0.0/8", "1m"]),
    ),
)
def test_no_path_and_no_annotation_makes_a_directive_of_its_own(path, kind, annotations) -> None:
    served = rules.model_of(
        [ingress("a", rule("a.com", (path, kind, "s1")), annotations=annotations)], services=SERVICES, pods=PODS
    )
    text = configuration.render(served, version=(1, 26, 3), account="nobody", resolver="10.66.1.1", ipv6=True)
    found = statements(text)
    locations = [words for words in found if words[0] == "location"]
    own = len([words for words in locations if words != ["location", "/"]])
    assert sum(words[0] == "server" and len(words) == 1 for words in found) == 2
    assert {words[0] for words in found} <= DIRECTIVES
    assert ["return", "418"] not in found
    assert own <= 2


DIRECTIVES = set(
    [
        "user",
        "worker_processes",
        "worker_shutdown_timeout",
        "error_log",
        "events",
        "worker_connections",
        "http",
        "access_log",
        "log_format",
        "server_tokens",
        "server_names_hash_bucket_size",
        "server_names_hash_max_size",
        "large_client_header_buffers",
        "map",
        "default",
        "reset_timedout_connection",
        "client_max_body_size",
        "client_body_temp_path",
        "fastcgi_temp_path",
        "uwsgi_temp_path",
        "scgi_temp_path",
        "upstream",
        "zone",
        "server",
        "keepalive",
        "keepalive_timeout",
        "listen",
        "http2",
        "server_name",
        "location",
        "if",
        "return",
        "allow",
        "deny",
        "rewrite",
        "}",
    ]
) | {"", "~(?<port>:[0-9]{1,5})$", "~^(?<given>[A-Za-z0-9_-]{1,128})$", "~*h2c"}
DIRECTIVES |= {
    f"{kind}_{name}"
    for kind in ("proxy", "grpc")
    for name in [
        "pass",
        "set_header",
        "connect_timeout",
        "read_timeout",
        "send_timeout",
        "next_upstream",
        "next_upstream_tries",
        "next_upstream_timeout",
        "ssl_server_name",
        "ssl_name",
        "buffering",
        "buffer_size",
        "buffers",
        "request_buffering",
        "redirect",
        "http_version",
        "temp_path",
        "headers_hash_bucket_size",
    ]
}
DIRECTIVES |= {
    f"ssl_{name}"
    for name in [
        "protocols",
        "ciphers",
        "prefer_server_ciphers",
        "session_cache",
        "session_timeout",
        "session_tickets",
        "certificate",
        "certificate_key",
    ]
}

RULES = strategies.lists(
    strategies.tuples(
        strategies.sampled_from(HOSTS), strategies.sampled_from(PATHS), strategies.sampled_from(["Exact", "Prefix"])
    ),
    unique_by=lambda item: (item[0], item[1] if item[2] == "Exact" else item[1].rstrip("/"), item[2]),
    min_size=1,
    max_size=8,
)


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(RULES)
def test_each_request_finds_the_rule_that_kubernetes_says(given: list[tuple[str, str, str]]) -> None:
    objects = [ingress("a", *[rule(host, (path, kind, f"s{n}")) for n, (host, path, kind) in enumerate(given)])]
    served = rules.model_of(objects, services=SERVICES, pods=PODS)
    assert served.problems == ()
    text = configuration.render(served, version=(1, 26, 3), account="nobody", resolver="10.66.1.1", ipv6=True)
    servers = read(text)
    for host in ASKED:
        for path in REQUESTS:
            assert found(servers, host, path) == expected(given, host, path), (host, path)


def expected(given: list[tuple[str, str, str]], host: str, path: str) -> str:
    """By the words of Kubernetes: the most specific host that has a rule for the path, the longest path, Exact first."""
    parent = f"*.{host.partition('.')[2]}"
    for level in (host, parent, ""):
        matching = []
        for number, (name, wanted, kind) in enumerate(given):
            if name != level:
                continue
            plain = wanted.rstrip("/")
            if kind == "Exact" and wanted == path:
                matching.append((1, len(wanted), number))
            elif kind == "Prefix" and (path + "/").startswith(plain + "/"):
                matching.append((0, len(plain), number))
        if matching:
            return f"http://default.s{max(matching)[2]}.80.http"
    return "404"


def read(text: str) -> dict[str, list[tuple[list[str], str]]]:
    """By server name: each location's words, and where it leads."""
    servers: dict[str, list[tuple[list[str], str]]] = {}
    name, heading = "", [""]
    for words in statements(text):
        if words[0] == "server_name":
            name = words[1]
            servers[name] = []
        elif words[0] == "location":
            heading = words[1:]
        elif words[0] in ("proxy_pass", "return") and name:
            servers[name].append((heading, words[1]))
    return servers


def found(servers: dict[str, list[tuple[list[str], str]]], host: str, path: str) -> str:
    """By the words of nginx: exact name, then regular expressions, then the default; `=`, then `~`, then the longest prefix.

    https://nginx.org/en/docs/http/ngx_http_core_module.html#location
    """
    patterns = [name for name in servers if name.startswith("~") and re.search(name[1:], host)]
    locations = servers[host if host in servers else patterns[0] if patterns else "_"]
    for heading, target in locations:
        if heading == ["=", path]:
            return target
    for heading, target in locations:
        if heading[0] == "~" and re.search(heading[1].replace("\\z", "\\Z"), path):
            return target
    prefixes = [
        (len(heading[0]), target) for heading, target in locations if len(heading) == 1 and path.startswith(heading[0])
    ]
    return max(prefixes)[1]
