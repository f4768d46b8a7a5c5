"""`skate apply`."""

from __future__ import annotations

import datetime

import click

from skate import (
    catalogue,
    conflicts,
    deploying,
    issuing,
    kinds,
    manifests,
    publishing,
    registry,
    sealing,
    session,
    terminal,
    tlspairs,
)
from skate.cli import options
from skate.cli.main import Globals
from skate.errors import SkateError


@click.command()
@options.filenames
@click.option("-n", "--namespace", default="", help="The namespace of objects that name none.")
@click.option(
    "--validate",
    type=click.Choice(["strict", "warn", "ignore"]),
    default="strict",
    show_default=True,
    help="What to do about fields that Kubernetes does not know or skate does not do.",
)
@click.option(
    "--dry-run",
    type=click.Choice(["none", "client", "server"]),
    default="none",
    show_default=True,
    help="client: only validate. server: also show the plan against the cluster.",
)
@options.wait
@options.without_quorum
@click.pass_obj
def apply(
    flags: Globals,
    filenames: tuple[str, ...],
    recursive: bool,
    namespace: str,
    validate: str,
    dry_run: str,
    wait: bool,
    timeout: float,
    without_quorum: bool,
) -> int:
    """Make the cluster what the manifests say, and wait until every instance runs."""
    loaded = options.load(filenames, recursive=recursive, namespace=namespace, validate=validate)
    for warning in tlspairs.check(loaded.objects, now=datetime.datetime.now(datetime.UTC)):
        terminal.say(f"warning: {warning}", err=True)
    if dry_run == "client":
        for manifest in loaded.objects:
            terminal.say(f"{_name(catalogue.key_of(manifest.data))} created (dry run)")
        return 0
    settings = deploying.Settings(
        wait=wait, timeout=timeout, dry_run=dry_run == "server", without_quorum=without_quorum
    )
    cluster = deploying.require_cluster(registry.load(flags.registry_path).require(flags.context))
    return session.run(_apply(flags, cluster, loaded.objects, settings))


async def _apply(
    flags: Globals, cluster: registry.ClusterEntry, objects: list[manifests.Manifest], settings: deploying.Settings
) -> int:
    keys = [catalogue.key_of(manifest.data) for manifest in objects]
    moment = publishing.now()
    sealer = sealing.Sealer(sealing.of_cluster(cluster))
    accounts = issuing.Accounts(sealer)
    notes: list[str] = []
    warnings: list[str] = []

    def change(current: catalogue.Catalogue, target: session.Session) -> catalogue.Catalogue:
        base = deploying.with_registered_nodes(current, target)
        ready, on_secrets = sealer.sealed(objects, base)
        applied = catalogue.with_manifests(base, ready, now=moment)
        _check_namespaces(applied, keys)
        warnings[:], on_names = conflicts.check(applied, keys)
        applied, on_accounts = accounts.ensured(applied, now=moment)
        notes[:] = [*on_secrets, *on_names, *on_accounts]
        return deploying.placed_anew(applied, current, target)

    def announce(before: catalogue.Catalogue, after: catalogue.Catalogue) -> None:
        suffix = " (server dry run)" if settings.dry_run else ""
        for key in keys:
            old = before.objects.get(key)
            same = old is not None and old.manifest == after.objects[key].manifest
            word = "unchanged" if same else "configured" if old is not None else "created"
            terminal.say(f"{_name(key)} {word}{suffix}")
        for warning in warnings:
            terminal.say(f"warning: {warning}", err=True)
        for note in notes:
            terminal.say(f"note: {note}", err=True)

    async with session.open_session(cluster, registry_path=flags.registry_path) as target:
        return await deploying.deploy(
            target, change, settings=settings, touched=lambda before, after: keys, announce=announce
        )


def _check_namespaces(applied: catalogue.Catalogue, keys: list[catalogue.Key]) -> None:
    """Objects go into namespaces that exist, as in Kubernetes; `default` always does."""
    known = {"default", *(key[2] for key in applied.objects if key[0] == "Namespace")}
    missing = sorted({key[1] for key in keys if key[1] and key[1] not in known})
    if missing:
        raise SkateError(
            "nothing was changed: some namespaces do not exist",
            details=[f'namespaces "{name}" not found' for name in missing],
            hint="apply a Namespace of that name, in the same files if you like",
        )


def _name(key: catalogue.Key) -> str:
    return f"{kinds.of(key[0]).qualified}/{key[2]}"
