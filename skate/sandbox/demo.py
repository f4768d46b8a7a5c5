"""`make demo`: three real nodes, the examples on them, and an answer from a pod. Everything is gone again at the end.

Runs the very commands a user would type, and shows them.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from skate import terminal
from skate.errors import SkateError
from skate.sandbox import busybox, fleet, images

NAME = "skate-demo"
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def main() -> int:
    """Run the demo. Returns the exit code: 0 only when all went well."""
    fleet.delete(NAME, registry_path=None)
    with tempfile.TemporaryDirectory(prefix="skate-demo-") as directory:
        try:
            _demo(Path(directory) / "config.yaml")
        except SkateError as error:
            terminal.say("\n".join([f"error: {error.message}", *error.details, error.hint]), err=True)
            return 1
        finally:
            _say("deleting the sandbox")
            fleet.delete(NAME, registry_path=Path(directory) / "config.yaml")
    return 0


def _demo(registry_path: Path) -> None:
    _skate(registry_path, ["sandbox", "create", NAME, "--nodes", "3"])
    made = fleet.load(NAME)
    images.load_everywhere(made.nodes, busybox.image_tar(progress=_say), busybox.IMAGE, progress=_say)
    _skate(registry_path, ["apply", "-f", str(EXAMPLES)])
    _skate(registry_path, ["get", "nodes"])
    _skate(registry_path, ["get", "pods", "-A", "-o", "wide"])
    name, node, address = _a_web_pod(registry_path)
    _say(f"asking pod {name} on {node}")
    argv = ["curl", "--silent", "--show-error", "--fail", "--max-time", "5", f"http://{address}:8080/"]
    terminal.say(f"$ {shlex.join(argv)}")
    terminal.say(made.node(node).run(argv).stdout)


def _a_web_pod(registry_path: Path) -> tuple[str, str, str]:
    """Name, node and address of the first pod of the Deployment `web`."""
    found = json.loads(_skate(registry_path, ["get", "pods", "-l", "app=web", "-o", "json"], show=False))["items"]
    if not found:
        raise SkateError("there is no pod with app=web")
    pod = found[0]
    return pod["metadata"]["name"], pod["spec"]["nodeName"], pod["status"]["podIP"]


def _skate(registry_path: Path, arguments: Sequence[str], *, show: bool = True) -> str:
    """Run skate as a user would, its output passed through, or (`show` False) returned. Raises SkateError when it fails."""
    if show:
        terminal.say(f"\n$ skate {shlex.join(arguments)}")
    sys.stdout.flush()
    argv = [sys.executable, "-m", "skate", "--skateconfig", str(registry_path), "--context", NAME, *arguments]
    done = subprocess.run(argv, stdout=None if show else subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise SkateError(f"`skate {shlex.join(arguments)}` ended with {done.returncode}")
    return done.stdout or ""


def _say(text: str) -> None:
    terminal.say(f"→ {text}", err=True)


if __name__ == "__main__":
    sys.exit(main())
