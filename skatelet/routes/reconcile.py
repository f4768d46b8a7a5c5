"""One pass over the routes: see which nodes there are and what the kernel has, and do the difference.

Looking costs two processes (`ip`, `nft`; with VXLAN a third, `bridge`), 7 ms together; doing costs one more each, and only for
what differs. Beside that the files of skatelet-routes.service are kept, so that routes are there after a boot before skatelet is.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence

from skatelet import durable, reconciler
from skatelet.contract import bundle
from skatelet.paths import Paths
from skatelet.routes import files, observe, plan, resolving
from skatelet.system import command, iproute

LINK_SECONDS = 10.0
"""When to look again where a peer has no route at all: after a boot, links get their addresses a little later."""
_WAY_OUT = (
    "; the nodes share no link: if every node can send UDP port 4789 to every other, `skate create cluster {cluster}"
    " --network vxlan` and `skate refresh` carry the pods' packets in VXLAN"
)


class Routes:
    """Routes to the other nodes' subnets, IP forwarding, and source addresses that survive between pods."""

    condition = "RoutesReady"

    def __init__(
        self,
        paths: Paths,
        *,
        wake: Callable[[], None],
        kernel: iproute.Kernel | None = None,
        lookup: Callable[[str], str] | None = None,
    ) -> None:
        self._files = paths.routes
        self._kernel = kernel or iproute.Kernel(paths)
        self._resolver = resolving.Resolver(wake=wake, lookup=lookup)
        self._version = ""
        self._nodes: tuple[bundle.Node, ...] = ()
        self._vxlan = False

    def close(self) -> None:
        self._resolver.close()

    def reconcile(self, world: reconciler.World) -> reconciler.Outcome:
        """Bring the routes to what the bundle says."""
        if world.version != self._version:
            self._nodes = tuple(world.followed.nodes())
            self._vxlan = world.followed.cluster().network == "vxlan"
            self._version = world.version
        try:
            observed = self._observe()
        except (command.CommandError, ValueError) as error:
            return reconciler.Outcome(condition=_condition("False", "CannotLook", str(error)))
        peers, own = self._peers(world)
        wanted, problems = plan.desired(
            identity=world.identity, own=own, peers=peers, vxlan=self._vxlan, observed=observed
        )
        failed = self._keep(files.files(wanted))
        todo = plan.plan(wanted, observed)
        refused, more = self._act(todo, wanted)
        failed += more
        cut_off = plan.unreachable(wanted, observed)
        return reconciler.Outcome(
            condition=self._judge(
                world, wanted, problems, cut_off=cut_off, refused=refused, failed=failed, peers=peers
            ),
            acted=bool(todo) and not failed and len(refused) < len(todo.ip) + len(todo.bridge) + bool(todo.table),
            events=_events(world, todo, refused),
            due=world.now + LINK_SECONDS if any(_no_way(route.via, observed) for route in cut_off) else None,
        )

    def _observe(self) -> plan.Observed:
        ip = self._kernel.look(observe.LOOK)
        return observe.observed(
            ip=ip,
            table=self._kernel.table("ip", "skate"),
            fdb=self._kernel.forwards(plan.DEVICE) if f'"{plan.DEVICE}"' in ip else "",
            forwarding=self._kernel.forwarding(),
        )

    def _peers(self, world: reconciler.World) -> tuple[list[plan.Peer], str]:
        """The other nodes, with their addresses; and the address they reach this one by."""
        registered = {node.name: node.peer_host or node.host for node in self._nodes}
        registered[world.identity.node] = world.identity.peer_host or registered.get(world.identity.node, "")
        names = [text for text in registered.values() if text and not _is_address(text)]
        found = self._resolver.addresses(names, world.notes)
        addresses = {name: text if _is_address(text) else found.get(text, "") for name, text in registered.items()}
        peers = [
            plan.Peer(
                name=node.name, subnet=node.subnet, address=addresses[node.name], registered=registered[node.name]
            )
            for node in self._nodes
            if node.name != world.identity.node
        ]
        return peers, addresses[world.identity.node]

    def _keep(self, wanted: Mapping[str, bytes]) -> list[str]:
        """Write the files that differ; what could not be written, in words."""
        try:
            for name, data in wanted.items():
                path = self._files / name
                if not path.exists() or path.read_bytes() != data:
                    durable.write(path, data)
        except OSError as error:
            return [f"{self._files} cannot be written: {error.strerror}"]
        return []

    def _act(self, todo: plan.Plan, wanted: plan.Desired) -> tuple[Mapping[plan.Words, str], list[str]]:
        """Do the plan. The lines that the kernel refused, and what failed altogether."""
        refused: dict[plan.Words, str] = {}
        failed: list[str] = []
        try:
            if todo.forwarding:
                self._kernel.forward()
        except OSError as error:
            failed.append(f"IP forwarding cannot be switched on: {error.strerror}")
        try:
            if todo.table:
                self._kernel.load(files.table(wanted))
        except command.CommandError as error:
            failed.append(f"pods' addresses are hidden from pods of other nodes: {error}")
        try:
            refused |= self._kernel.ip(todo.ip)
            refused |= self._kernel.bridge(todo.bridge)
        except command.CommandError as error:
            failed.append(str(error))
        return refused, failed

    def _judge(
        self,
        world: reconciler.World,
        wanted: plan.Desired,
        problems: Sequence[plan.Problem],
        *,
        cut_off: Sequence[plan.Route],
        refused: Mapping[plan.Words, str],
        failed: Sequence[str],
        peers: Sequence[plan.Peer],
    ) -> reconciler.Condition:
        names = {peer.subnet: peer.name for peer in peers}
        missing = {route.subnet for route in wanted.routes if plan.route_line(route) in refused}
        missing |= {route.subnet for route in cut_off}
        done = len(wanted.routes) - len(missing)
        by = " over VXLAN" if wanted.tunnel is not None else ""
        count = f"{done} of {len(peers)} other nodes' subnets are routed{by}"
        reasons = [problem.reason for problem in problems]
        words = [problem.message for problem in problems]
        if cut_off:
            reasons.append("NoSharedLink")
            cut = ", ".join(f"{names[route.subnet]} ({route.via})" for route in cut_off)
            words.append(f"no link leads to {cut}" + _WAY_OUT.format(cluster=world.identity.cluster))
        if refused or failed:
            reasons.append("Refused" if refused else "Failed")
            words += [f"`{' '.join(line)}`: {text}" for line, text in refused.items()]
            words += failed
        if reasons:
            return _condition("False", min(reasons, key=_RANK.index), "; ".join([count, *words]))
        return _condition("True", "Routed", count if peers else "there are no other nodes")


_RANK = ("SubnetOverlaps", "NoSharedLink", "NoPeerAddress", "Refused", "Failed")
"""Which reason stands for all, where there are several: the message has every one."""


def _condition(word: str, reason: str, message: str) -> reconciler.Condition:
    return reconciler.Condition(word=word, reason=reason, message=message[:2000])


def _events(
    world: reconciler.World, todo: plan.Plan, refused: Mapping[plan.Words, str]
) -> tuple[tuple[str, str, str, str], ...]:
    done = [line for line in todo.ip if line not in refused and line[0] == "route" and line[2] != "local"]
    if not done:
        return ()
    changes = ", ".join(f"{'+' if line[1] == 'replace' else '-'} {line[2]}" for line in done)
    return (("Normal", "RoutesChanged", f"node/{world.identity.node}", f"routes changed: {changes}"),)


def _no_way(address: str, observed: plan.Observed) -> bool:
    wanted = ipaddress.IPv4Address(address)
    return not any(wanted in ipaddress.IPv4Network(route.network) for route in observed.foreign)


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
