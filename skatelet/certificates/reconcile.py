"""The certificates of this node's Ingresses: out of Secrets, or ordered by ACME, one at a time, in a thread.

    Ingresses ─▶ requests ─┬─ there is a Secret of that name ─▶ its files, in memory (served)
                           └─ there is none ─▶ issuer, account ─▶ decide (plan) ─▶ order in a thread (acme) ─▶ record (records)

Every node orders for itself, with a key of its own; only the account is shared. While there is no certificate there is none in
`pairs`, and ingress shows a self-signed one. What is wrong with one certificate never keeps another from being served.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skatelet import secrets, services
from skatelet.certificates import account, acme, plan, records, served
from skatelet.certificates.model import Pair, Problem, in_memory
from skatelet.contract import bundle, issuing
from skatelet.paths import Paths
from skatelet.reconciler import Condition, Outcome, World

NOTE = "certificates/account/"
"""Before an account's name, in the notes: its key's version and its thumbprint, so that a pass unseals nothing."""
_HARMLESS = ("Ordering", "Waiting")


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """One certificate that ACME is asked for."""

    request: issuing.Request
    issuer: issuing.Issuer
    hosts: tuple[str, ...]
    """Without wildcards."""
    thumbprint: str
    folder: Path

    @property
    def digest(self) -> str:
        return plan.digest(
            hosts=self.hosts, server=self.issuer.server, email=self.issuer.email, account=self.thumbprint
        )


class Certificates:
    """The reconciler. `pairs` and `thumbprints` are as of the last call of `reconcile`."""

    condition = "CertificatesReady"

    def __init__(
        self,
        paths: Paths,
        *,
        wake: Callable[[], None],
        secrets: secrets.Secrets,
        order: Callable[[acme.Order], acme.Ordered | acme.Failed] = acme.order,
    ) -> None:
        self._paths = paths
        self._wake = wake
        self._secrets = secrets
        self._order = order
        self._served = served.Served(in_memory(paths) / "secrets", secrets)
        self._pool = futures.ThreadPoolExecutor(1, thread_name_prefix="certificates")
        self._running: tuple[_Wanted, int, futures.Future[acme.Ordered | acme.Failed]] | None = None
        self._pairs: dict[tuple[str, str], Pair] = {}
        self._thumbprints: dict[str, str] = {}
        self._asked: tuple[str, list[issuing.Request], list[issuing.Issuer]] | None = None
        self._nodes: tuple[str, ...] = ()
        self._swept = ""

    def pairs(self) -> Mapping[tuple[str, str], Pair]:
        """The certificates that can be served, by namespace and secretName."""
        return self._pairs

    def thumbprints(self) -> Mapping[str, str]:
        """By host: the thumbprint that a challenge's answer ends with (RFC 8555 8.1), on every node the same."""
        return self._thumbprints

    def close(self) -> None:
        """Begin no more orders; one that runs ends by itself, and its certificate is ordered again by the next run."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def reconcile(self, world: World) -> Outcome:
        """One pass."""
        try:
            requests, issuers = self._read(world)
        except bundle.UNREADABLE as error:
            message = f"the Ingresses of the bundle cannot be read: {type(error).__name__}"
            return Outcome(condition=Condition(word="False", reason="BundleUnreadable", message=message))
        problems: list[Problem] = []
        pairs: dict[tuple[str, str], Pair] = {}
        wanted: list[_Wanted] = []
        for request in requests:
            if self._secrets.version(world.followed, request.namespace, request.secret):
                found = self._served.pair(world.followed, request)
                if isinstance(found, Pair):
                    pairs[request.namespace, request.secret] = found
                else:
                    problems.append(found)
            else:
                wanted += self._wanted(world, request, issuers, problems)
        self._served.forget(list(pairs.values()))
        self._thumbprints = {host: item.thumbprint for item in wanted for host in item.hosts}
        events = self._collect(world)
        due: list[float] = []
        for item in wanted:
            due += self._look(world, item, pairs, problems)
        acted = pairs != self._pairs
        self._pairs = pairs
        if world.version != self._swept:
            records.sweep(self._paths.certificates, {item.folder for item in wanted}, now=world.now)
            self._swept = world.version
        return Outcome(
            condition=_condition(len(requests), problems),
            acted=acted,
            events=tuple(events),
            due=min(due, default=None),
            busy=self._running is not None,
        )

    def _read(self, world: World) -> tuple[list[issuing.Request], list[issuing.Issuer]]:
        if self._asked is None or self._asked[0] != world.version:
            requests = issuing.requests(_of_kind(world.followed, "Ingress"))
            issuers = (
                [issuing.issuer_of(item) for item in _of_kind(world.followed, "ClusterIssuer")] if requests else []
            )
            own = world.identity.node
            addresses = [services.node_address(node) for node in world.followed.nodes() if node.name != own]
            self._nodes = tuple(sorted(address for address in addresses if address))
            self._asked = (world.version, requests, issuers)
        return self._asked[1], self._asked[2]

    def _wanted(
        self, world: World, request: issuing.Request, issuers: list[issuing.Issuer], problems: list[Problem]
    ) -> list[_Wanted]:
        def problem(reason: str, message: str) -> list[_Wanted]:
            problems.append(Problem(namespace=request.namespace, secret=request.secret, reason=reason, message=message))
            return []

        issuer = issuing.choose(request, issuers)
        if isinstance(issuer, str):
            return problem("NoIssuer", issuer)
        hosts = tuple(host for host in request.hosts if not host.startswith("*."))
        if not request.hosts:
            return problem("NoHosts", "neither spec.tls nor the rules name a host to ask a certificate for")
        if len(hosts) < len(request.hosts):
            wild = ", ".join(host for host in request.hosts if host.startswith("*."))
            problem(
                "Wildcard", f"{wild} cannot be certified by HTTP-01: apply a Secret {request.secret} with a certificate"
            )
        if not hosts:
            return []
        try:
            thumbprint = self._thumbprint(world.followed, issuer.account, world.notes)
        except secrets.SecretError as error:
            return problem(error.reason, error.message)
        except account.AccountKeyError as error:
            return problem("AccountKey", f"the account key in the Secret {issuer.account} cannot be used: {error}")
        folder = records.directory(self._paths.certificates, request.namespace, request.secret)
        return [_Wanted(request=request, issuer=issuer, hosts=hosts, thumbprint=thumbprint, folder=folder)]

    def _thumbprint(self, followed: bundle.Bundle, name: str, notes: MutableMapping[str, str]) -> str:
        version = self._secrets.version(followed, issuing.ACCOUNT_NAMESPACE, name)
        known, _, thumbprint = notes.get(NOTE + name, "").partition(" ")
        if not version or known != version:
            thumbprint = account.thumbprint(self._account_key(followed, name))
            notes[NOTE + name] = f"{version} {thumbprint}"
        return thumbprint

    def _account_key(self, followed: bundle.Bundle, name: str) -> bytes:
        data = self._secrets.get(followed, issuing.ACCOUNT_NAMESPACE, name)
        if data is None:
            message = f"there is no Secret {name} in {issuing.ACCOUNT_NAMESPACE} with the account's key: run `skate apply` again"
            raise secrets.SecretError("NoAccount", message)
        return data.get(issuing.ACCOUNT_KEY, b"")

    def _look(
        self, world: World, item: _Wanted, pairs: dict[tuple[str, str], Pair], problems: list[Problem]
    ) -> list[float]:
        """What is held goes into `pairs`; an order is begun when it is time. When to look again."""
        key = (item.request.namespace, item.request.secret)

        def problem(reason: str, message: str) -> None:
            problems.append(Problem(namespace=key[0], secret=key[1], reason=reason, message=message))

        record = records.read(item.folder)
        if record is None or record.attempts.request != item.digest:
            attempts = plan.Attempts(request=item.digest, since=world.now)
            record = records.Record(attempts=attempts, held=record.held if record else None)
            try:
                records.write(item.folder, record)
            except OSError as error:
                problem("StorageFailed", f"{item.folder} cannot be written: {error.strerror}")
                return []
        held = record.held
        if held is not None and world.now < held.not_after:
            pairs[key] = records.pair(item.folder, held)
        decision = plan.decide(held=held, attempts=record.attempts, node=world.identity.node, now=world.now)
        if decision.order and self._running is None:
            try:
                self._begin(world, item, insist=record.attempts.unseen < len(plan.QUICK))
            except secrets.SecretError as error:
                problem(error.reason, error.message)
                return []
        running = self._running is not None and self._running[0] == item
        if record.attempts.message:
            problem("OrderFailed", f"{item.issuer.server}: {record.attempts.message}")
        elif key not in pairs:
            problem("Ordering" if running else "Waiting", f"asking {item.issuer.server} for {', '.join(item.hosts)}")
        return [] if decision.order else [decision.due]

    def _begin(self, world: World, item: _Wanted, *, insist: bool) -> None:
        version = records.next_version(item.folder)
        request = acme.Order(
            hosts=item.hosts,
            server=item.issuer.server,
            email=item.issuer.email,
            account_key=self._account_key(world.followed, item.issuer.account),
            thumbprint=item.thumbprint,
            target=item.folder / str(version),
            scratch=in_memory(self._paths),
            peers=self._nodes,
            insist=insist,
        )
        print(f"asking {item.issuer.server} for a certificate for {', '.join(item.hosts)}", flush=True)
        future = self._pool.submit(self._order, request)
        self._running = (item, version, future)
        future.add_done_callback(lambda done: self._wake())

    def _collect(self, world: World) -> list[tuple[str, str, str, str]]:
        """Write down what came of the order that has ended; what to say of it."""
        if self._running is None or not self._running[2].done():
            return []
        (item, version, future), self._running = self._running, None
        try:
            result = future.result()
        except Exception as error:  # a bug of ours: it must be seen, and not be tried again without end
            result = acme.Failed(message=f"{type(error).__name__}: {error}"[:500])
        about = f"ingress/{item.request.namespace}/{item.request.ingresses[0]}"
        before = records.read(item.folder)
        if before is None or before.attempts.request != item.digest:
            # The Ingress has changed meanwhile: what was ordered for it then counts for nothing.
            return []
        try:
            if isinstance(result, acme.Failed):
                nodes = len(self._nodes) + 1
                after = plan.failed(
                    before.attempts, seen=result.seen, message=result.message, nodes=nodes, now=world.now
                )
                records.write(item.folder, dataclasses.replace(before, attempts=after))
                print(f"no certificate for {', '.join(item.hosts)}: {result.message}", flush=True)
                return [("Warning", "CertificateFailed", about, f"{item.issuer.server}: {result.message}")]
            chain = (item.folder / str(version) / acme.CHAIN).read_bytes()
            held = plan.Held(
                request=item.digest,
                version=version,
                not_before=result.not_before,
                not_after=result.not_after,
                digest=hashlib.sha256(chain).hexdigest(),
            )
            attempts = plan.Attempts(request=item.digest, since=before.attempts.since)
            records.write(item.folder, records.Record(attempts=attempts, held=held))
        except OSError as error:
            return [("Warning", "CertificateFailed", about, f"{item.folder} cannot be written: {error.strerror}")]
        print(f"there is a new certificate for {', '.join(item.hosts)}", flush=True)
        return [("Normal", "CertificateIssued", about, f"{item.issuer.server} has certified {', '.join(item.hosts)}")]


def _of_kind(followed: bundle.Bundle, kind: str) -> Iterable[Mapping[str, Any]]:
    found = (item.manifest for item in followed.objects_with(kind.encode()))
    return [manifest for manifest in found if manifest.get("kind") == kind]


def _condition(requests: int, problems: list[Problem]) -> Condition:
    if not requests:
        return Condition(word="True", reason="NoneNeeded")
    if not problems:
        return Condition(word="True", reason="Ready")
    worst = [item for item in problems if item.reason not in _HARMLESS] or problems
    message = "; ".join(str(item) for item in sorted(problems, key=str))[:1000]
    return Condition(word="False", reason=worst[0].reason, message=message)
