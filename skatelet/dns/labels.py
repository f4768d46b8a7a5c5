"""What may stand in a zone file or a Corefile as a name: letters, digits and hyphens in labels, and nothing else. Pure.

A bundle is another machine's word. Whatever goes into a file that CoreDNS reads passes here first, so that no white space, quote,
backslash, brace or line end of somebody else's ever gets there.
"""

from __future__ import annotations

import ipaddress
import re

CLUSTER = "cluster.skate."
"""Under which all nodes' names are found together."""
NODES = "nodes.skate."
"""Under which each node has a zone."""
MAX_NAME = 253
"""Of a name in text, without the dot at its end (RFC 1035: 255 octets on the wire)."""
_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")


def is_label(text: str) -> bool:
    """Whether `text` is one label of a host name, in lower case."""
    return bool(_LABEL.fullmatch(text))


def is_name(text: str) -> bool:
    """Whether `text` is one or more labels with dots between, short enough for DNS. No dot at the end."""
    return len(text) <= MAX_NAME and all(is_label(part) for part in text.split("."))


def is_address(text: str) -> bool:
    """Whether `text` is an IPv4 address, in the one way it is written."""
    try:
        return str(ipaddress.IPv4Address(text)) == text
    except ValueError:
        return False


def zone_of(node: str) -> str:
    """The zone of the node `node`."""
    return f"{node}.{NODES}"


def gateway_of(subnet: str) -> str:
    """The address at which the pods of a subnet find CoreDNS: its first. Raises ValueError or IndexError for what has none."""
    return str(ipaddress.IPv4Network(subnet)[1])


def shown(text: str) -> str:
    """`text` as it may stand in a message, whatever it is."""
    return ascii(text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…")


MAX_SHOWN = 80
