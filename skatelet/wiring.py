"""Which reconcilers the network of this node has, and what each of them needs of the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from skatelet import networking, secrets
from skatelet.certificates.reconcile import Certificates
from skatelet.contract import bundle
from skatelet.dns import ask
from skatelet.dns.reconcile import Names, gateway_of
from skatelet.ingress import model
from skatelet.ingress.reconcile import Ingress
from skatelet.paths import Paths
from skatelet.reconciler import Outcome, World
from skatelet.routes.reconcile import Routes


def network(paths: Paths, *, wake: Callable[[], None]) -> networking.Network:
    """Routes first, for CoreDNS listens at an address that they bring; ingress last, for it serves what the others have found."""
    unsealed = secrets.Secrets(paths)
    certificates = Certificates(paths, wake=wake, secrets=unsealed)
    ingress = _Ingress(paths, wake=wake, unsealed=unsealed, certificates=certificates)
    return networking.Network((Routes(paths, wake=wake), Names(paths, wake=wake), certificates, ingress))


class _Ingress:
    """Ingress, with what it asks the others for: Secrets and names are those of the bundle that is followed at that moment."""

    condition = Ingress.condition

    def __init__(
        self, paths: Paths, *, wake: Callable[[], None], unsealed: secrets.Secrets, certificates: Certificates
    ) -> None:
        self._unsealed = unsealed
        self._certificates = certificates
        self._followed: bundle.Bundle | None = None
        self._gateway = ""
        self._ingress = Ingress(
            paths,
            wake=wake,
            secret=self._secret,
            certificates=self._pairs,
            thumbprints=certificates.thumbprints,
            gathered=self._gathered,
        )

    def reconcile(self, world: World) -> Outcome:
        self._followed, self._gateway = world.followed, gateway_of(world.identity)
        return self._ingress.reconcile(world)

    def close(self) -> None:
        self._ingress.close()

    def _secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        assert self._followed is not None
        try:
            return self._unsealed.get(self._followed, namespace, name)
        except secrets.SecretError as error:
            print(f"{error.reason}: {error.message}", flush=True)
            return None

    def _pairs(self) -> Mapping[tuple[str, str], model.Pair]:
        return {
            name: model.Pair(chain=str(pair.chain), key=str(pair.key), digest=pair.digest)
            for name, pair in self._certificates.pairs().items()
        }

    def _gathered(self, name: str) -> list[str] | None:
        """None where nobody answers: then what was known before holds."""
        try:
            return ask.addresses(self._gateway, name)
        except ask.NoAnswer:
            return None
