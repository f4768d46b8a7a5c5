"""Peers that are registered by a name: the host's own resolver is asked beside the pass, which waits only a moment for it.

What it does not say in time comes to the next pass, which the answer wakes skatelet for. Until then, and while the resolver says
nothing at all, the last good answer holds: it is kept in skatelet's memory, over restarts and boots too.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, MutableMapping

PATIENCE_SECONDS = 0.1
"""How long a pass waits, for all names together."""
FRESH_SECONDS = 60.0
"""How long an answer holds before the resolver is asked again."""
_NOTE = "routes/address/"


class Resolver:
    """Looks names up, each in a thread of its own that never keeps skatelet from leaving."""

    def __init__(
        self,
        *,
        wake: Callable[[], None],
        lookup: Callable[[str], str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wake = wake
        self._lookup = lookup or first_address
        self._clock = clock
        self._changed = threading.Condition()
        self._asked: set[str] = set()
        self._answers: dict[str, tuple[float, str]] = {}
        self._closed = False

    def addresses(self, names: Iterable[str], notes: MutableMapping[str, str]) -> Mapping[str, str]:
        """The IPv4 address of each name; empty where none was ever found. `notes` keeps the last good ones, of `names` only."""
        wanted = set(names)
        with self._changed:
            for name in wanted:
                asked_at, _ = self._answers.get(name, (None, ""))
                if name not in self._asked and (asked_at is None or self._clock() - asked_at > FRESH_SECONDS):
                    self._asked.add(name)
                    threading.Thread(target=self._ask, args=(name,), daemon=True).start()
            missing = wanted - self._answers.keys()
            self._changed.wait_for(lambda: not missing - self._answers.keys(), PATIENCE_SECONDS if missing else 0)
            found = {name: self._answers[name][1] for name in wanted & self._answers.keys()}
        for name, address in found.items():
            if address and notes.get(_NOTE + name) != address:
                notes[_NOTE + name] = address
        for note in [note for note in notes if note.startswith(_NOTE) and note.removeprefix(_NOTE) not in wanted]:
            del notes[note]
        return {name: notes.get(_NOTE + name, "") for name in wanted}

    def close(self) -> None:
        """Wake nobody any more."""
        self._closed = True

    def _ask(self, name: str) -> None:
        address = self._lookup(name)
        with self._changed:
            before = self._answers.get(name)
            self._answers[name] = (self._clock(), address)
            self._asked.discard(name)
            self._changed.notify_all()
            news = bool(address) and (before is None or before[1] != address)
        if news and not self._closed:
            self._wake()


def first_address(name: str) -> str:
    """The first IPv4 address that the host's resolver has for `name`, loopback left out; empty where there is none."""
    try:
        found = socket.getaddrinfo(name, None, family=socket.AF_INET, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ""
    addresses = sorted({str(item[4][0]) for item in found}, key=ipaddress.IPv4Address)
    return next((address for address in addresses if not ipaddress.IPv4Address(address).is_loopback), "")
