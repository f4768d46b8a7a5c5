"""Is the host the one it says it is? Decided here, before anything is said to it.

A host key is trusted when it is pinned in the registry, when the user named it, or when ssh's own known_hosts has it. Another
key than the trusted one is refused, always. A host of which nothing is known is shown by its fingerprint, and a person (or
`--yes`) says whether it is pinned. From then on only that key, and only its algorithm, is spoken with.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from skate.errors import NodeError

KNOWN_HOSTS = (Path("~/.ssh/known_hosts"), Path("/etc/ssh/ssh_known_hosts"))


class UnknownHostKey(Exception):
    """A host that nothing is known of; carries the key it showed."""

    def __init__(self, key: asyncssh.SSHKey) -> None:
        super().__init__(key)
        self.key = key


@dataclass(kw_only=True)
class Verification:
    """Judges the key that one host shows: used once, for one connection. What was found stays in its fields."""

    pinned: str = ""
    """`algorithm base64`, from the registry."""
    accepted: str = ""
    """`algorithm base64` or `SHA256:…`, from the user; goes before what is pinned."""
    known_hosts: Sequence[Path] = KNOWN_HOSTS
    shown: asyncssh.SSHKey | None = field(default=None, init=False)
    trusted: list[asyncssh.SSHKey] = field(default_factory=list, init=False)

    def lookup(self, host: str, addr: str, port: int | None) -> tuple[list[asyncssh.SSHKey], ...]:
        """What asyncssh asks before it connects: trusted keys, authorities, revoked keys."""
        revoked: list[asyncssh.SSHKey] = []
        if self.accepted:
            self.trusted = [] if self.accepted.startswith("SHA256:") else [parse(self.accepted)]
        elif self.pinned:
            self.trusted = [parse(self.pinned)]
        else:
            for path in self.known_hosts:
                # A file that cannot be read knows nothing: then the user is asked.
                with contextlib.suppress(OSError, ValueError):
                    found = asyncssh.match_known_hosts(str(path.expanduser()), host, addr, port)
                    self.trusted += found[0]
                    revoked += found[2]
        return self.trusted, [], revoked

    def judge(self, key: asyncssh.SSHKey) -> bool:
        """What asyncssh asks about a key that is not among the trusted ones. Keeps the key; true when it may be pinned."""
        self.shown = key
        return not self.trusted and bool(self.accepted) and self.accepted.rstrip("=") == key.get_fingerprint()

    def explain(self, host: str) -> Exception:
        """Why the host was refused."""
        if self.shown is None:
            return NodeError(f"{host}: its host key is revoked, or cannot be read")
        if not self.trusted and not self.accepted:
            return UnknownHostKey(self.shown)
        expected = ", ".join(describe(key) for key in self.trusted) or self.accepted
        return NodeError(
            f"THE HOST KEY OF {host} IS NOT THE EXPECTED ONE: somebody may be listening in, or the host was installed anew",
            details=[f"expected: {expected}", f"shown:    {describe(self.shown)}"],
            hint=self._way_out(),
        )

    def _way_out(self) -> str:
        if self.accepted:
            return "check --host-key against the host's console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"
        if self.pinned:
            return (
                "if it was installed anew: check the fingerprint at its console (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub),"
                " then pass it as --host-key SHA256:…"
            )
        return "if it was installed anew: remove the old key from known_hosts (ssh-keygen -R HOST), and try again"


def approve(key: asyncssh.SSHKey, *, host: str, confirm: Callable[[str], bool] | None) -> str:
    """Ask whether the unknown `key` may be pinned. Returns it as `algorithm base64`; raises NodeError when it may not."""
    if confirm is None:
        raise NodeError(
            f"nothing is known of {host}, and there is no terminal to ask on",
            details=[f"its key is {describe(key)}"],
            hint=f"check the fingerprint, then pass --host-key {key.get_fingerprint()} (or --yes to trust what is shown)",
        )
    if not confirm(
        f"Nothing is known of {host} yet.\nIts key is {describe(key)}.\nIs that right, and shall it be pinned?"
    ):
        raise NodeError(
            f"the host key of {host} was not accepted; nothing was changed",
            hint="compare it at the host's console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
        )
    return text(key)


def parse(host_key: str) -> asyncssh.SSHKey:
    """The key of `algorithm base64`. Raises NodeError when it is none."""
    try:
        return asyncssh.import_public_key(host_key)
    except asyncssh.KeyImportError as error:
        raise NodeError(
            f"{host_key[:80]!r} is no public host key", hint="write `algorithm base64` or SHA256:…"
        ) from error


def text(key: asyncssh.SSHKey) -> str:
    """`algorithm base64`, without a comment."""
    return " ".join(key.export_public_key("openssh").decode().split()[:2])


def describe(key: asyncssh.SSHKey) -> str:
    return f"{key.get_algorithm()} {key.get_fingerprint()}"
