"""Names on this node: its zone, its CoreDNS, and the host's own resolver.

A pass reads three small files and the control group of CoreDNS. When a pod becomes ready or dies, all that is done is to write
the zone's file: CoreDNS sees that within 250 ms and tells the other nodes. CoreDNS is asked how it is when something was done or
is not well, and once in each run of skatelet.
"""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable, Sequence

from skatelet import durable, services
from skatelet.contract import bundle
from skatelet.dns import ask, catalogue, corefile, health, labels, plan, resolv, resolved, unit, zone
from skatelet.paths import Paths
from skatelet.reconciler import Condition, Outcome, World
from skatelet.system import command

ZONE = "zone"
COREFILE = "Corefile"
STARTING_SECONDS = 3.0
"""How long after a start or reload CoreDNS may take to answer, and its peers to be asked."""
AGAIN_SECONDS = 1.0
RETRY_SECONDS = 30.0
"""How soon a CoreDNS that does not answer is looked at again."""
BOOTING_SECONDS = 120.0
BOOTING_LOOK_SECONDS = 20.0
"""Long enough for skatelet to leave meanwhile: systemd starts it again."""
_ADDRESS_NOTE = "routes/address/"
"""Where the routes leave the addresses of peers that are registered by a name; they are reconciled first."""
_RELOAD_NOTE = "names/reload"
"""Set from a reload until its outcome has been seen: empty while that is not known, else why it was refused."""
_NOT_INSTALLED = Condition(
    word="False",
    reason="NotInstalled",
    message="pods are not found by name: install the package skatelet-coredns on this node",
)


class Names:
    """The reconciler of names."""

    condition = "DNSReady"

    def __init__(self, paths: Paths, *, wake: Callable[[], None]) -> None:
        self._paths = paths
        self._version = ""
        self._catalogue: catalogue.Catalogue | None = None
        self._since: float | None = None
        self._failure = ""
        self._last: Condition | None = None

    def close(self) -> None:
        """Nothing runs beside a pass."""

    def reconcile(self, world: World) -> Outcome:
        if not unit.installed(self._paths):
            self._last = None
            return Outcome(condition=_NOT_INSTALLED)
        try:
            found = self._read(world)
            own = zone.build(
                node=world.identity.node,
                subnet=world.identity.subnet,
                serving=world.serving,
                known=found.known,
                catalogue=found.services,
            )
            setup, unreachable = self._setup(world, found)
            text = corefile.text(setup)
        except (*bundle.UNREADABLE, ValueError) as error:
            return Outcome(condition=Condition(word="False", reason="BundleUnreadable", message=str(error)[:1000]))
        actions = plan.plan(wanted=own, corefile=text, observed=self._observe(), now=world.now)
        try:
            begun = self._act(actions, world)
            host = self._tell_host(setup)
        except OSError as error:
            message = f"{self._paths.names} cannot be written: {error.strerror}"
            return Outcome(condition=Condition(word="False", reason="StorageFailed", message=message))
        problems = [*own.problems, *found.problems]
        if actions:
            self._last = None
        return self._judge(world, setup, begun=begun, unreachable=unreachable, problems=problems, host=host)

    def _read(self, world: World) -> catalogue.Catalogue:
        if self._catalogue is None or self._version != world.version:
            self._catalogue = catalogue.read(world.followed, world.identity)
            self._version, self._last = world.version, None
        return self._catalogue

    def _setup(self, world: World, found: catalogue.Catalogue) -> tuple[corefile.Setup, Sequence[str]]:
        names = {
            name.removeprefix(_ADDRESS_NOTE): address
            for name, address in world.notes.items()
            if name.startswith(_ADDRESS_NOTE)
        }
        peers, unreachable = catalogue.addresses(found, names)
        gateway = gateway_of(world.identity)
        own = services.node_address(world.identity)
        listen = [] if found.vxlan else _own_addresses(own, list(peers.values()))
        setup = corefile.Setup(
            node=world.identity.node,
            zone_file=f"/{(self._paths.names / ZONE).relative_to(self._paths.root)}",
            gateway=gateway,
            listen=listen,
            cidr=found.cidr,
            peers=peers,
            askers=[peer.registered for peer in found.peers if labels.is_address(peer.registered)],
            subnets=found.subnets,
            nameservers=resolv.upstream(self._paths, own=[gateway, corefile.SERVER, *listen]).nameservers,
        )
        return setup, unreachable

    def _observe(self) -> plan.Observed:
        return plan.Observed(
            zone=_content(self._paths, ZONE),
            corefile=_content(self._paths, COREFILE),
            running=unit.running(self._paths),
        )

    def _act(self, actions: Sequence[plan.Action], world: World) -> bool:
        """Do `actions`; whether CoreDNS was started or reloaded. Raises OSError where a file cannot be written."""
        begun = False
        for action in actions:
            match action:
                case plan.WriteZone():
                    durable.write(self._paths.names / ZONE, action.text.encode("ascii"), mode=0o644)
                case plan.WriteCorefile():
                    durable.write(self._paths.names / COREFILE, action.text.encode("ascii"), mode=0o644)
                case plan.Start() if self._starts_already(world.now):
                    pass
                case plan.Start():
                    begun = self._begin(unit.start, world)
                    world.notes.pop(_RELOAD_NOTE, None)
                case plan.Reload():
                    begun = self._begin(unit.reload, world)
                    world.notes[_RELOAD_NOTE] = ""
        return begun

    def _starts_already(self, now: float) -> bool:
        """systemd starts what ends by itself; a start from here is for when it was stopped, or given up."""
        return self._since is not None and 0 <= now - self._since < RETRY_SECONDS

    def _begin(self, begin: Callable[[], None], world: World) -> bool:
        self._since, self._failure = world.now, ""
        try:
            begin()
        except command.CommandError as error:
            # It may run all the same: that is seen by asking it.
            self._failure = str(error)
        return True

    def _tell_host(self, setup: corefile.Setup) -> str:
        """See that the host resolves the cluster's names; why it does not, where it should."""
        zones = corefile.reverse_zones(setup.subnets)
        if not resolved.wanted(self._paths) or resolved.is_set(self._paths, zones):
            return ""
        try:
            resolved.ensure(self._paths, zones)
        except command.CommandError as error:
            return f"the host itself does not resolve names of the cluster: {error}"
        return ""

    def _judge(
        self,
        world: World,
        setup: corefile.Setup,
        *,
        begun: bool,
        unreachable: Sequence[str],
        problems: Sequence[str],
        host: str,
    ) -> Outcome:
        if self._last is not None and self._last.reason == "Serving" and not host and _RELOAD_NOTE not in world.notes:
            return Outcome(condition=self._last, due=self._until_host_is_up(world, setup))
        report = health.look(setup.gateway)
        settling = self._since is not None and 0 <= world.now - self._since < STARTING_SECONDS
        if report.silence:
            condition = _starting() if settling else self._silent(report.silence, setup.gateway)
            self._last = None
            soon = AGAIN_SECONDS if settling else RETRY_SECONDS
            return Outcome(condition=condition, acted=begun, due=world.now + soon)
        refused = self._refused(world, settling=settling)
        if refused:
            message = f"CoreDNS goes on with its former configuration: {refused}"
            return Outcome(condition=Condition(word="False", reason="ConfigRefused", message=message), acted=begun)
        condition = health.judge(
            report,
            own=world.identity.node,
            unreachable=unreachable,
            problems=problems,
            forwards=bool(setup.nameservers),
        )
        if host:
            message = "; ".join(part for part in (condition.message, host) if part)[:1000]
            condition = dataclasses.replace(condition, message=message)
        self._last = condition
        unsettled = (settling and condition.reason != "Serving") or _RELOAD_NOTE in world.notes
        due = world.now + AGAIN_SECONDS if unsettled else self._until_host_is_up(world, setup)
        return Outcome(condition=condition, acted=begun, due=due)

    def _until_host_is_up(self, world: World, setup: corefile.Setup) -> float | None:
        """When to look again for the host's nameservers: after a boot skatelet may be here before they are (DHCP)."""
        if setup.nameservers:
            return None
        age = world.now - (self._paths.names / COREFILE).stat().st_mtime
        return world.now + BOOTING_LOOK_SECONDS if 0 <= age < BOOTING_SECONDS else None

    def _refused(self, world: World, *, settling: bool) -> str:
        """Why the last reload was refused, once that is known."""
        if _RELOAD_NOTE not in world.notes or (settling and world.now - (self._since or 0.0) < AGAIN_SECONDS):
            return ""
        why = unit.refusal()
        if why:
            world.notes[_RELOAD_NOTE] = why
        else:
            del world.notes[_RELOAD_NOTE]
        return why

    def _silent(self, silence: str, gateway: str) -> Condition:
        words = unit.last_words()
        message = f"CoreDNS does not answer at {gateway}: {words or self._failure or silence}"
        if "address already in use" in words:
            reason = "PortTaken"
        elif "cannot assign requested address" in words:
            reason = "AddressMissing"
        else:
            reason = "NotAnswering" if unit.running(self._paths) else "NotRunning"
        return Condition(word="False", reason=reason, message=message[:1000])


def gateway_of(identity: bundle.NodeIdentity) -> str:
    """The address at which pods and the host find CoreDNS."""
    return labels.gateway_of(identity.subnet)


def _starting() -> Condition:
    return Condition(word="Unknown", reason="Starting", message="CoreDNS is starting")


def _content(paths: Paths, name: str) -> str | None:
    try:
        return (paths.names / name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _own_addresses(registered: str, peers: Sequence[str]) -> list[str]:
    """Where peers reach this node: the address it is registered by where that is its own, else the one it reaches them from."""
    if not registered and not peers:
        return []
    if registered and _can_bind(registered):
        return [registered]
    return sorted({source for peer in peers if (source := _source(peer))})


def _can_bind(address: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _source(peer: str) -> str:
    """The address that packets to `peer` come from; empty where there is no way to it. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((peer, ask.PORT))
        except OSError:
            return ""
        return str(probe.getsockname()[0])
