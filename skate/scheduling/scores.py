"""Which of the nodes that can take an instance does.

First the node with the fewest instances of the same workload, so that replicas spread. Among equals the node with the most
left over, by two rules of kube-scheduler's added up: NodeResourcesFit with LeastAllocated, and NodeResourcesBalancedAllocation.
Among equals again, the first by name.

Unlike kube-scheduler's, scores are not cut down to whole percents: on a large machine a hundred small pods would then all
look like none, and with no chance to break the tie they would all go to the first node.
"""

from __future__ import annotations

from skate.scheduling import ledger, model


def rank(workload: model.Workload, account: ledger.Account) -> tuple[int, float, str]:
    """Sorts nodes for one more instance of `workload`: the lowest is the best."""
    room = least_allocated(workload, account) + balanced_allocation(workload, account)
    return account.instances[workload.key], -room, account.node.name


def least_allocated(workload: model.Workload, account: ledger.Account) -> float:
    """0 to 100: how much of cpu and memory, on the average, is left when the instance is there.

    Instances without requests count as 100m and 200 MiB, or they would all go to one node.
    """
    cpu = account.nonzero_cpu_millis + (workload.cpu_millis or ledger.NONZERO_CPU_MILLIS)
    memory = account.nonzero_memory_bytes + (workload.memory_bytes or ledger.NONZERO_MEMORY_BYTES)
    return 50 * (_left(cpu, account.scored_cpu) + _left(memory, account.scored_memory))


def balanced_allocation(workload: model.Workload, account: ledger.Account) -> float:
    """0 to 100: how alike the used shares of cpu and memory are when the instance is there.

    Of no account to an instance without requests (kubernetes issue 129138).
    """
    if not workload.cpu_millis and not workload.memory_bytes:
        return 0
    cpu = _left(account.cpu_millis + workload.cpu_millis, account.scored_cpu)
    memory = _left(account.memory_bytes + workload.memory_bytes, account.scored_memory)
    return 100 * (1 - abs(cpu - memory) / 2)


def _left(used: int, capacity: int) -> float:
    return max(0, capacity - used) / capacity if capacity else 0
