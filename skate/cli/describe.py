"""`skate describe`."""

from __future__ import annotations

import click

from skate import descriptions, kinds, selectors, terminal
from skate.cli import get, reading
from skate.cli.main import Globals
from skate.errors import NotFoundError


@click.command()
@click.argument("targets", nargs=-1, metavar="TYPE [NAME…] | TYPE/NAME…")
@click.option("-n", "--namespace", default="default", show_default=True, help="The namespace to look in.")
@click.option("-A", "--all-namespaces", is_flag=True, help="Look in all namespaces.")
@click.option("-l", "--selector", default="", help="Only what has these labels.")
@click.pass_obj
def describe(flags: Globals, targets: tuple[str, ...], namespace: str, all_namespaces: bool, selector: str) -> None:
    """Tell all that is known of one or several objects, with the last events."""
    wanted = kinds.parse_targets(list(targets))
    requirements = selectors.parse(selector)
    found = reading.seen(flags)
    reading.warn_about_nodes(found)
    texts: list[str] = []
    missing: list[str] = []
    for kind, names in wanted:
        items = [
            item
            for item in get.COLLECTORS[kind.kind](found)
            if get.is_in(item, kind, namespace, all_namespaces)
            and selectors.matches(requirements, item["metadata"].get("labels"))
        ]
        # As kubectl: a name that is none is taken as the beginning of one.
        for name in names:
            chosen = [item for item in items if item["metadata"]["name"] == name] or [
                item for item in items if item["metadata"]["name"].startswith(name)
            ]
            if not chosen:
                missing.append(f'{kind.qualified_plural} "{name}" not found')
            texts += [descriptions.describe(item, found, reading.now()) for item in chosen]
        if not names:
            texts += [descriptions.describe(item, found, reading.now()) for item in items]
    if texts:
        terminal.say("\n\n\n".join(texts))
    if missing:
        raise NotFoundError(missing)
    reading.require_any(found, wanted)
    if not texts:
        get.say_none_found(wanted, namespace, all_namespaces)
