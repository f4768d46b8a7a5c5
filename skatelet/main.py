"""`skatelet`: what systemd starts, and what an operator types on the node.

systemd starts `skatelet run`, and that goes straight to work: reading options would be 20 ms of each wake. It asks podman first,
in a thread, and only then imports the rest: podman's service takes as long to be activated as the imports take.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from skatelet.paths import Paths


def main() -> None:
    """The console script."""
    if sys.argv[1:] == ["run"]:
        run(Path("/"))
    from skatelet import cli

    cli.skatelet(prog_name="skatelet")


def run(root: Path) -> NoReturn:
    """Make the node below `root` what its bundle says, and end the process when there is nothing more to do."""
    # pydantic would look through the metadata of every installed distribution for plugins: 10 ms of each wake.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    paths = Paths(root=root)
    look = _first_look(paths.podman_socket)
    from skatelet import awake

    code = awake.run(paths, first_look=look)
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: that waits for every thread, and an image may be fetched for half an hour.
    os._exit(code)


def _first_look(socket: Path) -> Callable[[], list[dict[str, Any]]]:
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
