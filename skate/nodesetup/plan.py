"""What of a node is missing on a host. Pure: desired and observed in, steps out; none when the node is complete."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from skate.nodesetup import facts, package
from skatelet.contract import bundle


class Step(enum.Enum):
    """In the order in which they are taken."""

    MEND = "finish an interrupted dpkg"
    NGINX = "install nginx"
    PACKAGE = "install skatelet"
    IDENTITY = "write the node's identity"
    KEY = "let the drop key in"
    SEAL_KEY = "write the key that Secrets are unsealed with"
    UNITS = "enable skatelet's units"


@dataclass(frozen=True, kw_only=True)
class Desired:
    """What a host should have to be a node."""

    identity: bundle.NodeIdentity
    coredns: package.Package
    package: package.Package
    keep_installed: bool = False
    """The host has a newer package than this machine; it stays."""
    key_line: str = ""
    """The drop key's line in authorized_keys; empty for a local node, which is reached without SSH."""
    seal_key: bytes = field(default=b"", repr=False)
    """What its seal key's file holds."""


def plan(desired: Desired, observed: facts.Facts) -> list[Step]:
    steps = []
    install = missing(desired, observed)
    if observed.dpkg_broken or {observed.package_state, observed.coredns_state} & set(package.HALFWAY):
        steps.append(Step.MEND)
    if not observed.nginx or observed.nginx_unit == "masked-runtime":
        steps.append(Step.NGINX)
    if install:
        steps.append(Step.PACKAGE)
    if observed.identity != desired.identity:
        steps.append(Step.IDENTITY)
    if desired.key_line and not has_key(observed.authorized_keys, desired.key_line):
        steps.append(Step.KEY)
    if observed.seal_key != desired.seal_key or observed.seal_key_open:
        steps.append(Step.SEAL_KEY)
    if install or not observed.units_active:
        steps.append(Step.UNITS)
    return steps


def has_key(authorized_keys: bytes, line: str) -> bool:
    """Whether the key of `line` is among them, with exactly the options of `line`; comments do not count."""
    wanted = line.split()[:3]
    lines = authorized_keys.decode(errors="replace").splitlines()
    return any(known.split()[:3] == wanted for known in lines)


def missing(desired: Desired, observed: facts.Facts) -> list[package.Package]:
    """The packages that are to be installed."""
    pairs = (
        (desired.package, observed.package_state, (observed.package_version, observed.package_inputs)),
        (desired.coredns, observed.coredns_state, (observed.coredns_version, observed.coredns_inputs)),
    )
    return [
        wanted
        for wanted, state, built in pairs
        if state != "installed" or (built != (wanted.version, wanted.inputs) and not desired.keep_installed)
    ]
