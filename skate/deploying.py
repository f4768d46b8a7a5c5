"""What apply, delete and refresh have in common: publish a change, show the plan, wait, and say how it ended.

The plan and the progress go to stderr, kubectl's own lines (`deployment.apps/web configured`) to stdout: so a script reads the
same as from kubectl, and a person sees more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from skate import catalogue, kinds, publishing, registry, scheduling, sealing, session, terminal, waiting
from skate.errors import SkateError
from skate.nodesetup import arguments
from skatelet.contract import bundle

Placements = list[tuple[str, bundle.Placement]]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a change is carried out."""

    wait: bool = True
    timeout: float = 300.0
    """Seconds to wait for the instances, not counting the upload."""
    dry_run: bool = False
    without_quorum: bool = False


async def deploy(
    target: session.Session,
    change: publishing.Change,
    *,
    settings: Settings,
    touched: Callable[[catalogue.Catalogue, catalogue.Catalogue], Iterable[catalogue.Key]],
    announce: Callable[[catalogue.Catalogue, catalogue.Catalogue], None],
) -> int:
    """Publish `change` and see it through. Returns the exit code: 0 only when all is well.

    `touched` names the objects to wait for, out of the catalogues before and after; `announce` prints kubectl's lines once the
    change is published.
    """

    try:
        outcome = await publishing.publish(
            target, change, without_quorum=settings.without_quorum, dry_run=settings.dry_run, on_plan=show_plan
        )
    except asyncio.CancelledError:
        terminal.say("stopped before all was published: run the same again", err=True)
        raise
    announce(outcome.before, outcome.after)
    if settings.dry_run:
        return 0
    if outcome.published:
        terminal.say(f"generation {outcome.after.generation} dropped on {_names(outcome.dropped)}", err=True)
    elif outcome.dropped:
        terminal.say(f"generation {outcome.after.generation} caught up on {_names(outcome.dropped)}", err=True)
    word = "is" if outcome.published else "may be"
    for name, reason in sorted(outcome.behind.items()):
        terminal.say(f"warning: node {name} {word} behind: {reason}", err=True)
    healthy = not outcome.behind
    if settings.wait and outcome.after.generation:
        keys = set(touched(outcome.before, outcome.after))
        healthy = await _see_through(target, outcome, keys, settings.timeout) and healthy
    if outcome.behind:
        terminal.say(f"hint: when {_names(sorted(outcome.behind))} can be reached again: skate refresh", err=True)
    return 0 if healthy else 1


async def _see_through(
    target: session.Session, outcome: publishing.Outcome, keys: set[catalogue.Key], timeout: float
) -> bool:
    wanted = _placements(outcome.after, keys)
    gone = _placements(outcome.before, keys - outcome.after.objects.keys())
    shown: dict[str, str] = {}

    fresh = outcome.published or bool(outcome.dropped)

    def progress(judged: list[waiting.Judged]) -> None:
        for item in judged if fresh else ():
            if shown.get(item.name) != item.reason and item.reason not in {"Waking", "Taken"}:
                shown[item.name] = item.reason
                _line(f"  {item.name} on {item.node}: {item.reason}")
        pods = [item for item in judged if item.name.startswith("pod/")]
        done = sum(item.verdict is waiting.Verdict.RUNNING for item in pods)
        terminal.counter(f"  {done} of {len(pods)} done")

    try:
        result = await waiting.wait(
            target,
            outcome.after,
            wanted=wanted,
            gone=gone,
            dropped=outcome.dropped,
            timeout=timeout,
            fresh=fresh,
            on_change=progress,
        )
    except asyncio.CancelledError:
        _line("the nodes go on by themselves, see `skate get pods`")
        raise
    terminal.counter("")
    concerned = {placement.node for _, placement in [*wanted, *gone]} | set(outcome.dropped)
    silent = sorted(concerned - {item.node for item in result.judged})
    silent = [name for name in silent if name not in outcome.behind]
    for name in silent:
        reason = target.nodes[name].error if name in target.nodes else ""
        terminal.say(f"error: node {name} has not answered, nothing is known of its instances: {reason}", err=True)
    for item in result.failed:
        verb = "failed" if item.verdict is waiting.Verdict.FAILED else "is not there yet"
        reason = f"{item.reason}: {item.message}" if item.message else item.reason
        terminal.say(f"error: {item.name} on {item.node} {verb}: {reason}", err=True)
    if result.timed_out:
        terminal.say(
            f"error: timed out after {timeout:.0f} s; the nodes go on by themselves, see `skate get pods`", err=True
        )
    return not result.failed and not silent


def _placements(source: catalogue.Catalogue, keys: Iterable[catalogue.Key]) -> Placements:
    return [
        (key[1], placement)
        for key in sorted(keys)
        if key in source.objects
        for placement in source.objects[key].placements
    ]


def show_plan(before: catalogue.Catalogue, after: catalogue.Catalogue) -> None:
    """The plan, on stderr: `+` what comes, `~` what changes, `-` what goes, and how much stays."""
    unchanged = 0
    changes = {
        tuple(change.workload): change
        for change in scheduling.difference(catalogue.placed(before), catalogue.placed(after))
    }
    for key in sorted(before.objects.keys() | after.objects.keys()):
        sign = _sign(before.objects.get(key), after.objects.get(key))
        change = changes.get(key)
        if not sign and (change is None or change.empty):
            unchanged += 1
            continue
        terminal.say(f"{sign or '~'} {_describe(key)}", err=True)
        for line in _instance_lines(change) if change else ():
            terminal.say(f"    {line}", err=True)
    for name in sorted(after.nodes.keys()):
        if before.nodes.get(name) != after.nodes[name]:
            terminal.say(f"{'~' if name in before.nodes else '+'} node/{name}", err=True)
    if before.generation and before.cluster.network != after.cluster.network:
        terminal.say(f"~ network: {after.cluster.network}, was {before.cluster.network}", err=True)
    if unchanged:
        terminal.say(f"  {unchanged} unchanged", err=True)


def _sign(before: bundle.CatalogueObject | None, after: bundle.CatalogueObject | None) -> str:
    if before is None:
        return "+"
    if after is None:
        return "-"
    return "" if before.manifest == after.manifest else "~"


def _instance_lines(change: scheduling.Changes) -> list[str]:
    def at(item: scheduling.Placed) -> str:
        return f"{item.instance} on {item.node}" + (f" ({item.address})" if item.address else "")

    lines = [f"+ {at(item)}" for item in change.added]
    lines += [f"~ {at(new)}, was on {old.node}" for old, new in change.moved]
    lines += [f"~ {at(new)}" for _, new in change.replaced]
    return lines + [f"- {at(item)}" for item in change.removed]


def _describe(key: catalogue.Key) -> str:
    name = f"{kinds.of(key[0]).qualified}/{key[2]}"
    return f"{name} in {key[1]}" if key[1] else name


def _names(names: Iterable[str]) -> str:
    return ", ".join(names) or "no node"


def _line(text: str) -> None:
    terminal.counter("")
    terminal.say(text, err=True)


def with_registered_nodes(current: catalogue.Catalogue, target: session.Session) -> catalogue.Catalogue:
    """The catalogue with what this machine's registry has and it has not: nodes, the key that Secrets are sealed to, and how
    nodes are to reach each other where `skate create cluster --network` has said so here; and with nodes that have moved.

    Raises SkateError when two disagree about a node.
    """
    for entry in target.cluster.nodes:
        known = current.nodes.get(entry.name)
        if known is not None and known.subnet != entry.subnet:
            raise SkateError(
                f"node {entry.name}: the registry says its subnet is {entry.subnet}, the cluster says {known.subnet}",
                hint="run `skate create node` for it again",
            )
    if not current.cluster.seal_key:
        current = sealing.with_key(current, sealing.of_cluster(target.cluster))
    if target.cluster.network:
        current = replace(current, cluster=current.cluster.model_copy(update={"network": target.cluster.network}))
    current = catalogue.with_nodes(current, [session.node_of(entry) for entry in target.cluster.nodes])
    return replace(current, nodes={node.name: _moved(node, target) for node in current.nodes.values()})


def _moved(node: bundle.Node, target: session.Session) -> bundle.Node:
    """The node as it is reached today.

    Which address other nodes reach it by is its own word (`create node --peer-host` has written it there, and its status says it
    first of all addresses), so that no registry that is older brings an earlier address back. Its port of sshd is that of a
    registry that reaches it there at the same host.
    """
    view = target.nodes.get(node.name)
    if view is None or not view.reachable or view.status is None:
        return node
    changes: dict[str, object] = {}
    said = next(iter(view.status.info.addresses), "")
    if said and said != node.peer_host and arguments.is_host(said):
        changes["peer_host"] = said
    if view.entry.host and view.entry.host == node.host and view.entry.port != node.port:
        changes["port"] = view.entry.port
    return node.model_copy(update=changes) if changes else node


def placed_anew(
    changed: catalogue.Catalogue, former: catalogue.Catalogue, target: session.Session
) -> catalogue.Catalogue:
    """The changed catalogue with every instance scheduled on the nodes as they are now."""
    return catalogue.place(
        changed,
        former,
        session.statuses(target),
        {view.entry.name for view in target.reachable if view.status is not None},
    )


def require_cluster(cluster: registry.ClusterEntry) -> registry.ClusterEntry:
    """The cluster, if it has nodes to deploy to. Raises SkateError when it has none."""
    if not cluster.nodes:
        raise SkateError(
            f"cluster {cluster.name} has no nodes",
            hint="add one with `skate create node --name NAME --host HOST`",
        )
    return cluster
