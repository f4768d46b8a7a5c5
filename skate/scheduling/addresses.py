"""Which address an instance gets.

Every node owns a subnet, and each instance one address in it, chosen here, so that every node can know every address without
asking anybody. Which part of the subnet that is, says skatelet.contract.subnets.

Addresses are handed out upwards from the highest one that was in use on the node, and from the start again at the end: an
address that was just freed is the last to be used again, so nobody's stale connection or DNS answer meets a stranger.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from skatelet.contract import subnets


def _number(address: str) -> int | None:
    try:
        return int(ipaddress.IPv4Address(address))
    except ValueError:
        return None


class Pool:
    """The addresses of one node's subnet: which instance may keep its own, and which one is next for a new instance."""

    def __init__(self, subnet: str, avoid: Iterable[str]) -> None:
        """`avoid`: addresses in use, of this subnet or not (what is no IPv4 address is passed over): no new instance gets one."""
        self._range = subnets.instance_range(subnet)
        numbers = (_number(address) for address in avoid)
        self._avoid = {number for number in numbers if number is not None and number in self._range}
        self._held: set[int] = set()
        self._next = max(self._avoid, default=self._range.start - 1) + 1

    @property
    def empty(self) -> bool:
        """Whether no address is left for a new instance."""
        return len(self._avoid) >= len(self._range)

    def available(self, address: str) -> bool:
        """Whether an instance that has `address` may keep it: it is one for instances, and no other instance holds it."""
        number = _number(address)
        return number is not None and number in self._range and number not in self._held

    def hold(self, address: str) -> None:
        """Give `address` to the instance that has it already. Only for what is `available`."""
        number = int(ipaddress.IPv4Address(address))
        self._avoid.add(number)
        self._held.add(number)

    def take(self) -> str:
        """The next address for a new instance. Raises LookupError when the pool is empty."""
        if self.empty:
            raise LookupError("no address is left")
        while self._next in self._avoid or self._next >= self._range.stop:
            self._next = self._range.start if self._next >= self._range.stop else self._next + 1
        address = str(ipaddress.IPv4Address(self._next))
        self.hold(address)
        return address
