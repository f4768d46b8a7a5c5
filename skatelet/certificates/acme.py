"""Ordering one certificate by ACME (RFC 8555) with uacme: seconds to minutes long, so in a thread.

    nginx here and on the other nodes answers? ─▶ uacme new ─▶ uacme issue ─▶ the pair is stored, durably, as a version of its own

The account's key lies in memory only, for as long as uacme runs. uacme's hook accepts http-01 and does nothing: each node's nginx
answers every challenge from the account's thumbprint, so it does not matter which node the authority asks.

uacme says no more than an exit code; why it failed is read from what it prints (1.7.4 and 1.7.6).
"""

from __future__ import annotations

import calendar
import http.client
import json
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from skatelet import durable
from skatelet.certificates import served
from skatelet.system import command

UACME = "uacme"
HOOK = "/usr/lib/skatelet/acme-hook"
ORDER_SECONDS = 180.0
ANSWER_SECONDS = 15.0
"""How long it is waited for nginx on this node and on the others to answer challenges."""
POLL_SECONDS = 0.5
CHALLENGE = "/.well-known/acme-challenge/"
CHAIN, KEY = "chain.pem", "key.pem"
_DETAIL = re.compile(r'"detail":\s*("(?:[^"\\]|\\.)*")')
_TYPE = re.compile(r'"type":\s*"urn:ietf:params:acme:error:([A-Za-z]+)"')
_DATE = re.compile(r"^not(Before|After)=(.+?) GMT$", re.MULTILINE)
_COUNTED = "starting challenge"
"""In what uacme prints: from here on the authority counts a failure."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """One certificate to be ordered."""

    hosts: tuple[str, ...]
    server: str
    email: str
    account_key: bytes
    thumbprint: str
    target: Path
    """The directory that the pair is stored in; made here."""
    scratch: Path
    """A directory in memory."""
    peers: tuple[str, ...] = ()
    """The addresses of the other nodes, which the authority may ask as well."""
    insist: bool = False
    """Order nothing while another node does not answer: it may only be a little later than this one."""

    def __repr__(self) -> str:
        return f"Order({', '.join(self.hosts)} from {self.server})"


@dataclass(frozen=True, kw_only=True)
class Ordered:
    """It is there: in the order's `target`. Moments in seconds since 1970."""

    not_before: float
    not_after: float


@dataclass(frozen=True, kw_only=True)
class Failed:
    message: str
    seen: bool = False
    """The authority knows of this failure, and may count it."""


def order(request: Order) -> Ordered | Failed:
    """Order the certificate, and store it. Whatever goes wrong is in the answer."""
    silent = unanswered(request)
    if silent:
        return Failed(message=silent)
    folder = request.scratch / f"order-{_random()}"
    try:
        request.scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in request.scratch.glob("order-*"):
            # One order at a time: this is of a run of skatelet that was cut short.
            shutil.rmtree(left, ignore_errors=True)
        folder.mkdir(mode=0o700)
        return _order(request, folder)
    except OSError as error:
        return Failed(message=f"the certificate cannot be stored: {error.strerror or error}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def unanswered(request: Order) -> str:
    """Wait until nginx answers challenges here and on the other nodes. In words what does not; empty when it can be ordered.

    In the end only this node has to: another that is down must not keep this one from its certificate.
    """
    deadline = time.monotonic() + ANSWER_SECONDS
    token = _random()
    waiting = [("127.0.0.1", host) for host in request.hosts]
    waiting += [(peer, request.hosts[0]) for peer in request.peers]
    while True:
        waiting = [item for item in waiting if _answer(*item, token) != f"{token}.{request.thumbprint}"]
        if not waiting:
            return ""
        if time.monotonic() >= deadline:
            return _silence(waiting, insist=request.insist)
        time.sleep(POLL_SECONDS)


def _random() -> str:
    # Not the module secrets: importing it is 4 ms of each wake.
    return os.urandom(16).hex()


def _silence(waiting: list[tuple[str, str]], *, insist: bool) -> str:
    here = sorted({host for address, host in waiting if address == "127.0.0.1"})
    if here:
        return f"nginx on this node does not answer challenges for {', '.join(here)} yet"
    there = sorted({address for address, _ in waiting})
    return f"nginx on {', '.join(there)} does not answer challenges yet" if insist else ""


def _answer(address: str, host: str, token: str) -> str:
    connection = http.client.HTTPConnection(address, 80, timeout=2)
    try:
        connection.request("GET", CHALLENGE + token, headers={"Host": host})
        return connection.getresponse().read(1000).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


def _order(request: Order, folder: Path) -> Ordered | Failed:
    private = folder / "private"
    private.mkdir(mode=0o700)
    handle = os.open(private / "key.pem", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    with os.fdopen(handle, "wb") as stream:
        stream.write(request.account_key)
    common = [UACME, "--verbose", "--confdir", str(folder), "--acme-url", request.server, "--yes", "--type", "EC"]
    contact = [request.email] if request.email else []
    try:
        command.run([*common, "new", *contact], timeout=ORDER_SECONDS)
    except command.CommandError as error:
        if "already exists" not in error.stderr:
            return failure(error)
    issue = ["--bits", "256", "--no-ocsp", "--force", "--hook", HOOK, "issue", *request.hosts]
    try:
        command.run([*common, *issue], timeout=ORDER_SECONDS)
    except command.CommandError as error:
        return failure(error)
    name = request.hosts[0]
    return _store(request, chain=folder / name / "cert.pem", key=private / name / "key.pem")


def failure(error: command.CommandError) -> Failed:
    """What uacme's failure was: the authority's own words where it gave some, else uacme's last."""
    if error.exit_code < 0:
        return Failed(message=f"uacme: {error.stderr}")
    details = [str(json.loads(text, strict=False)) for text in _DETAIL.findall(error.stderr)]
    lines = [line.partition("uacme: ")[2] for line in error.stderr.splitlines() if line.startswith("uacme: ")]
    telling = [line for line in lines if " failed: " in line]
    words = details[-1:] or telling[-1:] or lines[-1:] or [f"exit code {error.exit_code}"]
    kinds = _TYPE.findall(error.stderr)
    return Failed(message=" ".join(words[0].split())[:500], seen=_COUNTED in error.stderr or "rateLimited" in kinds)


def _store(request: Order, *, chain: Path, key: Path) -> Ordered | Failed:
    wrong = served.judge(chain, key)
    if wrong:
        return Failed(message=f"what the authority sent cannot be used: {wrong}", seen=True)
    try:
        found = dates(command.run(["openssl", "x509", "-noout", "-dates", "-in", str(chain)]))
    except command.CommandError as error:
        return Failed(message=str(error))
    if found is None:
        return Failed(message="the dates of the certificate cannot be read", seen=True)
    request.target.mkdir(parents=True, exist_ok=True, mode=0o700)
    durable.write(request.target / KEY, key.read_bytes())
    durable.write(request.target / CHAIN, chain.read_bytes())
    return found


def dates(output: str) -> Ordered | None:
    """What `openssl x509 -dates` prints, as moments."""
    found = {name: _moment(text) for name, text in _DATE.findall(output)}
    before, after = found.get("Before"), found.get("After")
    return None if before is None or after is None else Ordered(not_before=before, not_after=after)


def _moment(text: str) -> float | None:
    try:
        return float(calendar.timegm(time.strptime(text, "%b %d %H:%M:%S %Y")))
    except ValueError:
        return None
