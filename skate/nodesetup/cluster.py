"""Making a cluster: a name and a range of addresses in the registry. No host is touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from skate import registry
from skate.errors import ConfigError
from skate.nodesetup import arguments, sealkey


def create_cluster(
    *,
    registry_path: Path,
    name: str,
    cidr: str = registry.DEFAULT_CIDR,
    network: Literal["", "routes", "vxlan"] = "",
    progress: Callable[[str], None],
) -> bool:
    """Register the cluster `name`, whose nodes' subnets come from `cidr`. False: it was there already, nothing changed.

    `network` is how its nodes are to reach each other's pods; empty says nothing about it.

    It becomes the current context when there is none. Raises ConfigError for a name or range that will not do, and for
    another range than the cluster has: its nodes' addresses lie in that.
    """
    problems = arguments.name_problems("cluster", name) + arguments.cidr_problems(cidr)
    if problems:
        raise ConfigError(f"cluster {name} cannot be created", details=problems)
    with registry.edit(registry_path) as content:
        known = content.cluster(name)
        if known is not None:
            if known.cidr != cidr:
                raise ConfigError(
                    f"cluster {name} exists with the range {known.cidr}, not {cidr}",
                    hint=f"leave --cidr out, or pass --cidr {known.cidr}; a range cannot be changed later",
                )
            if not network or known.network == network:
                return False
            known.network = network
            if known.nodes:
                progress("its nodes are told at the next `skate apply` or `skate refresh`")
            return True
        content.put_cluster(registry.ClusterEntry(name=name, cidr=cidr, network=network))
        sealkey.ensure(content, name, registry_path=registry_path)
        if not content.current_context:
            content.current_context = name
            progress(f"{name} is the current context now")
        elif content.current_context != name:
            progress(
                f"the current context stays {content.current_context} (change it: skate config use-context {name})"
            )
    return True
