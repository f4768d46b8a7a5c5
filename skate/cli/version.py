"""`skate version`."""

from __future__ import annotations

import click

from skate import __version__


@click.command()
def version() -> None:
    """Print the version of skate."""
    click.echo(f"skate {__version__}")
