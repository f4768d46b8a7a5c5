"""nginx's configuration from the model: canonical, the same model gives the same bytes. Pure.

Works with nginx 1.22 to 1.26 as Debian and Ubuntu ship it, without any dynamic module. What was decided, and why:

- Requests and responses are streamed (no buffering): uploads of any size need no disk, and server-sent events arrive at once.
- A pod that refuses or does not take a connection within 2 s is passed over for 5 s. Every pod stands a second time as backup
  that is never passed over: else one slow address of an application, which times out on each pod, would close all of it.
- A request goes to another pod only as long as it may be repeated (nginx never repeats a POST that was sent), at most three
  times, and not after 10 s: what took a minute and failed would take another one.
- Idle connections to pods are closed after 4 s: application servers commonly close theirs after 5 s, and a POST that meets a
  connection just being closed cannot be repeated.
- Nothing that a client says of itself is passed on: X-Forwarded-* and X-Real-IP are what nginx saw.
- `Upgrade: h2c` is not passed on: the tunnel it opens would go around paths and passwords.
- Requests are logged only where an annotation asks for it; errors always.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from skatelet.ingress import model, quoting

CONFIGURATION = "nginx.conf"
SELF_SIGNED = "self-signed"
CHALLENGE = "/.well-known/acme-challenge"
SHUTDOWN_SECONDS = 600
"""How long workers of before a reload may go on for the sake of open connections (WebSockets)."""
TRIES = 3
FAIL_SECONDS = 5
KEEPALIVE = 64
_HTTP2_ON = (1, 25, 1)
_MEMBERS_PER_ZONE = 32
_DEFAULT = model.Options()

_TLS = """\
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:\
ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;
    ssl_prefer_server_ciphers off;
    ssl_session_cache shared:skate_tls:10m;
    ssl_session_timeout 1d;
    ssl_session_tickets off;
"""

_REQUEST_ID = "$hostname-$pid-$msec-$connection-$connection_requests"
"""One of its own for each request on all nodes. nginx' random $request_id took 8 % of all requests per second."""

_HEADERS = (
    ("Host", "$host$skate_port"),
    ("X-Request-ID", "$skate_request_id"),
    ("X-Real-IP", "$remote_addr"),
    ("X-Forwarded-For", "$remote_addr"),
    ("X-Forwarded-Host", "$host$skate_port"),
    ("X-Forwarded-Port", "$server_port"),
    ("X-Forwarded-Proto", "$scheme"),
    ("X-Forwarded-Scheme", '""'),
    ("Forwarded", '""'),
    ("Proxy", '""'),
)


def pair_name(pair: model.Pair | None) -> str:
    """The name in the tree, without its ending, of a certificate and its key."""
    return hashlib.sha256(pair.digest.encode()).hexdigest()[:32] if pair is not None else SELF_SIGNED


def render(served: model.Model, *, version: tuple[int, ...], account: str, resolver: str, ipv6: bool) -> str:
    """nginx's configuration.

    `version` is nginx's own, `account` the user its workers run as, `resolver` the address of the DNS server that external names
    are asked of, `ipv6` whether the host knows IPv6 at all.
    """
    lines = [
        f"# Written by skatelet; changes are lost. {CONFIGURATION} of skatelet-ingress.service.",
        f"user {account};",
        "worker_processes auto;",
        f"worker_shutdown_timeout {SHUTDOWN_SECONDS}s;",
        "error_log stderr error;",
        "events {",
        "    worker_connections 8192;",
        "}",
        "http {",
        *_http(),
    ]
    for upstream in _upstreams(served):
        lines += _upstream(upstream)
    for server in served.servers:
        lines += _server(server, version=version, resolver=resolver, ipv6=ipv6)
    return "\n".join([*lines, "}", ""])


def _http() -> list[str]:
    lines = [
        "    access_log off;",
        "    log_format skate '$remote_addr $host \"$request\" $status $body_bytes_sent $request_time'",
        "        ' $upstream_addr $upstream_response_time $skate_request_id';",
        "    server_tokens off;",
        "    server_names_hash_bucket_size 512;",
        "    server_names_hash_max_size 8192;",
        "    proxy_headers_hash_bucket_size 128;",
        "    large_client_header_buffers 4 16k;",
        "    reset_timedout_connection on;",
        f"    client_max_body_size {_DEFAULT.body_size};",
        *[f"    {kind}_temp_path temp/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")],
        '    map $http_host $skate_port { default ""; "~(?<port>:[0-9]{1,5})$" $port; }',
        "    map $http_x_request_id $skate_request_id"
        f' {{ default "{_REQUEST_ID}"; "~^(?<given>[A-Za-z0-9_-]{{1,128}})$" $given; }}',
        '    map $http_upgrade $skate_upgrade { default $http_upgrade; "~*h2c" ""; }',
        '    map $skate_upgrade $skate_connection { default upgrade; "" ""; }',
        *_TLS.splitlines(),
        "    proxy_http_version 1.1;",
        "    proxy_buffering off;",
        "    proxy_buffer_size 16k;",
        "    proxy_buffers 8 16k;",
        "    grpc_buffer_size 16k;",
        "    proxy_request_buffering off;",
        "    proxy_redirect off;",
    ]
    for kind in ("proxy", "grpc"):
        lines += [
            *[f"    {kind}_set_header {name} {value};" for name, value in _HEADERS],
            f"    {kind}_connect_timeout {_DEFAULT.connect_seconds}s;",
            f"    {kind}_read_timeout {_DEFAULT.read_seconds}s;",
            f"    {kind}_send_timeout {_DEFAULT.send_seconds}s;",
            f"    {kind}_next_upstream error timeout;",
            f"    {kind}_next_upstream_tries {TRIES};",
            f"    {kind}_next_upstream_timeout {_next_seconds(_DEFAULT)}s;",
            f"    {kind}_ssl_server_name on;",
            f"    {kind}_ssl_name $host;",
        ]
    return [
        *lines,
        "    proxy_set_header Upgrade $skate_upgrade;",
        "    proxy_set_header Connection $skate_connection;",
    ]


def _next_seconds(options: model.Options) -> int:
    return max(10, TRIES * options.connect_seconds)


def _upstreams(served: model.Model) -> list[model.Upstream]:
    found = {
        location.backend.name: location.backend
        for server in served.servers
        for location in server.locations
        if isinstance(location.backend, model.Upstream)
    }
    return [found[name] for name in sorted(found)]


def _upstream(upstream: model.Upstream) -> list[str]:
    addresses = [quoting.address(member.address, member.port) for member in upstream.members]
    zones = -(-2 * len(addresses) // _MEMBERS_PER_ZONE)
    lines = [
        f"    upstream {quoting.text(upstream.name)} {{",
        f"        zone {quoting.text(upstream.name)} {64 * zones}k;",
    ]
    if len(addresses) == 1:
        lines.append(f"        server {addresses[0]} max_fails=0;")
    else:
        lines += [f"        server {address} max_fails=1 fail_timeout={FAIL_SECONDS}s;" for address in addresses]
        lines += [f"        server {address} max_fails=0 backup;" for address in addresses]
    return [*lines, f"        keepalive {KEEPALIVE};", "        keepalive_timeout 4s;", "    }"]


def _server(server: model.Server, *, version: tuple[int, ...], resolver: str, ipv6: bool) -> list[str]:
    default = "" if server.host else " default_server"
    http2 = " http2" if version < _HTTP2_ON else ""
    lines = ["    server {"]
    for address in ("", "[::]:") if ipv6 else ("",):
        lines += [f"        listen {address}80{default};", f"        listen {address}443 ssl{http2}{default};"]
    if version >= _HTTP2_ON:
        lines.append("        http2 on;")
    pair = pair_name(server.certificate)
    lines += [
        f"        server_name {quoting.host(server.host) if server.host else '_'};",
        f"        ssl_certificate tls/{pair}.crt;",
        f"        ssl_certificate_key tls/{pair}.key;",
    ]
    if server.thumbprint:
        lines += _challenge(server.thumbprint)
    for heading, location in _headings(server):
        lines += [f"        location {heading} {{", *_location(location, resolver), "        }"]
    if not any(location.match == "prefix" and not location.path for location in server.locations):
        lines += ["        location / {", "            return 404;", "        }"]
    return [*lines, "    }"]


def _challenge(thumbprint: str) -> list[str]:
    """HTTP-01, answered without any state (RFC 8555, 8.3): who has the account's thumbprint answers every token."""
    token = f"^{CHALLENGE}/([A-Za-z0-9_-]{{1,128}})$".replace(".", "\\\\.")
    return [
        f"        location ^~ {CHALLENGE}/ {{",
        "            default_type text/plain;",
        f'            if ($uri ~ "{token}") {{',
        f'                return 200 "$1.{quoting.thumbprint(thumbprint)}";',
        "            }",
        "            return 404;",
        "        }",
    ]


def _headings(server: model.Server) -> Iterator[tuple[str, model.Location]]:
    """Every location with what nginx calls it. A prefix is two: itself, and all below it."""
    exact = {location.path for location in server.locations if location.match == "exact"}
    for location in server.locations:
        if location.match == "regex":
            yield f"~* {quoting.regex(location.path)}", location
        elif location.match == "exact" and location.path.endswith("/") and location.path != "/":
            # With `=` nginx would redirect the same path without the slash, which nobody asked for.
            yield f"~ {quoting.literal(location.path)}", location
        elif location.match == "exact":
            yield f"= {quoting.text(location.path)}", location
        elif not location.path:
            yield "/", location
        else:
            if location.path not in exact:
                yield f"= {quoting.text(location.path)}", location
            if not (server.thumbprint and location.path == CHALLENGE):
                yield quoting.text(f"{location.path}/"), location


def _location(location: model.Location, resolver: str) -> Iterable[str]:
    options, backend = location.options, location.backend
    yield f"            # {location.ingress}"
    if location.redirect:
        yield "            if ($scheme = http) {"
        yield "                return 308 https://$host$request_uri;"
        yield "            }"
    if options.access_log:
        yield "            access_log syslog:server=unix:/dev/log,nohostname,tag=ingress skate;"
    for network in options.deny:
        yield f"            deny {quoting.cidr(network)};"
    for network in options.allow:
        yield f"            allow {quoting.cidr(network)};"
    if options.allow:
        yield "            deny all;"
    if options.users:
        yield f"            auth_basic {quoting.realm(options.realm)};"
        yield f"            auth_basic_user_file users/{options.users};"
    if options.closed or backend is None:
        yield "            return 503;"
        return
    if options.body_size != _DEFAULT.body_size:
        yield f"            client_max_body_size {quoting.size(options.body_size)};"
    kind = "grpc" if options.protocol.startswith("grpc") else "proxy"
    yield from _times(options, kind)
    target = _target(backend)
    if isinstance(backend, model.External):
        yield f"            resolver {quoting.cidr(resolver).partition('/')[0]} valid=30s ipv6=off;"
        yield "            resolver_timeout 5s;"
        yield f"            {kind}_ssl_name {quoting.host_name(backend.name)};"
        yield f"            set $skate_backend {target};"
        target = "$skate_backend"
    if options.rewrite:
        pattern = f'"(?i)^{quoting.regex(location.path)[2:]}' if location.match == "regex" else "^"
        yield f"            rewrite {pattern} {quoting.rewrite(options.rewrite)} break;"
    yield f"            {kind}_pass {options.protocol}://{target};"


def _times(options: model.Options, kind: str) -> Iterable[str]:
    if options.connect_seconds != _DEFAULT.connect_seconds:
        yield f"            {kind}_connect_timeout {options.connect_seconds}s;"
        yield f"            {kind}_next_upstream_timeout {_next_seconds(options)}s;"
    if options.read_seconds != _DEFAULT.read_seconds:
        yield f"            {kind}_read_timeout {options.read_seconds}s;"
    if options.send_seconds != _DEFAULT.send_seconds:
        yield f"            {kind}_send_timeout {options.send_seconds}s;"


def _target(backend: model.Upstream | model.External) -> str:
    if isinstance(backend, model.External):
        return quoting.text(f"{quoting.host_name(backend.name)}:{backend.port}")
    return backend.name
