"""Reading the cluster for the verbs that only look: side by side, and honest about what could not be read."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Sequence

from skate import kinds, objects, registry, session, terminal
from skate.cli.main import Globals
from skate.errors import NodeError
from skatelet.contract import bundle


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def seen(flags: Globals) -> objects.Seen:
    """What every node of the chosen cluster says now. Nodes that cannot be reached are in it, with the reason."""
    cluster = registry.load(flags.registry_path).require(flags.context)
    return session.run(_seen(cluster, flags))


async def _seen(cluster: registry.ClusterEntry, flags: Globals) -> objects.Seen:
    async with session.open_session(cluster, registry_path=flags.registry_path, hurried=True) as target:
        await target.read()
        catalogue = await target.read_catalogue()
        return objects.Seen(
            catalogue=catalogue,
            nodes={name: _node_seen(view, catalogue.nodes.get(name)) for name, view in target.nodes.items()},
        )


def _node_seen(view: session.NodeView, known: bundle.Node | None) -> objects.NodeSeen:
    since = ""
    age = 0.0
    with contextlib.suppress(OverflowError, ValueError, OSError):  # a file can have any time
        moment = datetime.datetime.fromtimestamp(view.last_seen, datetime.UTC)
        if view.last_seen:
            since = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
            age = (now() - moment).total_seconds()
    return objects.NodeSeen(
        node=known or session.node_of(view.entry),
        reachable=view.reachable,
        connected=view.drop is not None,
        status=view.status,
        error=view.error,
        since=since,
        heartbeat_age=age,
    )


def require_any(found: objects.Seen, wanted: Sequence[tuple[kinds.Kind, list[str]]]) -> None:
    """Raise NodeError when no node at all could be read, unless it is only the nodes that were asked for."""
    asked = any(kind.kind != "Node" for kind, _ in wanted)
    if asked and found.nodes and not any(item.reachable for item in found.nodes.values()):
        raise NodeError("no node can be reached: this is what they said last", hint="see `skate get nodes`")


def warn_about_nodes(found: objects.Seen) -> None:
    """One line on stderr for each node that cannot be reached or read, whose status is stale, or whose clock is ahead."""
    from skate import printers

    for name, item in sorted(found.nodes.items()):
        ago = printers.age(item.since, now()) if item.since else ""
        if not item.reachable:
            last = f"; last seen {ago} ago" if ago else "; never seen from here"
            terminal.say(f"warning: node {name} {objects.trouble(item)}{last}", err=True)
        elif item.heartbeat_age > objects.STALE_SECONDS:
            hint = f"see `skate describe node {name}`"
            terminal.say(f"warning: the status of node {name} is stale: {ago} old; {hint}", err=True)
        elif item.reachable and item.heartbeat_age < -objects.SKEW_SECONDS:
            skew = printers.human_duration(-item.heartbeat_age)
            terminal.say(f"warning: the clock of node {name} is at least {skew} ahead of this machine's", err=True)
