"""Where everything lies on the node, in one place. Tests give another root."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from skatelet.contract import drop


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Every path that skatelet reads or writes, below `root`."""

    root: Path = Path("/")

    def below(self, path: str) -> Path:
        """`path` (absolute on the node) below the root."""
        return self.root / path.lstrip("/")

    @property
    def drop(self) -> Path:
        return self.below(drop.ROOT)

    @property
    def inbox(self) -> Path:
        return self.drop / drop.INBOX

    @property
    def upload(self) -> Path:
        return self.drop / drop.UPLOAD

    @property
    def claims(self) -> Path:
        return self.drop / drop.CLAIMS

    @property
    def accepted(self) -> Path:
        return self.drop / drop.ACCEPTED

    @property
    def status(self) -> Path:
        return self.drop / drop.STATUS

    @property
    def identity(self) -> Path:
        return self.below(drop.NODE_CONFIG)

    @property
    def bundle(self) -> Path:
        """The bundle that is followed: the truth, of which the accepted copy in the drop is a reading copy."""
        return self.below("/var/lib/skatelet/bundle.tar")

    @property
    def memory(self) -> Path:
        """What skatelet remembers between runs: restarts, backoff, events, what was rejected."""
        return self.below("/var/lib/skatelet/state.json")

    @property
    def lock(self) -> Path:
        return self.below("/run/skatelet/lock")

    @property
    def wake(self) -> Path:
        """The OCI hook touches files here when a container starts or dies."""
        return self.below("/run/skatelet/wake")

    @property
    def podman_socket(self) -> Path:
        return self.below("/run/podman/podman.sock")

    @property
    def podman_binary(self) -> Path:
        return self.below("/usr/bin/podman")

    @property
    def network_file(self) -> Path:
        """Where podman (netavark) keeps the definition of the network `skate`."""
        return self.below("/etc/containers/networks/skate.json")

    @property
    def names(self) -> Path:
        """Corefile and zone of this node's CoreDNS: made anew after each boot, so that no name of yesterday is served."""
        return self.below("/run/skatelet-coredns")

    @property
    def resolv(self) -> Path:
        """resolv.conf of pods that podman writes none for: kept over reboots, as their containers are."""
        return self.below("/var/lib/skatelet/resolv")

    @property
    def ingress(self) -> Path:
        """nginx's configuration tree, keys of certificates included: in memory only."""
        return self.below("/run/skatelet-ingress")

    @property
    def certificates(self) -> Path:
        """What ACME gave, and its account: kept over reboots."""
        return self.below("/var/lib/skatelet/acme")

    @property
    def routes(self) -> Path:
        """What skatelet-routes.service does at boot."""
        return self.below("/var/lib/skatelet/routes")

    @property
    def seal_key(self) -> Path:
        """The private key that Secrets are unsealed with."""
        return self.below("/etc/skate/seal.key")

    def proc(self, name: str) -> Path:
        return self.below(f"/proc/{name}")
