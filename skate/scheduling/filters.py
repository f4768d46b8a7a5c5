"""Why a node cannot take an instance, in kube-scheduler's own words.

The rules are asked in kube-scheduler's order, and the first that says no gives its reason: NodeUnschedulable, NodeName,
TaintToleration (an unreachable node is to Kubernetes a tainted one), NodeAffinity, NodePorts, NodeResourcesFit (which alone
may give several reasons), and last one of our own: the node's subnet has to have an address left. The words are those of
Kubernetes 1.32, `pkg/scheduler/framework/plugins`; the sentence they are put into is FitError's.

Cordoning does not stop what names its node (`spec.nodeName`): in Kubernetes that goes straight to the kubelet, past the
scheduler.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable

from skate.scheduling import ledger, model

UNSCHEDULABLE = "node(s) were unschedulable"
NODE_NAME = "node(s) didn't match the requested node name"
UNREACHABLE = "node(s) had untolerated taint {node.kubernetes.io/unreachable: }"
SELECTOR = "node(s) didn't match Pod's node affinity/selector"
PORTS = "node(s) didn't have free ports for the requested pod ports"
PODS = "Too many pods"
CPU = "Insufficient cpu"
MEMORY = "Insufficient memory"
ADDRESSES = "node(s) had no free pod address"
NO_NODES = "no nodes available to schedule pods"


def reasons(workload: model.Workload, account: ledger.Account, *, has_address: bool = False) -> tuple[str, ...]:
    """Why the node cannot take one more instance of `workload`; empty when it can.

    `has_address`: the instance brings the address it has on this node, and needs no other.
    """
    reason = excluded(workload, account)
    if reason:
        return (reason,)
    if any(account.port_taken(port) for port in workload.host_ports):
        return (PORTS,)
    lacking = _lacking(workload, account)
    if lacking:
        return lacking
    if account.pool.empty and not workload.host_network and not has_address:
        return (ADDRESSES,)
    return ()


def excluded(workload: model.Workload, account: ledger.Account) -> str:
    """Why the node is out of the question for `workload`, whatever else stands on it; empty when it is not."""
    node = account.node
    if node.unschedulable and workload.node_name is None:
        return UNSCHEDULABLE
    if workload.node_name is not None and workload.node_name != node.name:
        return NODE_NAME
    if not node.reachable:
        return UNREACHABLE
    labels = account.labels
    if any(labels.get(key) != value for key, value in workload.node_selector.items()):
        return SELECTOR
    return ""


def _lacking(workload: model.Workload, account: ledger.Account) -> tuple[str, ...]:
    """What the node has too little of. As in Kubernetes, who requests none of a resource is not stopped by its lack."""
    node = account.node
    found = []
    if node.pods is not None and account.pods + 1 > node.pods:
        found.append(PODS)
    if (
        workload.cpu_millis
        and node.cpu_millis is not None
        and account.cpu_millis + workload.cpu_millis > node.cpu_millis
    ):
        found.append(CPU)
    if (
        workload.memory_bytes
        and node.memory_bytes is not None
        and account.memory_bytes + workload.memory_bytes > node.memory_bytes
    ):
        found.append(MEMORY)
    return tuple(found)


def message(workload: model.Workload, accounts: Iterable[ledger.Account]) -> str:
    """The sentence that says why no node can take one more instance of `workload`.

    Such as `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.`; sorted as text, the numbers included.
    """
    found: collections.Counter[str] = collections.Counter()
    total = 0
    for account in accounts:
        total += 1
        found.update(reasons(workload, account))
    if not total:
        return NO_NODES
    parts = sorted(f"{count} {reason}" for reason, count in found.items())
    return f"0/{total} nodes are available: {', '.join(parts)}."
