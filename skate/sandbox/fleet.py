"""A sandbox as a whole: create, list, delete.

`create` records what it is about to make before it makes it, so that `delete` can clean up after a create that was killed at any
point. A create that fails deletes what it has made, and reports the failure.
"""

from __future__ import annotations

import ipaddress
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from skate import registry
from skate.errors import SkateError
from skate.sandbox import host, machine, mirrors, network, node, rootfs, state

DEFAULT_NAME = "skate"


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """A finished sandbox and its nodes."""

    name: str
    subnet: str
    nodes: tuple[node.Node, ...]

    def node(self, name: str) -> node.Node:
        """The node of that name. Raises SkateError when there is none."""
        for item in self.nodes:
            if item.name == name:
                return item
        known = ", ".join(item.name for item in self.nodes)
        raise SkateError(f"sandbox {self.name} has no node {name!r}; it has: {known}", hint="see `skate sandbox list`")


def silent(_: str) -> None:
    """Progress that nobody wants to hear."""


def create(
    name: str = DEFAULT_NAME,
    *,
    nodes: int = 3,
    releases: Sequence[str] = (),
    bare: bool = False,
    deb: Path | None = None,
    registry_path: Path | None = None,
    progress: host.Progress = silent,
) -> Fleet:
    """Make a sandbox of `nodes` booted nodes and return it.

    `releases` is one for all, one a node, or empty for the machine's own. Unless `bare`, the cluster `name` is made in the
    registry and every node is set up by `create node`, with `deb` or the one it finds itself. Raises SkateError when it cannot
    be done; nothing is left behind then.
    """
    host.require_root()
    host.require_tools()
    host.require_cgroup2()
    chosen = spread_releases(list(releases), nodes)
    for release in chosen:
        rootfs.require(release)
    path = registry_path or registry.default_path()
    if not bare:
        _require_free_context(name, path)
    sandbox = _claim(name, chosen, registry_path=None if bare else path)
    try:
        rootfs.ensure(chosen, progress=progress)
        fleet = _boot(sandbox, progress=progress)
        if not bare:
            _set_up(fleet, path, deb, progress=progress)
        state.save(replace(state.require(name), complete=True))
    except BaseException:
        progress(f"removing what was made of sandbox {name}")
        delete(name, registry_path=path)
        raise
    return fleet


def spread_releases(releases: list[str], nodes: int) -> list[str]:
    """One release for each node. Raises SkateError when the numbers do not fit, or a release is unknown."""
    if not 1 <= nodes <= 100:
        raise SkateError(f"a sandbox of {nodes} nodes cannot be made", hint="give --nodes a number from 1 to 100")
    wanted = releases or [mirrors.default_release()]
    for release in wanted:
        if release not in mirrors.RELEASES:
            known = ", ".join(sorted(mirrors.RELEASES))
            raise SkateError(f"there is no release {release!r} for nodes", hint=f"choose of {known}")
    if len(wanted) == 1:
        return wanted * nodes
    if len(wanted) != nodes:
        raise SkateError(
            f"{len(wanted)} releases were given for {nodes} nodes", hint="give one for all, or one for each node"
        )
    return wanted


def _require_free_context(name: str, path: Path) -> None:
    if registry.load(path).cluster(name) is not None and state.load(name) is None:
        raise SkateError(
            f"{path} has a cluster {name!r} already, and it is not a sandbox's", hint="choose another sandbox NAME"
        )


def _claim(name: str, releases: list[str], *, registry_path: Path | None) -> state.Sandbox:
    """Record the sandbox that is to be made, with a subnet that nobody has."""
    state.check_name(name)
    with state.lock():
        if (state.root() / name).exists():
            raise SkateError(f"sandbox {name!r} exists already", hint=f"delete it first: `skate sandbox delete {name}`")
        others = [item for item in map(_record, state.names()) if item is not None]
        subnet = network.free_subnet([*network.machine_routes(), *(other.subnet for other in others)])
        records = [
            state.NodeRecord(
                name=f"node-{index + 1}",
                release=release,
                rootfs=rootfs.key(release),
                address=network.address(subnet, index),
            )
            for index, release in enumerate(releases)
        ]
        sandbox = state.Sandbox(name=name, subnet=subnet, registry=str(registry_path or ""), nodes=records)
        state.save(sandbox)
        return sandbox


def _boot(sandbox: state.Sandbox, *, progress: host.Progress) -> Fleet:
    sandbox.key.parent.mkdir(mode=0o700)
    comment = f"skate-sandbox-{sandbox.name}"
    host.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(sandbox.key)])
    made = replace(sandbox, nodes=[node.make(sandbox, record) for record in sandbox.nodes])
    known = "".join(f"{record.address} {record.host_key}\n" for record in made.nodes)
    made.known_hosts.write_text(known, encoding="ascii")
    state.save(made)
    network.create_bridge(made.bridge, made.subnet)
    fleet = _fleet(made)
    start(fleet.nodes, progress=progress)
    return fleet


def start(nodes: Sequence[node.Node], *, progress: host.Progress = silent) -> None:
    """Boot several nodes of one sandbox side by side and wait until all are up. The bridge is made anew if it is gone."""
    progress(f"booting {', '.join(f'{item.name} ({item.release}, {item.address})' for item in nodes)}")
    for item in nodes:
        sandbox = state.require(item.sandbox)
        network.create_bridge(sandbox.bridge, sandbox.subnet)
    _side_by_side(lambda item: item.start(), nodes)


def _side_by_side(action: Callable[[node.Node], None], nodes: Sequence[node.Node]) -> None:
    with ThreadPoolExecutor(max_workers=max(1, len(nodes))) as pool:
        list(pool.map(action, nodes))


def _set_up(fleet: Fleet, path: Path, deb: Path | None, *, progress: host.Progress) -> None:
    """Make the nodes skate's, side by side, by the same code that users run on their hosts."""
    from skate.nodesetup import cluster as cluster_setup
    from skate.nodesetup import node as node_setup
    from skate.nodesetup import request as node_request

    cluster_setup.create_cluster(registry_path=path, name=fleet.name, cidr=registry.DEFAULT_CIDR, progress=progress)
    # The first /24 of the range is never a node's; giving each its own here keeps their order, whoever is ready first.
    subnets = list(ipaddress.ip_network(registry.DEFAULT_CIDR).subnets(new_prefix=24))[1:]
    order = {item.name: index for index, item in enumerate(fleet.nodes)}

    def set_up(item: node.Node) -> None:
        request = node_request.NodeRequest(
            cluster=fleet.name,
            name=item.name,
            host=item.address,
            port=item.port,
            user="root",
            key=str(item.key),
            subnet=str(subnets[order[item.name]]),
            deb=deb,
            accept_host_key=item.host_key,
        )
        node_setup.create_node(request, registry_path=path, progress=lambda text: progress(f"{item.name}: {text}"))

    _side_by_side(set_up, fleet.nodes)


def load(name: str = DEFAULT_NAME) -> Fleet:
    """The sandbox of that name. Raises SkateError when there is none."""
    return _fleet(state.require(name))


def _fleet(sandbox: state.Sandbox) -> Fleet:
    nodes = tuple(node.of(sandbox, record) for record in sandbox.nodes)
    return Fleet(name=sandbox.name, subnet=sandbox.subnet, nodes=nodes)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A sandbox as `list` shows it; `complete` is False for one whose create has not ended, or was killed."""

    name: str
    complete: bool
    nodes: tuple[node.Node, ...]


def list_all() -> list[Row]:
    """Every sandbox on this machine, half-made ones included."""
    rows = []
    for name in state.names():
        record = _record(name)
        nodes = _fleet(record).nodes if record else ()
        rows.append(Row(name=name, complete=bool(record and record.complete), nodes=nodes))
    return rows


def _record(name: str) -> state.Sandbox | None:
    """What is recorded of a sandbox; None also for a record that cannot be read."""
    try:
        return state.load(name)
    except SkateError:
        return None


def delete(name: str = DEFAULT_NAME, *, registry_path: Path | None = None, progress: host.Progress = silent) -> bool:
    """Remove a sandbox, whatever state it is in, and its context. Returns False when there was none; that is no error."""
    host.require_root()
    state.check_name(name)
    directory = state.root() / name
    if not directory.exists():
        return False
    progress(f"deleting sandbox {name}")
    # The record may be gone or broken: what can be found by the directory's own name is removed all the same.
    sandbox = _record(name) or state.Sandbox(name=name, subnet="")
    records = {record.name: record for record in sandbox.nodes}
    _side_by_side(_end, [node.of(sandbox, record) for record in records.values()])
    network.delete_link(sandbox.bridge)
    for path in {Path(item) for item in (sandbox.registry, str(registry_path or "")) if item}:
        _forget_context(path, sandbox)
    state.forget(name)
    return True


def _end(item: node.Node) -> None:
    machine.kill(item.machine)
    network.delete_link(item.machine.port)


def _forget_context(path: Path, sandbox: state.Sandbox) -> None:
    """Take the sandbox's cluster and its drop key away; a cluster of that name that is not the sandbox's stays."""
    if not sandbox.registry or not path.exists():
        return
    with registry.edit(path) as content:
        cluster = content.cluster(sandbox.name)
        if cluster is None or any(Path(entry.key) != sandbox.key for entry in [*cluster.nodes, *cluster.pending]):
            return
        content.remove_cluster(sandbox.name)
    if cluster.drop_key and Path(cluster.drop_key).parent == path.absolute().parent / "keys":
        Path(cluster.drop_key).unlink(missing_ok=True)
    # What `skate get` remembers of the cluster's nodes, see session.
    shutil.rmtree(path.parent / "cache" / sandbox.name, ignore_errors=True)
