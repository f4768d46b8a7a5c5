"""A host over SSH: one connection, many commands side by side.

asyncssh reads ~/.ssh/config for the host (ProxyJump, HostName, IdentityFile, …) and asks the agent. Commands go through the
account's login shell, as sshd has it; each argument is quoted for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import asyncssh

from skate.errors import NodeError
from skate.nodesetup import hostkey, hosts

CONNECT_TIMEOUT = 15.0
_SESSIONS = 5
"""Commands at the same time. sshd's MaxSessions is 10 unless configured, and it counts a session until it has reaped its
process, which is after the client has seen its end: with 8 at a time an eleventh was refused at once."""
_REFUSALS = 20
_REFUSAL_WAIT = 0.1


@dataclass(frozen=True, kw_only=True)
class Account:
    """The operator's account on a host."""

    host: str
    port: int
    user: str
    key: str
    """The private key's path; empty: ssh's own defaults and agent."""

    def __str__(self) -> str:
        return self.host if self.port == 22 else f"{self.host}:{self.port}"


class Ssh:
    """hosts.Host over one SSH connection."""

    def __init__(self, connection: asyncssh.SSHClientConnection, account: Account) -> None:
        self._connection = connection
        self._account = account
        self._sessions = asyncio.Semaphore(_SESSIONS)

    @property
    def name(self) -> str:
        return self._account.host

    @property
    def host_key(self) -> str:
        """The key it showed, `algorithm base64`."""
        key = self._connection.get_server_host_key()
        assert key is not None
        return hostkey.text(key)

    async def run(
        self,
        argv: Sequence[str],
        *,
        root: bool = False,
        stdin: bytes = b"",
        check: bool = True,
        timeout: float = hosts.TIMEOUT,
    ) -> hosts.Result:
        line = shlex.join(hosts.command(argv, root=root, sudo=self._account.user != "root"))
        try:
            async with self._sessions, asyncio.timeout(timeout):
                done = await self._run(line, stdin)
        except TimeoutError:
            raise hosts.timed_out(self.name, argv, timeout) from None
        except (asyncssh.Error, OSError) as error:
            raise self._lost(argv, _words(error)) from error
        if done.returncode is None:  # neither an exit code nor a signal arrived
            raise self._lost(argv, "it ended without a word")
        result = hosts.Result(code=done.returncode, stdout=_bytes(done.stdout), stderr=_bytes(done.stderr))
        return hosts.checked(self.name, argv, result, check)

    def _lost(self, argv: Sequence[str], words: str) -> NodeError:
        return NodeError(
            f"{self.name}: the connection was lost during `{' '.join(argv)}`: {words}",
            hint="run the same command again: it goes on where it stopped",
        )

    async def _run(self, line: str, stdin: bytes) -> asyncssh.SSHCompletedProcess:
        """Run `line`; a session that sshd refuses to open has run nothing, and is asked for again."""
        # asyncssh never closes stdin after an empty `input`: a command that reads would wait for ever.
        feed: dict[str, Any] = {"input": stdin} if stdin else {"stdin": asyncssh.DEVNULL}
        for _ in range(_REFUSALS):
            with contextlib.suppress(asyncssh.ChannelOpenError):
                return await self._connection.run(line, encoding=None, check=False, **feed)
            await asyncio.sleep(_REFUSAL_WAIT)
        return await self._connection.run(line, encoding=None, check=False, **feed)


@contextlib.asynccontextmanager
async def connect(account: Account, verification: hostkey.Verification) -> AsyncIterator[Ssh]:
    """`account`, connected, its host key judged by `verification`.

    Raises hostkey.UnknownHostKey for a host nothing is known of, NodeError in words for all else.
    """

    class Client(asyncssh.SSHClient):
        def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
            return verification.judge(key)

    options = _options(account)
    async with contextlib.AsyncExitStack() as stack:
        try:
            connection = await stack.enter_async_context(
                asyncssh.connect(
                    account.host,
                    account.port,
                    username=account.user,
                    client_factory=Client,
                    known_hosts=verification.lookup,
                    connect_timeout=CONNECT_TIMEOUT,
                    login_timeout=CONNECT_TIMEOUT,
                    keepalive_interval=15,
                    compression_algs=None,
                    **options,
                )
            )
        except (asyncssh.Error, OSError, TimeoutError, ValueError) as error:
            raise _explain(error, account, verification) from error
        yield Ssh(connection, account)


def _options(account: Account) -> dict[str, Any]:
    """A key that is named is the only one that is tried."""
    return {"client_keys": [os.path.expanduser(account.key)]} if account.key else {}


def _explain(error: Exception, account: Account, verification: hostkey.Verification) -> Exception:
    where = f"{account.user}@{account}"
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return verification.explain(str(account))
    if isinstance(error, asyncssh.PermissionDenied):
        key = f"the key {account.key}" if account.key else "any key of ~/.ssh or the agent"
        return NodeError(
            f"{where} does not accept {key}",
            hint=f"try `ssh -p {account.port} {account.user}@{account.host}`; name the account with --user, the key with --key",
        )
    if isinstance(error, asyncssh.KeyExchangeFailed) and verification.trusted:
        offered = ", ".join(key.get_algorithm() for key in verification.trusted)
        return NodeError(
            f"{account} no longer has a host key of the kind that is pinned ({offered})", hint="was it replaced?"
        )
    if isinstance(error, (asyncssh.KeyImportError, asyncssh.KeyEncryptionError)):
        return NodeError(
            f"the private key {account.key or 'of ~/.ssh'} cannot be used: {error}", hint="load it into ssh-agent"
        )
    if isinstance(error, OSError) and error.filename:
        return NodeError(f"{error.filename}: {error.strerror}", hint="name the private key with --key")
    hint = (
        f"is the address right, sshd running, and port {account.port} open? try `ssh -p {account.port} {account.host}`"
    )
    return NodeError(f"{account} cannot be reached: {_words(error)}", hint=hint)


def _words(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return "its name is not known to DNS"
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_TIMEOUT:.0f} s"
    if isinstance(error, asyncssh.Error):
        return error.reason or type(error).__name__
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__


def _bytes(data: object) -> bytes:
    return data if isinstance(data, bytes) else b""
