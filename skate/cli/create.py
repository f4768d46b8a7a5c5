"""`skate create cluster` and `skate create node`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import click

from skate import terminal
from skate.cli.main import Globals


@click.group()
def create() -> None:
    """Create a cluster, or make a host one of its nodes."""


@create.command()
@click.argument("name")
@click.option("--cidr", default="", metavar="RANGE", help="Where pods' addresses come from (default 10.66.0.0/16).")
@click.option(
    "--network",
    type=click.Choice(["routes", "vxlan"]),
    help="How nodes reach each other's pods: by static routes (default), or by VXLAN where they share no link.",
)
@click.pass_obj
def cluster(flags: Globals, name: str, cidr: str, network: Literal["routes", "vxlan"] | None) -> None:
    """Create the cluster NAME in the registry; `skate create node` then adds hosts to it.

    On a cluster that is there, --network changes how its nodes reach each other, at the next `skate apply` or `skate refresh`.

    \b
    skate create cluster home
    skate create cluster home --cidr 10.80.0.0/16
    skate create cluster home --network vxlan
    """
    from skate import registry
    from skate.nodesetup.cluster import create_cluster

    known = registry.load(flags.registry_path).cluster(name)
    wanted = cidr or (known.cidr if known else registry.DEFAULT_CIDR)
    changed = create_cluster(
        registry_path=flags.registry_path, name=name, cidr=wanted, network=network or "", progress=_say
    )
    terminal.say(f"cluster/{name} {'unchanged' if not changed else 'created' if known is None else 'configured'}")


@create.command()
@click.option("--name", required=True, help="The node's name in the cluster.")
@click.option("--host", default="", help="The address this machine reaches it by.")
@click.option("--peer-host", default="", metavar="HOST", help="The address other nodes reach it by (default: --host).")
@click.option("--user", default="", help="The account to log in with: root (default), or one with passwordless sudo.")
@click.option("--key", default="", metavar="FILE", help="Its private key (default: ssh's own keys and agent).")
@click.option("--port", default=0, type=click.IntRange(0, 65535), metavar="PORT", help="The port of sshd (default 22).")
@click.option("--subnet-cidr", default="", metavar="SUBNET", help="Its pods' addresses (default: the first free /24).")
@click.option(
    "--deb",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The skatelet package to install (default: the one `make deb` has built).",
)
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="A label of the node; may be repeated.")
@click.option("--local", is_flag=True, help="The machine skate runs on becomes the node, without SSH.")
@click.option("--host-key", default="", metavar="SHA256:…", help="The host key's fingerprint, known from elsewhere.")
@click.option("--yes", "-y", is_flag=True, help="Pin the host key that is shown, without asking.")
@click.pass_obj
def node(
    flags: Globals,
    name: str,
    host: str,
    peer_host: str,
    user: str,
    key: str,
    port: int,
    subnet_cidr: str,
    deb: Path | None,
    labels: tuple[str, ...],
    local: bool,
    host_key: str,
    yes: bool,
) -> None:
    """Make a host a node of the current cluster (or of --context).

    Checks the host, pins its host key, installs skatelet, sets up the drop account, and registers the node. Running it again
    changes nothing; interrupted, running it again finishes.

    \b
    skate create node --name web-1 --host web-1.example.org
    skate create node --name web-2 --host 203.0.113.7 --user ubuntu --key ~/.ssh/id_ed25519
    skate create node --name here --local
    """
    from skate import registry
    from skate.nodesetup.node import NodeRequest, create_node

    before = registry.load(flags.registry_path).require(flags.context)
    request = NodeRequest(
        cluster=before.name,
        name=name,
        host=host,
        port=port,
        user=user,
        key=key,
        peer_host=peer_host,
        subnet=subnet_cidr,
        deb=deb,
        accept_host_key=host_key,
        local=local,
        labels=_labels(labels),
    )
    confirm = _agree if yes else _ask if sys.stdin.isatty() else None
    changed = create_node(request, registry_path=flags.registry_path, progress=_say, confirm=confirm)
    word = "unchanged" if not changed else "created" if before.node(name) is None else "configured"
    terminal.say(f"node/{name} {word}")


def _labels(pairs: tuple[str, ...]) -> dict[str, str]:
    labels = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"{pair!r} is not KEY=VALUE", param_hint="--label")
        labels[key] = value
    return labels


def _say(words: str) -> None:
    terminal.say(f"  {words}", err=True)


def _ask(question: str) -> bool:
    return click.confirm(question, err=True)


def _agree(question: str) -> bool:
    terminal.say(question.splitlines()[1], err=True)
    return True
