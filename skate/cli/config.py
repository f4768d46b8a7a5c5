"""`skate config`: which clusters this machine knows, and which is current. Words and columns are kubectl's."""

from __future__ import annotations

import click

from skate import terminal
from skate.cli.main import Globals


@click.group()
def config() -> None:
    """Show and choose contexts; a context is a cluster's name."""


@config.command("get-contexts")
@click.argument("name", required=False)
@click.option("-o", "--output", type=click.Choice(["name"]), help="Print names only.")
@click.option("--no-headers", is_flag=True, help="Print no column headers.")
@click.pass_obj
def get_contexts(flags: Globals, name: str | None, output: str | None, no_headers: bool) -> None:
    """List the contexts, the current one marked with `*`."""
    from skate import registry
    from skate.errors import ConfigError

    content = registry.load(flags.registry_path)
    if name is not None and content.cluster(name) is None:
        raise ConfigError(f"context {name} not found", hint="see `skate config get-contexts`")
    shown = [cluster for cluster in content.clusters if name in (None, cluster.name)]
    if output == "name":
        for cluster in shown:
            terminal.say(cluster.name)
        return
    rows = [] if no_headers else [("CURRENT", "NAME", "CIDR", "NODES")]
    for cluster in shown:
        mark = "*" if cluster.name == content.current_context else ""
        rows.append((mark, cluster.name, cluster.cidr, str(len(cluster.nodes))))
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    for row in rows:
        terminal.say("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@config.command("current-context")
@click.pass_obj
def current_context(flags: Globals) -> None:
    """Print the current context."""
    from skate import registry
    from skate.errors import ConfigError

    content = registry.load(flags.registry_path)
    if not content.current_context:
        raise ConfigError("current-context is not set", hint="choose one with `skate config use-context NAME`")
    terminal.say(content.current_context)


@config.command("use-context")
@click.argument("name")
@click.pass_obj
def use_context(flags: Globals, name: str) -> None:
    """Make NAME the current context."""
    from skate import registry
    from skate.errors import ConfigError

    with registry.edit(flags.registry_path) as content:
        if content.cluster(name) is None:
            raise ConfigError(f'no context exists with the name: "{name}"', hint="see `skate config get-contexts`")
        content.current_context = name
    terminal.say(f'Switched to context "{name}".')


@config.command()
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", help="The format (default yaml).")
@click.pass_obj
def view(flags: Globals, output: str) -> None:
    """Print the registry. It holds no secrets: keys stand in it by their paths."""
    import json

    from skate import registry
    from skatelet.contract import canonical

    data = registry.load(flags.registry_path).model_dump(mode="json", by_alias=True, exclude_defaults=True)
    text = canonical.dump(data).decode() if output == "yaml" else json.dumps(data, indent=4)
    terminal.say(text.removesuffix("\n"))
