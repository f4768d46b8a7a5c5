"""The ingress of this node: nginx runs, and serves what the catalogue's Ingresses say.

While the catalogue has no Ingress nothing runs and no file is there. A pass with nothing new reads a small file and looks at one
process; the catalogue is only read when it is another one, or when a certificate, a Secret, or a pod of a former version has
changed.

A new configuration is tested by nginx beside the one that is served. Where nginx refuses it, the Ingresses that it is
refused for are found and left out: a bad rule stops neither the good ones nor nginx.

During a rollout the catalogue names pods that do not run yet, while those of before still serve: so what the names of the
cluster still have for a backend is among its members too, until it is gone from there.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import skatelet
from skatelet import reconciler, services
from skatelet.contract import bundle
from skatelet.ingress import annotating, configuration, model, rules, tree
from skatelet.paths import Paths
from skatelet.system import command, nginx

ACCOUNT = "skate-ingress"
PORTS = (80, 443)
STRANGERS_SECONDS = 2.0
"""How soon to look whether pods of a former version still serve."""
TAKEN_SECONDS = 30.0
"""How soon to look whether a port that somebody else has is free."""
SHOWN = 5
"""How many problems a condition's message tells."""
_INGRESSES = "catalogue/objects/ingress/"
_MILD = frozenset({"CertificatePending"})
"""Problems that leave everything served."""

Secret = Callable[[str, str], Mapping[str, bytes] | None]
Certificates = Callable[[], Mapping[tuple[str, str], model.Pair]]


class Refused(Exception):
    """nginx takes no configuration at all; the message is nginx's own."""


@dataclass(frozen=True, kw_only=True)
class _Inputs:
    """All that a configuration is made from, as far as it can change while the catalogue is the same."""

    version: str
    pairs: Mapping[tuple[str, str], model.Pair]
    thumbprints: Mapping[str, str]
    secrets: Mapping[tuple[str, str], Mapping[str, bytes] | None]
    old: tuple[services.Pod, ...]
    """Pods of this node that serve and are not in the catalogue."""
    gathered: Mapping[str, Sequence[str]]

    def key(self, binary: str) -> str:
        parts: list[Any] = [
            skatelet.__version__,
            binary,
            self.version,
            sorted((*name, asdict(pair)) for name, pair in self.pairs.items()),
            sorted(self.thumbprints.items()),
            sorted((*name, _digest(content)) for name, content in self.secrets.items()),
            sorted((pod.namespace, pod.name, pod.address) for pod in self.old),
            sorted((name, sorted(addresses)) for name, addresses in self.gathered.items()),
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class _Made:
    """A tree that nginx takes, and what it was made from."""

    name: str
    served: model.Model


class Ingress:
    """See the module. `secret` gives a Secret in clear, `certificates` the certificates by namespace and Secret, `thumbprints`
    by host that of the ACME account which answers for it, `gathered` the addresses that the cluster's names have for a name, and
    None where the names do not answer."""

    condition = "IngressReady"

    def __init__(
        self,
        paths: Paths,
        *,
        wake: Callable[[], None],
        secret: Secret,
        certificates: Certificates,
        thumbprints: Callable[[], Mapping[str, str]],
        gathered: Callable[[str], list[str] | None],
    ) -> None:
        self._paths = paths
        self._secret = secret
        self._certificates = certificates
        self._thumbprints = thumbprints
        self._gathered = gathered
        self._binary = paths.below("/usr/sbin/nginx")
        self._tree = tree.Tree(root=paths.ingress, account=ACCOUNT)

    def close(self) -> None:
        """Nothing runs beside a pass."""

    def reconcile(self, world: reconciler.World) -> reconciler.Outcome:
        """See reconciler.Reconciler."""
        try:
            if not any(path.startswith(_INGRESSES) for path in world.followed.files):
                return self._nothing()
            return self._something(world)
        except (nginx.NginxError, command.CommandError, Refused, OSError) as error:
            return _failed("Failed", f"{error}"[:1000])
        except bundle.UNREADABLE as error:
            return _failed("Unreadable", f"the catalogue cannot be read: {error}"[:1000])

    def _nothing(self) -> reconciler.Outcome:
        acted = self._tree.root.exists()
        if acted:
            nginx.stop()
            self._tree.remove()
        return reconciler.Outcome(condition=reconciler.Condition(word="True", reason="NoIngress"), acted=acted)

    def _something(self, world: reconciler.World) -> reconciler.Outcome:
        binary = self._fingerprint()
        if not binary:
            return _failed("NotInstalled", "nginx is not installed on this node: apt-get install nginx-light")
        known = self._tree.state()
        inputs = self._observed(world, known)
        state = known
        if known.get("key") != inputs.key(binary) or not self._tree.served:
            state = self._renewed(world, known, inputs, binary)
        acted, taken = self._act(state, replaced=known.get("binary") not in (None, binary))
        if not taken:
            state = {**state, "loaded": self._tree.served}
        if state != known:
            self._tree.remember(state)
        found = [model.Problem(**item) for item in state["problems"]]
        due = world.now + STRANGERS_SECONDS if state["strangers"] else None
        return reconciler.Outcome(
            condition=_taken(taken) if taken else _condition(found),
            acted=acted,
            events=_events(found, known.get("problems", [])),
            due=world.now + TAKEN_SECONDS if taken else due,
        )

    def _observed(self, world: reconciler.World, known: Mapping[str, Any]) -> _Inputs:
        """What the configuration would be made from now, looking only at what the last one was made from."""
        placed = set(known.get("placed", ()))
        names = known.get("gathered", ()) if known.get("strangers") else ()
        return _Inputs(
            version=world.version,
            pairs=dict(self._certificates()),
            thumbprints=dict(self._thumbprints()),
            secrets=self._secrets(tuple(name) for name in known.get("secrets", ())),
            old=tuple(pod for pod in world.serving if pod.address not in placed),
            gathered=self._gather(names, known),
        )

    def _renewed(
        self, world: reconciler.World, known: Mapping[str, Any], inputs: _Inputs, binary: str
    ) -> dict[str, Any]:
        """Make the configuration anew and let `current` lead to it; what is to be remembered of it."""
        ingresses = rules.in_order(world.followed.objects_with(b"Ingress"))
        pods = services.placed_pods(world.followed)
        placed = {pod.address for pod in pods}
        wanted = {annotating.secret_of(item.manifest["metadata"]) for item in ingresses} - {None}
        inputs = replace(
            inputs,
            secrets=self._secrets(name for name in wanted if name is not None),
            old=tuple(pod for pod in world.serving if pod.address not in placed),
        )
        attempt = _Attempt(
            inputs=inputs,
            refused={name: why for name, pair in inputs.pairs.items() if (why := tree.unusable(pair))},
            offered=services.services(world.followed),
            pods=pods,
            version=self._version(),
            resolver=_gateway(world.identity.subnet),
            ipv6=self._paths.proc("net/if_inet6").exists(),
        )
        if known.get("version") != world.version or known.get("strangers"):
            names = attempt.served(ingresses).names
            inputs = replace(inputs, gathered=self._gather(names, known))
            attempt = replace(attempt, inputs=inputs)
        self._tree.prepare()
        made, problems = self._passing(attempt, ingresses)
        self._tree.serve(made.name)
        self._tree.tidy()
        strangers = sorted(made.served.strangers)
        inputs = replace(inputs, gathered=inputs.gathered if strangers else {})
        return {
            "key": inputs.key(binary),
            "version": world.version,
            "binary": binary,
            "loaded": known.get("loaded", ""),
            "placed": sorted(placed),
            "secrets": sorted(list(name) for name in inputs.secrets),
            "gathered": {name: sorted(addresses) for name, addresses in inputs.gathered.items()},
            "strangers": strangers,
            "problems": [asdict(item) for item in sorted({*made.served.problems, *problems})],
        }

    def _gather(self, names: Iterable[str], known: Mapping[str, Any]) -> dict[str, Sequence[str]]:
        """What the names have. Where they do not answer, what they had: no answer ends no pod. They are not asked on then."""
        found: dict[str, Sequence[str]] = {}
        silent = False
        for name in names:
            addresses = None if silent else self._gathered(name)
            silent = addresses is None
            found[name] = known.get("gathered", {}).get(name, []) if addresses is None else addresses
        return found

    def _passing(
        self, attempt: _Attempt, ingresses: Sequence[bundle.CatalogueObject]
    ) -> tuple[_Made, list[model.Problem]]:
        """The tree of as many of `ingresses` as nginx takes, and why the others were left out. Raises Refused."""
        left, problems = list(ingresses), []
        made, refusal = self._tried(attempt, left)
        while refusal:
            if not left:
                raise Refused(f"nginx refuses its configuration: {refusal}")
            # The first of those, in their order, with which nginx refuses: up to `low` it does not, up to `high` it does.
            low, high = 0, len(left)
            while high - low > 1:
                middle = (low + high) // 2
                _, message = self._tried(attempt, left[:middle])
                low, high, refusal = (low, middle, message) if message else (middle, high, refusal)
            culprit = left.pop(high - 1)
            problems.append(model.Problem(object=rules.label(culprit), reason="Refused", message=refusal[:500]))
            made, refusal = self._tried(attempt, left)
        return made, problems

    def _tried(self, attempt: _Attempt, ingresses: Sequence[bundle.CatalogueObject]) -> tuple[_Made, str]:
        """The tree of `ingresses`, and why nginx refuses it; empty where it does not."""
        served = attempt.served(ingresses)
        name = self._tree.stage(attempt.text(served), served)
        made = _Made(name=name, served=served)
        if name == self._tree.served:
            return made, ""
        root = self._tree.root
        return made, nginx.refusal(
            self._binary,
            prefix=root / "test",
            configuration=root / name / configuration.CONFIGURATION,
            pid=root / "test/nginx.pid",
        )

    def _act(self, state: Mapping[str, Any], *, replaced: bool) -> tuple[bool, str]:
        """Start nginx or let it read what is new; whether that was to be done, and who has the ports that it needs."""
        running = self._running()
        if running and replaced:
            # The program on disk is another one than the one that runs, which may not understand what is written for it.
            nginx.stop()
        elif running and state["loaded"] == self._tree.served:
            return False, ""
        elif running:
            nginx.reload()
            return True, ""
        taken = [item for item in nginx.listeners(PORTS) if not self._ours(item.pid)]
        if taken:
            return False, "; ".join(f"port {item.port}: {item.process} (pid {item.pid})" for item in taken)
        nginx.start()
        return True, ""

    def _running(self) -> bool:
        try:
            return self._ours(int(self._tree.pid.read_text(encoding="ascii")))
        except (OSError, ValueError):
            return False

    def _ours(self, pid: int) -> bool:
        try:
            return nginx.UNIT in self._paths.proc(f"{pid}/cgroup").read_text(encoding="ascii", errors="replace")
        except OSError:
            return False

    def _fingerprint(self) -> str:
        try:
            found = self._binary.stat()
        except OSError:
            return ""
        return f"{found.st_mtime_ns} {found.st_size} {found.st_ino}"

    def _version(self) -> tuple[int, ...]:
        found = nginx.version(self._binary)
        if found is None:
            raise nginx.NginxError("nginx is not installed on this node")
        return found

    def _secrets(self, names: Iterable[tuple[str, ...]]) -> dict[tuple[str, str], Mapping[str, bytes] | None]:
        return {(namespace, name): self._secret(namespace, name) for namespace, name in names}


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    """Makes configurations of some of the Ingresses, all else being the same."""

    inputs: _Inputs
    refused: Mapping[tuple[str, str], str]
    """Certificates that cannot be served, and why."""
    offered: Sequence[services.Service]
    pods: Sequence[services.Pod]
    version: tuple[int, ...]
    resolver: str
    ipv6: bool

    def served(self, ingresses: Sequence[bundle.CatalogueObject]) -> model.Model:
        return rules.model_of(
            ingresses,
            services=self.offered,
            pods=self.pods,
            serving=self.inputs.old,
            gathered=self.inputs.gathered,
            certificates={name: pair for name, pair in self.inputs.pairs.items() if name not in self.refused},
            refused=self.refused,
            thumbprints=self.inputs.thumbprints,
            secrets=self.inputs.secrets,
        )

    def text(self, served: model.Model) -> str:
        return configuration.render(
            served,
            version=self.version,
            account=ACCOUNT,
            resolver=self.resolver,
            ipv6=self.ipv6,
        )


def _gateway(subnet: str) -> str:
    """Where this node's CoreDNS answers."""
    return str(ipaddress.IPv4Network(subnet)[1])


def _digest(content: Mapping[str, bytes] | None) -> str:
    parts = sorted((name, hashlib.sha256(data).hexdigest()) for name, data in (content or {}).items())
    return json.dumps(parts) if content is not None else ""


def _failed(reason: str, message: str) -> reconciler.Outcome:
    return reconciler.Outcome(condition=reconciler.Condition(word="False", reason=reason, message=message))


def _taken(taken: str) -> reconciler.Condition:
    hint = "end what listens there (the distribution's own nginx: systemctl disable --now nginx)"
    return reconciler.Condition(word="False", reason="PortTaken", message=f"{taken}; {hint}"[:1000])


def _condition(problems: Sequence[model.Problem]) -> reconciler.Condition:
    if not problems:
        return reconciler.Condition(word="True", reason="Serving")
    lines = [f"{item.object}: {item.message}" for item in problems[:SHOWN]]
    more = [f"and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
    message = "; ".join([*lines, *more])[:1000]
    serious = sorted({item.reason for item in problems if item.reason not in _MILD})
    if not serious:
        return reconciler.Condition(word="True", reason="CertificatePending", message=message)
    reason = serious[0] if len(serious) == 1 else "SeveralProblems"
    return reconciler.Condition(word="False", reason=reason, message=message)


def _events(
    found: Iterable[model.Problem], known: Sequence[Mapping[str, str]]
) -> tuple[tuple[str, str, str, str], ...]:
    new = [item for item in found if asdict(item) not in known]
    return tuple(("Warning", item.reason, item.object, item.message) for item in new)
