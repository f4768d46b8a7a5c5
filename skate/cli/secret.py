"""`skate secret`: what only who has the cluster's seal key can see."""

from __future__ import annotations

import click

from skate import catalogue, registry, sealing, session, terminal
from skate.cli.main import Globals
from skate.errors import ConfigError, NodeError, NotFoundError
from skatelet.contract import canonical


@click.group()
def secret() -> None:
    """See what Secrets hold."""


@secret.command()
@click.argument("name")
@click.option("-n", "--namespace", default="default", show_default=True, help="The Secret's namespace.")
@click.option("--key", default="", metavar="KEY", help="Print this one value, as it is, and nothing else.")
@click.pass_obj
def reveal(flags: Globals, name: str, namespace: str, key: str) -> None:
    """Print what the Secret NAME holds. Needs the cluster's seal key on this machine; no node is asked for it.

    \b
    skate secret reveal db
    skate secret reveal db -n shop --key password
    """
    cluster = registry.load(flags.registry_path).require(flags.context)
    pair = sealing.of_cluster(cluster)
    if pair is None:
        raise ConfigError(f"this machine has no seal key of cluster {cluster.name}", hint=sealing.FETCH)
    found = session.run(_read(flags, cluster))
    item = found.objects.get(("Secret", namespace, name))
    if item is None:
        raise NotFoundError([f'secrets "{name}" not found'])
    data = sealing.unseal(item.manifest, pair, found.cluster)
    if key and key not in data:
        raise NotFoundError([f'key "{key}" of secrets "{name}" not found'], hint=f"it has {', '.join(sorted(data))}")
    if key:
        terminal.value(data[key])
    else:
        terminal.say(_shown(data).removesuffix("\n"))


async def _read(flags: Globals, cluster: registry.ClusterEntry) -> catalogue.Catalogue:
    async with session.open_session(cluster, registry_path=flags.registry_path, hurried=True) as target:
        await target.read()
        if not target.reachable:
            details = [f"node {view.entry.name}: {view.error}" for view in target.unreachable]
            raise NodeError("no node can be reached", details=details, hint="see `skate get nodes`")
        return await target.read_catalogue()


def _shown(data: dict[str, bytes]) -> str:
    """Texts as stringData and everything else as data: what can stand in a manifest again."""
    import base64

    texts, others = {}, {}
    for name, value in sorted(data.items()):
        try:
            texts[name] = value.decode()
        except UnicodeDecodeError:
            others[name] = base64.b64encode(value).decode()
    parts = {"stringData": texts, "data": others}
    return canonical.dump({field: values for field, values in parts.items() if values}).decode()
