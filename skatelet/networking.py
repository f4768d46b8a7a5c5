"""The cluster's network on this node: routes, names, certificates and ingress, one after the other, at each pass.

Each reconciler stands for itself: what one cannot do, or trips over, is in its condition, and the others go on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, MutableMapping, Sequence, Set
from dataclasses import dataclass, field

from skatelet import reconciler, services
from skatelet.contract import bundle
from skatelet.pods import model

SOONEST = 0.5
"""Seconds: a pass for something that was due long ago would be followed by another at once, without end."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of all of them."""

    conditions: Mapping[str, reconciler.Condition] = field(default_factory=dict)
    """By type."""
    events: tuple[tuple[str, str, str, str], ...] = ()
    acted: bool = False
    busy: bool = False
    due: float | None = None


class Network:
    """The reconcilers of this node, in the order in which they are called: each may use what those before it have done."""

    def __init__(self, reconcilers: Sequence[reconciler.Reconciler]) -> None:
        self._reconcilers = reconcilers

    def close(self) -> None:
        """skatelet leaves: begin nothing more."""
        for item in self._reconcilers:
            item.close()

    def reconcile(
        self,
        *,
        identity: bundle.NodeIdentity,
        followed: bundle.Bundle,
        serving: tuple[services.Pod, ...],
        now: float,
        notes: MutableMapping[str, str],
    ) -> Outcome:
        """Let each reconciler do its work once."""
        world = reconciler.World(
            identity=identity, followed=followed, version=version(followed), serving=serving, now=now, notes=notes
        )
        conditions: dict[str, reconciler.Condition] = {}
        outcomes: list[reconciler.Outcome] = []
        for item in self._reconcilers:
            try:
                outcome = item.reconcile(world)
            except Exception as error:  # a bug of ours in one of them: it must be seen, and must not stop the others
                message = f"{type(error).__name__}: {error}"[:1000]
                failed = reconciler.Condition(word="False", reason="InternalError", message=message)
                outcome = reconciler.Outcome(condition=failed)
            conditions[item.condition] = outcome.condition
            outcomes.append(outcome)
        return Outcome(
            conditions=conditions,
            events=tuple(event for outcome in outcomes for event in outcome.events),
            acted=any(outcome.acted for outcome in outcomes),
            busy=any(outcome.busy for outcome in outcomes),
            due=min((max(outcome.due, now + SOONEST) for outcome in outcomes if outcome.due is not None), default=None),
        )


def version(followed: bundle.Bundle) -> str:
    """The same for the same bundle, and for no other."""
    index = followed.index
    digests = "".join(f"{path}\0{digest}\n" for path, digest in sorted(index.files.items()))
    return f"{index.generation} {hashlib.sha256(digests.encode()).hexdigest()}"


def serving_pods(
    *,
    followed: bundle.Bundle,
    seen: Sequence[model.SeenPod],
    leaving: Set[str],
    node: str,
    node_address: str,
) -> tuple[services.Pod, ...]:
    """The pods of this node that are to be found: all their containers run, and they are not in `leaving` (podman's names).

    An old version that still runs counts too, until it is to go. `node_address` is that of pods in the host's network.
    """
    standing = {pod.name: pod for pod in seen if pod.managed and pod.runs and pod.name not in leaving}
    found = []
    for instance in followed.instances():
        pod = standing.get(f"{instance.name}.{instance.namespace}")
        if pod is not None and (pod.hash, pod.address) == (instance.hash, instance.address):
            del standing[pod.name]
            found.append(services.instance_pod(instance, node=node, node_address=node_address))
    for pod in standing.values():
        found.append(
            services.Pod(
                namespace=pod.namespace,
                name=pod.instance,
                node=node,
                address=pod.address or node_address,
                labels=pod.labels,
            )
        )
    return tuple(sorted(found, key=lambda pod: (pod.namespace, pod.name, pod.address)))
