"""Which node is asked for, and which subnet it gets: the request against the registry, and against what the host says.

`resolve` is before anything is connected to; `reserve` when the host has been looked at. A reserved node is `pending` in the
registry: no member yet, but nobody else gets its subnet, and a run that goes on after an interruption finds its host key.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path

from skate import registry
from skate.errors import ConfigError, NodeError
from skate.nodesetup import arguments, facts
from skate.nodesetup.request import NodeRequest
from skatelet.contract import bundle

_LOCAL = "this machine"


def resolve(request: NodeRequest, cluster: registry.ClusterEntry) -> registry.NodeEntry:
    """The node as it should stand in the registry, its subnet still empty where it is to be allocated.

    Raises ConfigError with every problem that the arguments have by themselves and against the registry.
    """
    member = cluster.node(request.name)
    known = member or cluster.pending_node(request.name)
    problems = arguments.name_problems("node", request.name) + arguments.label_problems(request.labels)
    local = request.local or bool(member and member.local and not request.host)
    host = "" if local else request.host or (known.host if known else "")
    if request.local and request.host:
        problems.append("--local and --host exclude each other: a node is this machine or another")
    elif not local and not host:
        problems.append("--host is missing: the address of the machine, or --local for this one")
    # What is pending with another host was a slip of the pen: it counts for nothing.
    same = known if known and (known.host, known.local) == (host, local) else None
    entry = registry.NodeEntry(
        name=request.name,
        host=host,
        port=request.port or (same.port if same else 22),
        user=request.user or (same.user if same else "root"),
        key=os.path.abspath(os.path.expanduser(request.key)) if request.key else same.key if same else "",
        peer_host=request.peer_host or (same.peer_host if same else ""),
        subnet=request.subnet or (same.subnet if same else ""),
        host_key=same.host_key if same else "",
        local=local,
        labels=dict(request.labels) or (dict(same.labels) if same else {}),
    )
    problems += arguments.host_problems(host=host, port=entry.port, user=entry.user, peer_host=entry.peer_host)
    problems += _contradictions(entry, cluster)
    if request.subnet:
        problems += arguments.subnet_problems(request.subnet, name=request.name, cluster=cluster)
    if problems:
        raise ConfigError(f"node {request.name} cannot be created", details=problems)
    return entry


def reserve(
    entry: registry.NodeEntry, *, cluster: str, registry_path: Path, observed: facts.Facts
) -> tuple[registry.NodeEntry, Path | None]:
    """Give `entry` its subnet and reserve it in the registry. Returns it, and the path of the cluster's drop key, which a local
    node has no use for (None).

    Raises NodeError or ConfigError when the host belongs to another node, or when the subnet is not free.
    """
    place = entry.host or _LOCAL
    identity = observed.identity
    if identity is not None and (identity.cluster, identity.node) != (cluster, entry.name):
        raise NodeError(
            f"{place} is node {identity.node} of cluster {identity.cluster} already",
            hint=f"use that name, or free the host first: `apt-get purge skatelet` on {place}",
        )
    with registry.edit(registry_path) as content:
        current = content.require(cluster)
        subnet = _subnet(entry, cluster=current, identity=identity, networks=observed.networks or ())
        # Who joins a cluster that others set up has no say in how its nodes reach each other, unless asked to.
        peer_host = entry.peer_host or (identity.peer_host if identity else "") or entry.host
        chosen = entry.model_copy(update={"subnet": subnet, "peer_host": peer_host})
        if current.node(entry.name) is None:
            current.put_pending(chosen)
        if chosen.local:
            return chosen, None
        from skate.nodesetup import dropkey

        return chosen, dropkey.ensure(content, cluster, registry_path=registry_path)


def _contradictions(entry: registry.NodeEntry, cluster: registry.ClusterEntry) -> list[str]:
    problems = []
    member = cluster.node(entry.name)
    if member is not None and (member.host, member.local) != (entry.host, entry.local):
        problems.append(
            f"node {entry.name} is registered with {_where(member)}, not {_where(entry)}: take another name for another host"
        )
    if member is not None and entry.subnet != member.subnet:
        problems.append(
            f"node {entry.name} has the subnet {member.subnet}, not {entry.subnet}: it cannot be changed, its pods have"
            " addresses in it"
        )
    for other in cluster.nodes:
        same_place = other.local if entry.local else (other.host, other.port) == (entry.host, entry.port)
        if other.name != entry.name and entry.local == other.local and same_place:
            problems.append(f"{_where(entry)} is registered as node {other.name} already")
    return problems


def _where(entry: registry.NodeEntry) -> str:
    if entry.local:
        return _LOCAL
    return entry.host if entry.port == 22 else f"{entry.host}:{entry.port}"


def _subnet(
    entry: registry.NodeEntry,
    *,
    cluster: registry.ClusterEntry,
    identity: bundle.NodeIdentity | None,
    networks: facts.Networks,
) -> str:
    """The node's subnet: what it has, else what was asked for, else the first that is free here and on the host."""
    place = entry.host or _LOCAL
    own = [node.subnet for node in cluster.nodes] + ([identity.subnet] if identity else [])
    if identity is not None and entry.subnet and entry.subnet != identity.subnet:
        pending = cluster.pending_node(entry.name)
        if cluster.node(entry.name) or not pending or pending.subnet != entry.subnet:
            raise NodeError(
                f"{place} has the subnet {identity.subnet}, not {entry.subnet}: its pods have addresses in it",
                hint=f"leave --subnet-cidr out, or free the host first: `apt-get purge skatelet` on {place}",
            )
    subnet = identity.subnet if identity else entry.subnet
    if not subnet:
        ours = [ipaddress.IPv4Network(text) for text in own]
        foreign = [network for network, _ in networks if not any(network.subnet_of(known) for known in ours)]
        return registry.free_subnet(cluster, avoid=foreign)
    problems = arguments.subnet_problems(subnet, name=entry.name, cluster=cluster)
    problems += arguments.network_problems(subnet, host=place, networks=networks, own=own)
    if problems:
        raise ConfigError(
            f"node {entry.name} cannot have the subnet {subnet}",
            details=problems,
            hint="name another with --subnet-cidr, or leave it out to take the first that is free",
        )
    return subnet
