"""What nginx is to serve, as data: servers, their locations, and the upstreams these lead to. Free of nginx's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Match = Literal["exact", "prefix", "regex"]
Protocol = Literal["http", "https", "grpc", "grpcs"]


@dataclass(frozen=True, kw_only=True, order=True)
class Problem:
    """Something of an Ingress that is not served as it was written."""

    object: str
    """`ingress/<namespace>/<name>`"""
    reason: str
    """One CamelCase word"""
    message: str


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A certificate chain and its key, as files on the node."""

    chain: str
    key: str
    digest: str
    """Another one when the content of a file is another."""


@dataclass(frozen=True, kw_only=True, order=True)
class Member:
    """A pod's port."""

    address: str
    port: int


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """The pods that stand for one backend, on all nodes."""

    name: str
    members: tuple[Member, ...]


@dataclass(frozen=True, kw_only=True)
class External:
    """A backend outside the cluster (ExternalName): resolved when it is asked for."""

    name: str
    port: int


@dataclass(frozen=True, kw_only=True)
class Options:
    """What annotations say about the locations of one Ingress."""

    protocol: Protocol = "http"
    redirect: Literal["never", "tls", "always"] = "tls"
    """From HTTP to HTTPS: never, where the host has TLS, or always."""
    body_size: str = "1m"
    connect_seconds: int = 2
    read_seconds: int = 60
    send_seconds: int = 60
    rewrite: str = ""
    """The path sent to the backend, with $1 to $9 for the groups of a regular expression; empty: as it came."""
    regex: bool = False
    """Paths may be regular expressions."""
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    realm: str = ""
    """Basic auth: what the browser shows."""
    users: str = ""
    """Basic auth: the name of the file in the tree that users and passwords stand in; empty: no auth."""
    access_log: bool = False
    closed: bool = False
    """Something that guards these locations cannot be made: they answer 503 rather than be open."""


@dataclass(frozen=True, kw_only=True)
class Location:
    """One path of a server."""

    match: Match
    path: str
    """As nginx compares it: decoded, a prefix without a slash at its end (`/` alone is empty)."""
    ingress: str
    """The Ingress it comes from, as `ingress/<namespace>/<name>`."""
    backend: Upstream | External | None
    """None: nobody there, 503."""
    options: Options
    redirect: bool = False
    """HTTP is sent to HTTPS."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """One host."""

    host: str
    """A name, `*.` and a name, or empty for all that no other server has."""
    locations: tuple[Location, ...] = ()
    certificate: Pair | None = None
    """None: the self-signed one."""
    thumbprint: str = ""
    """Of the ACME account that this host's challenges are answered for; empty: the path belongs to the backend."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """All of it."""

    servers: tuple[Server, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Files of users and passwords, by name."""
    problems: tuple[Problem, ...] = ()
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By the DNS name of each backend: the addresses that the catalogue has for it."""
    strangers: frozenset[str] = frozenset()
    """Addresses among the members that are not in the catalogue: pods of a former version that still serve."""
