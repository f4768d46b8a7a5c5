"""The commands of `skatelet` as people type them."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from skatelet import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def skatelet() -> None:
    """The node's side of skate: makes this node what its bundle says. systemd starts it; you need not."""


@skatelet.command()
@click.option("--root", type=click.Path(path_type=Path), default=Path("/"), hidden=True)
def run(root: Path) -> None:
    """Make the node what its bundle says, then leave when there is nothing more to do."""
    from skatelet import main

    main.run(root)


@skatelet.command()
@click.option("--root", type=click.Path(path_type=Path), default=Path("/"), hidden=True)
def status(root: Path) -> None:
    """Say how this node stands: its conditions, its pods, what was refused, what happened last."""
    from skatelet import show
    from skatelet.paths import Paths

    sys.exit(show.show(Paths(root=root)))


@skatelet.command()
def version() -> None:
    """Print the version."""
    click.echo(f"skatelet {__version__}")
