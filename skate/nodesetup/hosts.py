"""Running commands on a host that is to become a node: this machine, or another over SSH (see ssh.py).

A command is a list of arguments, with an environment of its own so that its output can be read (LC_ALL=C) and administration's
commands are found (PATH). What needs root says so; whether that takes sudo is the host's business. Nothing but the arguments
stands on a command line: contents go in through stdin.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from skate.errors import NodeError

ENVIRONMENT = ("LC_ALL=C", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
TIMEOUT = 60.0


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a command did."""

    code: int
    stdout: bytes = b""
    stderr: bytes = b""

    @property
    def text(self) -> str:
        return self.stdout.decode(errors="replace")


class CommandError(NodeError):
    """A command on a host that failed; says which, how, and its last words."""

    def __init__(self, host: str, argv: Sequence[str], result: Result) -> None:
        words = (result.stderr or result.stdout).decode(errors="replace").strip().splitlines()[-12:]
        super().__init__(f"{host}: `{' '.join(argv)}` failed with exit code {result.code}", details=words)
        self.argv = list(argv)
        self.result = result


class Host(Protocol):
    """A host, connected."""

    @property
    def name(self) -> str:
        """What to call it in messages."""
        ...

    async def run(
        self,
        argv: Sequence[str],
        *,
        root: bool = False,
        stdin: bytes = b"",
        check: bool = True,
        timeout: float = TIMEOUT,
    ) -> Result:
        """Run one command to its end, as the account or as root.

        Raises CommandError when it fails (unless `check` is false), NodeError when the connection does or time runs out. A
        command that does not exist is a failure with code 127.
        """
        ...


async def put(host: Host, data: bytes, path: str, *, mode: int = 0o644) -> None:
    """Write a file as root, durably, whole or not at all (rename). Its directory is made when it is missing."""
    temporary = posixpath.join(posixpath.dirname(path), f".{posixpath.basename(path)}.new")
    await host.run(
        ["install", "-D", "-m", f"{mode:04o}", "-o", "root", "-g", "root", "/dev/null", temporary], root=True
    )
    # dd, because it writes its own stdin: /dev/stdin cannot be opened where sshd gives commands a socket.
    await host.run(["dd", f"of={temporary}", *_DD, "conv=fsync"], root=True, stdin=data, timeout=600)
    await host.run(["mv", "-T", temporary, path], root=True)


async def append(host: Host, data: bytes, path: str, *, mode: int = 0o644) -> None:
    """Add to the end of a file as root, in one write: two who append at the same time lose nothing of each other."""
    await host.run(["install", "-d", "-m", "0755", "-o", "root", "-g", "root", posixpath.dirname(path)], root=True)
    await host.run(["dd", f"of={path}", *_DD, "oflag=append", "conv=notrunc,fsync"], root=True, stdin=data)
    await host.run(["chmod", f"{mode:04o}", path], root=True)


_DD = ("bs=1M", "iflag=fullblock", "status=none")


class Local:
    """The machine that skate runs on."""

    name = "this machine"

    async def run(
        self,
        argv: Sequence[str],
        *,
        root: bool = False,
        stdin: bytes = b"",
        check: bool = True,
        timeout: float = TIMEOUT,
    ) -> Result:
        full = command(argv, root=root, sudo=os.geteuid() != 0)
        try:
            process = await asyncio.create_subprocess_exec(
                *full,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except FileNotFoundError:
            return checked(self.name, argv, Result(code=127, stderr=f"{full[0]}: not found".encode()), check)
        try:
            async with asyncio.timeout(timeout):
                stdout, stderr = await process.communicate(stdin)
        except TimeoutError:
            raise timed_out(self.name, argv, timeout) from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return checked(self.name, argv, Result(code=process.returncode or 0, stdout=stdout, stderr=stderr), check)


def command(argv: Sequence[str], *, root: bool, sudo: bool) -> list[str]:
    """The whole command: sudo where root is needed and not had, then env with ENVIRONMENT, then `argv`."""
    return [*(("sudo", "-n") if root and sudo else ()), "env", *ENVIRONMENT, *argv]


def timed_out(name: str, argv: Sequence[str], timeout: float) -> NodeError:
    return NodeError(f"{name}: `{' '.join(argv)}` did not end within {timeout:.0f} s")


def checked(name: str, argv: Sequence[str], result: Result, check: bool) -> Result:
    """The result, or CommandError for a failed one when `check`."""
    if check and result.code != 0:
        raise CommandError(name, argv, result)
    return result
