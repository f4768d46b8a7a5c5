"""What `create node` is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class NodeRequest:
    """One node to be created. What is left empty is taken from the registry when the node is known there, else a default."""

    cluster: str
    name: str
    host: str = ""
    """The address this machine reaches it by."""
    port: int = 0
    """0: 22."""
    user: str = ""
    """The operator's account on the host: root (the default), or one with sudo that asks for no password."""
    key: str = ""
    """The path of the operator's private key; empty: ssh's own defaults and agent."""
    peer_host: str = ""
    """The address the other nodes reach it by; empty: `host`."""
    subnet: str = ""
    """Empty: the first free /24 of the cluster's range."""
    deb: Path | None = None
    """The skatelet package; None: the one found, see package.find."""
    accept_host_key: str = ""
    """A host key that is known to be right: `algorithm base64`, or its fingerprint `SHA256:…`."""
    local: bool = False
    """The machine skate runs on: no SSH."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Empty: those it has."""
