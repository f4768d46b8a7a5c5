"""Reading the cluster for the verbs that only look: side by side, and honest about what could not be read."""

from __future__ import annotations

import asyncio
import datetime

import click

from skate import objects, registry, session
from skate.cli.main import Globals
from skatelet.contract import bundle


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def seen(flags: Globals) -> objects.Seen:
    """What every node of the chosen cluster says now. Nodes that cannot be reached are in it, with the reason."""
    cluster = registry.load(flags.registry_path).require(flags.context)
    return asyncio.run(_seen(cluster, flags))


async def _seen(cluster: registry.ClusterEntry, flags: Globals) -> objects.Seen:
    async with session.open_session(cluster, registry_path=flags.registry_path) as target:
        await target.read()
        catalogue = await target.read_catalogue()
        return objects.Seen(
            catalogue=catalogue,
            nodes={name: _node_seen(view, catalogue.nodes.get(name)) for name, view in target.nodes.items()},
        )


def _node_seen(view: session.NodeView, known: bundle.Node | None) -> objects.NodeSeen:
    since = ""
    age = 0.0
    if view.last_seen:
        moment = datetime.datetime.fromtimestamp(view.last_seen, datetime.UTC)
        since = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        age = (now() - moment).total_seconds()
    return objects.NodeSeen(
        node=known or session.node_of(view.entry),
        reachable=view.reachable,
        status=view.status,
        error=view.error,
        since=since,
        heartbeat_age=age,
    )


def warn_about_nodes(found: objects.Seen) -> None:
    """One line on stderr for each node that cannot be reached or whose status is stale."""
    from skate import printers

    for name, item in sorted(found.nodes.items()):
        ago = printers.age(item.since, now()) if item.since else ""
        if not item.reachable:
            last = f"; last seen {ago} ago" if ago else "; never seen from here"
            click.echo(f"warning: node {name} cannot be reached: {item.error}{last}", err=True)
        elif item.heartbeat_age > objects.STALE_SECONDS:
            click.echo(f"warning: the status of node {name} is stale: {ago} old", err=True)
