"""podman's network `skate`: the node's subnet on the bridge `skate0`, with the gateway at its first address.

Instances get fixed addresses from the scheduler; podman's own choices are kept to the end of the subnet
(skatelet.contract.subnets), which the scheduler leaves alone. podman's DNS is off: names are not its business here.

Looking costs no call of podman's when the network's definition is still the file that was last found right.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skatelet.contract import subnets
from skatelet.system.podman import Podman, PodmanError

NAME = "skate"
BRIDGE = "skate0"
MANAGED = "cluster.skate/managed"


class NetworkError(Exception):
    """The network cannot be made as it should be; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do: remove the network that is there, create it with `definition`; neither when it is right."""

    remove: bool = False
    definition: Mapping[str, Any] | None = None


def definition(subnet: str) -> dict[str, Any]:
    """What podman is told about the network. Raises ValueError for a subnet that is none, or too small."""
    network = ipaddress.IPv4Network(subnet)
    podmans = ipaddress.IPv4Network(subnets.podman_range(subnet))
    return {
        "name": NAME,
        "driver": "bridge",
        "network_interface": BRIDGE,
        "dns_enabled": False,
        "labels": {MANAGED: "true"},
        "subnets": [
            {
                "subnet": str(network),
                "gateway": str(network[1]),
                "lease_range": {
                    "start_ip": str(podmans[0]),
                    "end_ip": str(network[-2]),
                },
            }
        ],
    }


def plan(subnet: str, seen: Mapping[str, Any] | None) -> Plan:
    """What to do so that the network is as `subnet` asks. Pure. Raises NetworkError for a foreign network of that name."""
    wanted = definition(subnet)
    if seen is None:
        return Plan(definition=wanted)
    if all(seen.get(key) == value for key, value in wanted.items()):
        return Plan()
    if (seen.get("labels") or {}).get(MANAGED) != "true":
        raise NetworkError(
            f"a podman network {NAME!r} that is not skate's stands on the node; remove it: podman network rm {NAME}"
        )
    return Plan(remove=True, definition=wanted)


def ensure(podman: Podman, *, subnet: str, file: Path, known: str) -> str:
    """See that the network is there. `known` is what the last call gave back; so is the answer.

    Raises NetworkError, or PodmanError where podman itself fails.
    """
    key = _key(file, subnet)
    if key and key == known:
        return known
    todo = plan(subnet, podman.network(NAME))
    if todo.remove:
        try:
            podman.remove_network(NAME)
        except PodmanError as error:
            raise NetworkError(
                f"the subnet has become {subnet}, but pods still use the network as it was: {error.message}"
            ) from error
    if todo.definition is not None:
        podman.create_network(todo.definition)
    return _key(file, subnet)


def _key(file: Path, subnet: str) -> str:
    try:
        found = file.stat()
    except OSError:
        return ""
    return f"{found.st_ino} {found.st_mtime_ns} {found.st_size} {subnet}"
