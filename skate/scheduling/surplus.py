"""Which instances go when there are more than are wanted.

In the order of Kubernetes' ReplicaSet controller, as far as it applies here: first what stands on no node of the cluster, then
what is not ready, then what shares its node with most of its kind, then the youngest. One at a time, so that two surplus
instances are not both taken from one of two equally full nodes.
"""

from __future__ import annotations

import collections
from collections.abc import Collection

from skate.scheduling import model, names


def split(
    placements: Collection[model.Placed],
    wanted: int,
    *,
    nodes: Collection[str],
    ready: frozenset[tuple[str, str]] | None,
) -> tuple[list[model.Placed], list[model.Placed]]:
    """The `wanted` instances of one workload that stay, and the surplus; both oldest first.

    `nodes` are the names of the cluster's nodes; `ready` holds (namespace, instance), None where nobody knows.
    """
    ages = names.ages(placements)
    staying = sorted(placements, key=lambda placed: (ages[placed.instance], placed.instance, placed.node))
    surplus = len(staying) - wanted
    if surplus <= 0:
        return staying, []
    beside = collections.Counter(placed.node for placed in staying)
    stacks: dict[tuple[bool, bool], dict[str, list[int]]] = {}
    for place, placed in enumerate(staying):
        unready = ready is not None and (placed.workload.namespace, placed.instance) not in ready
        stacks.setdefault((placed.node not in nodes, unready), {}).setdefault(placed.node, []).append(place)

    victims: set[int] = set()
    for _, by_node in sorted(stacks.items(), reverse=True):
        while by_node and len(victims) < surplus:
            node = max(by_node, key=lambda name: (beside[name], by_node[name][-1]))
            victims.add(by_node[node].pop())
            beside[node] -= 1
            if not by_node[node]:
                del by_node[node]
    return (
        [placed for place, placed in enumerate(staying) if place not in victims],
        [placed for place, placed in enumerate(staying) if place in victims],
    )
