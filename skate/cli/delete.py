"""`skate delete`."""

from __future__ import annotations

import click

from skate import catalogue, deploying, kinds, registry, session, terminal
from skate.cli import options
from skate.cli.main import Globals
from skate.errors import NotFoundError, SkateError


@click.command()
@click.argument("targets", nargs=-1, metavar="TYPE NAME… | TYPE/NAME…")
@options.filenames
@click.option("-n", "--namespace", default="", help="The namespace to look in (default: default).")
@click.option("--ignore-not-found", is_flag=True, help="What is not there is no error.")
@options.wait
@options.without_quorum
@click.pass_obj
def delete(
    flags: Globals,
    targets: tuple[str, ...],
    filenames: tuple[str, ...],
    recursive: bool,
    namespace: str,
    ignore_not_found: bool,
    wait: bool,
    timeout: float,
    without_quorum: bool,
) -> int:
    """Remove objects, by TYPE NAME or by the files they were applied from, and wait until they are gone."""
    keys = _wanted(targets, filenames, recursive, namespace)
    settings = deploying.Settings(wait=wait, timeout=timeout, without_quorum=without_quorum)
    cluster = deploying.require_cluster(registry.load(flags.registry_path).require(flags.context))
    return session.run(_delete(flags, cluster, keys, settings, ignore_not_found=ignore_not_found))


def _wanted(
    targets: tuple[str, ...], filenames: tuple[str, ...], recursive: bool, namespace: str
) -> list[catalogue.Key]:
    if bool(targets) == bool(filenames):
        raise click.UsageError("name what to delete either as TYPE NAME or by -f")
    if filenames:
        loaded = options.load(filenames, recursive=recursive, namespace=namespace, validate="ignore")
        return [catalogue.key_of(manifest.data) for manifest in loaded.objects]
    keys: list[catalogue.Key] = []
    for kind, names in kinds.parse_targets(list(targets)):
        if kind.kind == "Node":
            raise SkateError(
                "skate does not delete nodes yet",
                hint="`apt-get purge skatelet` on it takes everything of skate's away",
            )
        if kind.kind == "Namespace" and "default" in names:
            raise SkateError('namespaces "default" is forbidden: this namespace may not be deleted')
        if not names:
            raise SkateError(
                "resource(s) were provided, but no name was specified", hint=f"see `skate get {kind.plural}`"
            )
        keys += [(kind.kind, (namespace or "default") if kind.namespaced else "", name) for name in names]
    return keys


async def _delete(
    flags: Globals,
    cluster: registry.ClusterEntry,
    keys: list[catalogue.Key],
    settings: deploying.Settings,
    *,
    ignore_not_found: bool,
) -> int:
    def change(current: catalogue.Catalogue, target: session.Session) -> catalogue.Catalogue:
        missing = [key for key in keys if key not in current.objects]
        if missing and not ignore_not_found:
            hint = "nothing was deleted; see `skate get`, or pass --ignore-not-found"
            raise NotFoundError([_not_found(key, current) for key in missing], hint=hint)
        return catalogue.without(current, keys)

    def announce(before: catalogue.Catalogue, after: catalogue.Catalogue) -> None:
        for key in keys:
            if key in before.objects:
                terminal.say(f'{kinds.of(key[0]).qualified} "{key[2]}" deleted')

    async with session.open_session(cluster, registry_path=flags.registry_path) as target:
        return await deploying.deploy(
            target,
            change,
            settings=settings,
            touched=lambda before, after: before.objects.keys() - after.objects.keys(),
            announce=announce,
        )


def _not_found(key: catalogue.Key, current: catalogue.Catalogue) -> str:
    text = f'{kinds.of(key[0]).qualified_plural} "{key[2]}" not found'
    for other, entry in current.objects.items():
        if other[1] == key[1] and any(placement.instance == key[2] for placement in entry.placements):
            return f"{text}: it is an instance of {kinds.of(other[0]).qualified}/{other[2]}; delete or change that"
    return text
