"""How a schedule is made.

    1. keep     What stands and has the right hash stays where it is, whatever has become of labels, cordon or room: Kubernetes
                asks its rules when a pod is placed and never after. Too many of them: the surplus goes. All of it is on the
                accounts before anything else is placed, so nothing new ever pushes away what runs.
    2. inherit  An instance whose template changed is replaced where the old one stood, if it fits there with the old one
                gone.
    3. rehouse  What found no room in step 2, or whose node is gone, goes to the best node.
    4. add      Last comes what is new.

Within a step the workload with the fewest possible nodes goes first, then the one that asks for most: everything is known at
once, so what is hard to place need not come too late. Deleted workloads and replaced instances take no room, for they go; but
their addresses and names are given to nobody else in the same schedule, since they may answer for a while yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from skate.scheduling import filters, ledger, model, names, scores, surplus


def schedule(
    *,
    nodes: Iterable[model.Node],
    workloads: Iterable[model.Workload],
    previous: Iterable[model.Placed] = (),
    ready: frozenset[tuple[str, str]] | None = None,
) -> model.Schedule:
    """Where every instance of every workload goes.

    `workloads` are all that the cluster should run, not only what changed; `previous` is where instances stand, as the
    catalogue has it. `ready` holds (namespace, instance) of what is ready, which decides who goes first when there are too
    many; None where nobody knows.

    What fits nowhere is in the result's `unplaced`. Raises ValueError when two nodes or two workloads have one name, or a node's
    subnet is none.
    """
    known = list(workloads)
    before = sorted(previous, key=lambda placed: (placed.workload, placed.instance, placed.node, placed.address))
    if len({workload.key for workload in known}) != len(known):
        raise ValueError("two workloads have one name")
    accounts = ledger.open_accounts(list(nodes), before)
    draft = _Draft(accounts, known, before)
    order = sorted(known, key=_urgency(accounts))

    to_replace = {workload.key: draft.keep(workload, ready) for workload in sorted(known, key=lambda item: item.key)}
    homeless: dict[model.Key, int] = {}
    for workload in order:
        homeless[workload.key] = sum(not draft.inherit(workload, old) for old in to_replace[workload.key])
    for workload in order:
        draft.add(workload, homeless[workload.key])
    for workload in order:
        draft.add(workload, workload.replicas - draft.count(workload))
    return draft.finish()


def _urgency(accounts: dict[str, ledger.Account]) -> Callable[[model.Workload], tuple[int, float, model.Key]]:
    """Sorts workloads: those with the fewest possible nodes first, then those that ask for most, then by name."""
    cpu = max((account.scored_cpu for account in accounts.values()), default=0) or 1
    memory = max((account.scored_memory for account in accounts.values()), default=0) or 1

    def key(workload: model.Workload) -> tuple[int, float, model.Key]:
        possible = sum(not filters.excluded(workload, account) for account in accounts.values())
        return possible, -max(workload.cpu_millis / cpu, workload.memory_bytes / memory), workload.key

    return key


class _Draft:
    """A schedule in the making."""

    def __init__(
        self, accounts: dict[str, ledger.Account], workloads: Sequence[model.Workload], before: Sequence[model.Placed]
    ) -> None:
        self._accounts = accounts
        self._workloads = workloads
        self._before: dict[model.Key, list[model.Placed]] = {}
        self._placed: dict[model.Key, list[model.Placed]] = {workload.key: [] for workload in workloads}
        self._held: set[tuple[str, str]] = set()
        """Namespace and name of every instance that has a place."""
        self._used: dict[str, set[str]] = {}
        """Names that no new instance of a Deployment gets, by namespace."""
        self._names: dict[model.Key, Iterator[str]] = {}
        for placed in before:
            self._before.setdefault(placed.workload, []).append(placed)
            self._used.setdefault(placed.workload.namespace, set()).add(placed.instance)
        for workload in workloads:
            names_there = self._used.setdefault(workload.namespace, set())
            if workload.kind == model.POD:
                names_there.add(workload.name)
            else:
                self._names[workload.key] = names.candidates(workload.key, workload.hash)

    def count(self, workload: model.Workload) -> int:
        """How many instances of `workload` have a place so far."""
        return len(self._placed[workload.key])

    def keep(self, workload: model.Workload, ready: frozenset[tuple[str, str]] | None) -> list[model.Placed]:
        """Leave what may stay where it is. Gives back the old instances that are to be replaced, one for one."""
        before = self._before.get(workload.key, [])
        valid = [placed for placed in before if self._may_stay(workload, placed)]
        invalid = [placed for placed in before if not self._may_stay(workload, placed)]
        staying, _ = surplus.split(valid, workload.replicas, nodes=self._accounts, ready=ready)
        for placed in staying:
            if self._may_stay(workload, placed):
                self._enter(workload, placed)
            else:
                invalid.append(placed)
        replaced, _ = surplus.split(
            invalid, workload.replicas - self.count(workload), nodes=self._accounts, ready=ready
        )
        return replaced

    def inherit(self, workload: model.Workload, old: model.Placed) -> bool:
        """Place one instance where `old` stood. False when it does not fit there.

        A Pod keeps its name, so the old one is gone before the new one starts, and it keeps the address too.
        """
        account = self._accounts.get(old.node)
        if account is None or self._name_is_taken(workload):
            return False
        keeps_address = (
            workload.kind == model.POD
            and not workload.host_network
            and old.address not in account.node.occupied
            and account.pool.available(old.address)
        )
        if filters.reasons(workload, account, has_address=keeps_address):
            return False
        self._place(workload, account, old.address if keeps_address else "")
        return True

    def add(self, workload: model.Workload, number: int) -> None:
        """Place up to `number` instances of `workload`, each on the node that is best for it; fewer where room runs out."""
        for _ in range(number):
            possible = [account for account in self._accounts.values() if not filters.reasons(workload, account)]
            if not possible or self._name_is_taken(workload):
                return
            self._place(workload, min(possible, key=lambda account: scores.rank(workload, account)), "")

    def finish(self) -> model.Schedule:
        """The schedule as it is now."""
        placements = [placed for group in self._placed.values() for placed in group]
        unplaced = [
            model.Unplaced(
                workload=workload.key, count=workload.replicas - self.count(workload), message=self._message(workload)
            )
            for workload in self._workloads
            if self.count(workload) < workload.replicas
        ]
        return model.Schedule(
            placements=tuple(sorted(placements, key=lambda placed: (placed.workload, placed.instance))),
            unplaced=tuple(sorted(unplaced, key=lambda item: item.workload)),
        )

    def _may_stay(self, workload: model.Workload, placed: model.Placed) -> bool:
        """Whether `placed` can stay as it is. What a damaged catalogue has twice, or outside of the subnet, cannot."""
        account = self._accounts.get(placed.node)
        if account is None or placed.hash != workload.hash:
            return False
        if (placed.workload.namespace, placed.instance) in self._held:
            return False
        return placed.address == "" if workload.host_network else account.pool.available(placed.address)

    def _name_is_taken(self, workload: model.Workload) -> bool:
        return workload.kind == model.POD and (workload.namespace, workload.name) in self._held

    def _place(self, workload: model.Workload, account: ledger.Account, address: str) -> None:
        """Enter a new instance on a node that takes it, at `address` or else the node's next one."""
        if not address and not workload.host_network:
            address = account.pool.take()
        self._enter(
            workload,
            model.Placed(
                workload=workload.key,
                instance=self._new_name(workload),
                node=account.node.name,
                address=address,
                hash=workload.hash,
            ),
        )

    def _new_name(self, workload: model.Workload) -> str:
        if workload.kind == model.POD:
            return workload.name
        used = self._used[workload.namespace]
        return next(name for name in self._names[workload.key] if name not in used)

    def _enter(self, workload: model.Workload, placed: model.Placed) -> None:
        account = self._accounts[placed.node]
        account.charge(workload)
        if placed.address:
            account.pool.hold(placed.address)
        self._held.add((placed.workload.namespace, placed.instance))
        self._used[placed.workload.namespace].add(placed.instance)
        self._placed[workload.key].append(placed)

    def _message(self, workload: model.Workload) -> str:
        if self._name_is_taken(workload) and not self._placed[workload.key]:
            return f'pods "{workload.name}" already exists'
        return filters.message(workload, self._accounts.values())
