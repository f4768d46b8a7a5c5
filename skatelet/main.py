"""`skatelet`: what systemd starts, and what an operator types on the node.

`run` asks podman first, in a thread, and only then imports the rest: podman's service takes its time to be activated, which is
as long as the imports take.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

import click

from skatelet import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def skatelet() -> None:
    """The node's side of skate: makes this node what its bundle says. systemd starts it; you need not."""


@skatelet.command()
@click.option("--root", type=click.Path(path_type=Path), default=Path("/"), hidden=True)
def run(root: Path) -> None:
    """Make the node what its bundle says, then leave when there is nothing more to do."""
    from skatelet.paths import Paths

    # pydantic would look through the metadata of every installed distribution for plugins: 10 ms of each wake.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    paths = Paths(root=root)
    look = _first_look(paths.podman_socket)
    from skatelet import awake

    sys.exit(awake.run(paths, first_look=look))


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


def _first_look(socket: Path) -> Any:
    """podman's container list, asked for now and waited for when it is wanted."""
    from skatelet.system.podman import Podman, PodmanError

    answer: list[Any] = []

    def ask() -> None:
        try:
            answer.append(Podman(socket).containers())
        except PodmanError as error:
            answer.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()

    def wait() -> list[dict[str, Any]]:
        thread.join()
        found = answer[0]
        if isinstance(found, Exception):
            raise found
        containers: list[dict[str, Any]] = found
        return containers

    return wait


def main() -> None:
    """The console script."""
    skatelet(prog_name="skatelet")
