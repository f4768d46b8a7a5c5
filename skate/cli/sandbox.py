"""`skate sandbox`: real nodes on this machine, to try skate on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import click

from skate import terminal
from skate.cli import main
from skate.errors import SkateError
from skate.sandbox import fleet, host, images, node

_sandbox_option = click.option(
    "--sandbox", "-s", "sandbox_name", default=fleet.DEFAULT_NAME, show_default=True, metavar="NAME",
    help="The sandbox that NODE is in; SANDBOX/NODE says the same.",
)  # fmt: skip
_command = {"ignore_unknown_options": True, "allow_interspersed_args": False}


def _progress(text: str) -> None:
    terminal.say(f"→ {text}", err=True)


def _node(sandbox_name: str, name: str) -> node.Node:
    """The node that NODE or SANDBOX/NODE names."""
    host.require_root()
    prefix, slash, rest = name.partition("/")
    return fleet.load(prefix).node(rest) if slash else fleet.load(sandbox_name).node(name)


@click.group()
def sandbox() -> None:
    """Real nodes on this machine: systemd, sshd and podman in each, on a private bridge. Needs root."""


@sandbox.command()
@click.argument("name", default=fleet.DEFAULT_NAME)
@click.option("--nodes", default=3, show_default=True, help="How many nodes.")
@click.option(
    "--release",
    "releases",
    multiple=True,
    metavar="RELEASE[,…]",
    help="bookworm, trixie or noble: one for all nodes or one for each (default: this machine's own, or trixie).",
)
@click.option("--bare", is_flag=True, help="Boot the nodes only: no cluster, no skatelet, no context.")
@click.option(
    "--deb", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The skatelet package to install."
)
@click.pass_obj
def create(
    globals_: main.Globals, name: str, nodes: int, releases: tuple[str, ...], bare: bool, deb: Path | None
) -> None:
    """Make the sandbox NAME, and a context of that name."""
    chosen = [release for item in releases for release in item.split(",") if release]
    made = fleet.create(
        name,
        nodes=nodes,
        releases=chosen,
        bare=bare,
        deb=deb,
        registry_path=globals_.registry_path,
        progress=_progress,
    )
    terminal.say(f"sandbox/{made.name} created")


@sandbox.command(name="list")
def list_() -> None:
    """List every sandbox and its nodes."""
    host.require_root()
    rows = [("SANDBOX", "NODE", "RELEASE", "STATUS", "ADDRESS")]
    for row in fleet.list_all():
        suffix = "" if row.complete else " (incomplete)"
        rows += [(row.name, item.name, item.release, f"{item.status}{suffix}", item.address) for item in row.nodes]
        if not row.nodes:
            rows.append((row.name, "<none>", "<none>", "(incomplete)", "<none>"))
    if len(rows) == 1:
        terminal.say("No sandboxes found.", err=True)
        return
    widths = [max(len(line[column]) for line in rows) for column in range(len(rows[0]))]
    for line in rows:
        terminal.say("   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


@sandbox.command()
@click.argument("name", default=fleet.DEFAULT_NAME)
@click.option("--all", "every", is_flag=True, help="Delete every sandbox.")
@click.pass_obj
def delete(globals_: main.Globals, name: str, every: bool) -> None:
    """Delete the sandbox NAME with everything in it, and its context."""
    host.require_root()
    names = [row.name for row in fleet.list_all()] if every else [name]
    for item in names:
        found = fleet.delete(item, registry_path=globals_.registry_path, progress=_progress)
        terminal.say(f"sandbox/{item} deleted" if found else f"sandbox/{item} not found")


@sandbox.command(name="exec", context_settings=_command)
@_sandbox_option
@click.argument("name", metavar="NODE")
@click.argument("argv", metavar="-- CMD…", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_(sandbox_name: str, name: str, argv: tuple[str, ...]) -> int:
    """Run a command in NODE as root, without SSH. Its exit code is passed on."""
    return subprocess.run(_node(sandbox_name, name).exec_argv(_without_dashes(argv)), check=False).returncode


@sandbox.command(context_settings=_command)
@_sandbox_option
@click.argument("name", metavar="NODE")
@click.argument("argv", metavar="[-- CMD…]", nargs=-1, type=click.UNPROCESSED)
def ssh(sandbox_name: str, name: str, argv: tuple[str, ...]) -> int:
    """Run a command in NODE by SSH as root, or log in when none is given. Its exit code is passed on."""
    return subprocess.run(_node(sandbox_name, name).ssh_argv(_without_dashes(argv)), check=False).returncode


def _without_dashes(argv: tuple[str, ...]) -> list[str]:
    return list(argv[1:] if argv[:1] == ("--",) else argv)


@sandbox.command()
@_sandbox_option
@click.argument("name", metavar="NODE")
def stop(sandbox_name: str, name: str) -> None:
    """Shut NODE down cleanly."""
    target = _node(sandbox_name, name)
    _progress(f"shutting {target.name} down")
    target.stop()
    terminal.say(f"node/{target.name} stopped")


@sandbox.command()
@_sandbox_option
@click.argument("name", metavar="NODE")
def start(sandbox_name: str, name: str) -> None:
    """Boot NODE again after `stop` or `kill`, or after this machine was rebooted."""
    target = _node(sandbox_name, name)
    fleet.start([target], progress=_progress)
    terminal.say(f"node/{target.name} started")


@sandbox.command()
@_sandbox_option
@click.argument("name", metavar="NODE")
def kill(sandbox_name: str, name: str) -> None:
    """Cut NODE's power: everything in it ends at once. Its disk stays."""
    target = _node(sandbox_name, name)
    target.kill()
    terminal.say(f"node/{target.name} killed")


@sandbox.command()
@_sandbox_option
@click.argument("name", metavar="NODE")
def partition(sandbox_name: str, name: str) -> None:
    """Cut NODE off from the network, and leave it running."""
    target = _node(sandbox_name, name)
    target.partition()
    terminal.say(f"node/{target.name} partitioned")


@sandbox.command()
@_sandbox_option
@click.argument("name", metavar="NODE")
def heal(sandbox_name: str, name: str) -> None:
    """Connect NODE to the network again."""
    target = _node(sandbox_name, name)
    target.heal()
    terminal.say(f"node/{target.name} healed")


@sandbox.command(name="load-image")
@_sandbox_option
@click.argument("tar", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", "image", required=True, metavar="IMAGE", help="The name that manifests use.")
@click.option("--node", "names", multiple=True, metavar="NODE", help="Only this node; can be given several times.")
def load_image(sandbox_name: str, tar: Path, image: str, names: tuple[str, ...]) -> None:
    """Put the image in TAR (an image archive, or a tar of a root file system) into every running node."""
    if names:
        targets = [_node(sandbox_name, name) for name in names]
    else:
        host.require_root()
        targets = [item for item in fleet.load(sandbox_name).nodes if item.running]
    if not targets:
        raise SkateError(f"no node of sandbox {sandbox_name} is running", hint="skate sandbox start NODE boots one")
    images.load_everywhere(targets, tar, image, progress=_progress)
    terminal.say(f"image {image} loaded")
