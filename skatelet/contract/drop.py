"""The layout of a drop: the directory on a node that bundles arrive in and the status is read from.

The drop account sees ROOT as `/` (chroot), so every path here is relative to it:

    upload/        skate writes; half an upload lies here and wakes nobody
    claims/        skate writes; `claims/<generation>` by exclusive rename: who may publish that generation
    inbox/         skate writes; `inbox/<generation>.bundle` by exclusive rename from upload/; wakes skatelet, which
                   always consumes what lies here
    accepted/      skate reads; `accepted/bundle.tar` is the bundle this node follows, with the whole catalogue
    status/        skate reads; `status/status.json`, replaced by rename; its mtime is the node's heartbeat
"""

from __future__ import annotations

import re

ROOT = "/var/lib/skate/drop"
UPLOAD = "upload"
CLAIMS = "claims"
INBOX = "inbox"
ACCEPTED = "accepted/bundle.tar"
STATUS = "status/status.json"
WRITABLE = (UPLOAD, CLAIMS, INBOX)
READABLE = ("accepted", "status")

ACCOUNT = "skate"
AUTHORIZED_KEYS = "/etc/skate/authorized_keys"
NODE_CONFIG = "/etc/skate/node.yaml"
"""The node's own identity, written by `skate create node`: see NodeIdentity."""

_INBOX_NAME = re.compile(r"([1-9][0-9]{0,17})\.bundle")
_CLAIM_NAME = re.compile(r"([1-9][0-9]{0,17})")


def inbox_path(generation: int) -> str:
    return f"{INBOX}/{generation}.bundle"


def claim_path(generation: int) -> str:
    return f"{CLAIMS}/{generation}"


def inbox_generation(name: str) -> int | None:
    """The generation that a file name in inbox/ stands for; None for a foreign name."""
    match = _INBOX_NAME.fullmatch(name)
    return int(match[1]) if match else None


def claim_generation(name: str) -> int | None:
    """The generation that a file name in claims/ stands for; None for a foreign name."""
    match = _CLAIM_NAME.fullmatch(name)
    return int(match[1]) if match else None
