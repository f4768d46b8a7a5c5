"""The account of one node while a schedule is made: what is there to be had, and what the instances on it take.

The only thing in this package that changes: an Account lives inside one call of `schedule` and never leaves it.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping, Sequence

from skate.scheduling import addresses, model

HOSTNAME_LABEL = "kubernetes.io/hostname"
OS_LABEL = "kubernetes.io/os"
ANY_HOST_IP = "0.0.0.0"  # noqa: S104 - compared, never bound

NONZERO_CPU_MILLIS = 100
NONZERO_MEMORY_BYTES = 200 * 1024 * 1024
"""What an instance without requests counts for in scores, or nothing would ever look loaded. As in kube-scheduler."""
GUESSED_CPU_MILLIS = 2000
GUESSED_MEMORY_BYTES = 4 * 1024**3
"""What a node that was never seen is scored as when no other node was seen either. A guess: nothing is refused by it."""


class Account:
    """One node, and what is placed on it so far."""

    def __init__(self, node: model.Node, *, scored_cpu: int, scored_memory: int, avoid: Iterable[str]) -> None:
        self.node = node
        self.labels: Mapping[str, str] = {HOSTNAME_LABEL: node.name, OS_LABEL: "linux", **node.labels}
        self.pool = addresses.Pool(node.subnet, avoid)
        self.scored_cpu = scored_cpu
        """The node's cpu as scores see it: a stand-in where the node was never seen."""
        self.scored_memory = scored_memory
        self.cpu_millis = 0
        self.memory_bytes = 0
        self.nonzero_cpu_millis = 0
        self.nonzero_memory_bytes = 0
        self.pods = 0
        self.instances: collections.Counter[model.Key] = collections.Counter()
        self._ports: dict[tuple[str, int], set[str]] = {}

    def charge(self, workload: model.Workload) -> None:
        """Put one instance of `workload` on the account."""
        self.cpu_millis += workload.cpu_millis
        self.memory_bytes += workload.memory_bytes
        self.nonzero_cpu_millis += workload.cpu_millis or NONZERO_CPU_MILLIS
        self.nonzero_memory_bytes += workload.memory_bytes or NONZERO_MEMORY_BYTES
        self.pods += 1
        self.instances[workload.key] += 1
        for port in workload.host_ports:
            self._ports.setdefault((port.protocol or "TCP", port.port), set()).add(port.host_ip or ANY_HOST_IP)

    def port_taken(self, port: model.HostPort) -> bool:
        """Whether an instance here has `port` on the same address, or either of the two takes every address."""
        taken = self._ports.get((port.protocol or "TCP", port.port))
        if not taken:
            return False
        host_ip = port.host_ip or ANY_HOST_IP
        return host_ip == ANY_HOST_IP or ANY_HOST_IP in taken or host_ip in taken


def open_accounts(nodes: Sequence[model.Node], previous: Iterable[model.Placed]) -> dict[str, Account]:
    """An account for every node, by name, with nothing on it yet. Addresses that stand in `previous` are not for new instances.

    Raises ValueError when two nodes have one name, or a subnet is none.
    """
    before: dict[str, list[str]] = {}
    for placed in previous:
        before.setdefault(placed.node, []).append(placed.address)
    cpu = min((node.cpu_millis for node in nodes if node.cpu_millis is not None), default=GUESSED_CPU_MILLIS)
    memory = min((node.memory_bytes for node in nodes if node.memory_bytes is not None), default=GUESSED_MEMORY_BYTES)
    accounts = {
        node.name: Account(
            node,
            scored_cpu=cpu if node.cpu_millis is None else node.cpu_millis,
            scored_memory=memory if node.memory_bytes is None else node.memory_bytes,
            avoid=[*node.occupied, *before.get(node.name, ())],
        )
        for node in sorted(nodes, key=lambda node: node.name)
    }
    if len(accounts) != len(nodes):
        raise ValueError("two nodes have one name")
    return accounts
