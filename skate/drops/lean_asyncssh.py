"""Importing asyncssh without what it looks for and we do not need.

At import asyncssh asks ctypes.util.find_library for liboqs and nettle. Where they are not installed, that starts ldconfig, gcc
and ld for each name: 0.05 to 0.12 s of the 0.8 to 1.0 s that `skate get` took on a busy machine of two cores. They would bring
sntrup761 and UMAC; ML-KEM, curve25519, AES-GCM and ChaCha20, which every OpenSSH we support speaks, come from `cryptography`.
Should asyncssh stop asking, this does nothing.
"""

from __future__ import annotations

import contextlib
import ctypes.util
from collections.abc import Iterator


@contextlib.contextmanager
def without_library_search() -> Iterator[None]:
    """While the block runs, ctypes.util.find_library finds nothing, at once."""
    find = ctypes.util.find_library
    ctypes.util.find_library = lambda name: None
    try:
        yield
    finally:
        ctypes.util.find_library = find
