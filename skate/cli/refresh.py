"""`skate refresh`."""

from __future__ import annotations

import click

from skate import catalogue, deploying, registry, session, terminal
from skate.cli import options
from skate.cli.main import Globals


@click.command()
@options.wait
@options.without_quorum
@click.pass_obj
def refresh(flags: Globals, wait: bool, timeout: float, without_quorum: bool) -> int:
    """Bring every node to the current generation, and tell all of them of nodes that were added."""
    settings = deploying.Settings(wait=wait, timeout=timeout, without_quorum=without_quorum)
    cluster = deploying.require_cluster(registry.load(flags.registry_path).require(flags.context))
    return session.run(_refresh(flags, cluster, settings))


async def _refresh(flags: Globals, cluster: registry.ClusterEntry, settings: deploying.Settings) -> int:
    def change(current: catalogue.Catalogue, target: session.Session) -> catalogue.Catalogue:
        return deploying.with_registered_nodes(current, target)

    def announce(before: catalogue.Catalogue, after: catalogue.Catalogue) -> None:
        for name in sorted(after.nodes):
            known = before.nodes.get(name)
            word = "added" if known is None else "unchanged" if known == after.nodes[name] else "configured"
            terminal.say(f"node/{name} {word}")

    async with session.open_session(cluster, registry_path=flags.registry_path) as target:
        return await deploying.deploy(
            target, change, settings=settings, touched=lambda before, after: after.objects.keys(), announce=announce
        )
