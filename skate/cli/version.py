"""`skate version`."""

from __future__ import annotations

import click

from skate import __version__, terminal


@click.command()
def version() -> None:
    """Print the version of skate."""
    terminal.say(f"skate {__version__}")
