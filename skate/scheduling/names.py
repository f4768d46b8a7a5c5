"""What instances are called.

A Deployment's instances are named as in Kubernetes: `<deployment>-<template hash>-<five letters>`, in the alphabet without vowels
and look-alikes, at most 63 characters, so that the name serves as a host name. Kubernetes draws the five letters by lot; here
they follow from the workload, the hash and a number (0, 1, 2, …), so that the same input gives the same names.
A Pod that was applied by itself keeps its own name.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Collection, Iterator

from skate.scheduling import model

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
TEMPLATE_HASH_LENGTH = 10
SUFFIX_LENGTH = 5
MAX_LENGTH = 63
_OLDEST_REMEMBERED = 4096


@functools.lru_cache(maxsize=4096)
def template_hash(text: str) -> str:
    """Ten letters for a pod template's hash: what stands in instances' names, and in the label `pod-template-hash`."""
    return _letters(text, TEMPLATE_HASH_LENGTH)


def candidates(workload: model.Key, template: str) -> Iterator[str]:
    """Every name for instances of `workload` with the hash `template`, in the order they are given out; none twice, no end."""
    base = f"{workload.name}-{template_hash(template)}-"[: MAX_LENGTH - SUFFIX_LENGTH]
    seen = set()
    for ordinal in itertools.count():
        name = base + _letters(f"{workload.namespace}/{workload.name}/{template}/{ordinal}", SUFFIX_LENGTH)
        if name not in seen:
            seen.add(name)
            yield name


def ages(placements: Collection[model.Placed]) -> dict[str, int]:
    """How young each instance of one workload is: its place in the order of names, so that a higher number is younger.

    Names that `candidates` does not give (by another version, perhaps) count as the youngest of all.
    """
    result = {placed.instance: _OLDEST_REMEMBERED for placed in placements}
    for template in {placed.hash for placed in placements}:
        sought = {placed.instance for placed in placements if placed.hash == template}
        workload = next(placed.workload for placed in placements)
        for place, name in enumerate(itertools.islice(candidates(workload, template), _OLDEST_REMEMBERED)):
            if name in sought:
                result[name] = place
                sought.remove(name)
            if not sought:
                break
    return result


def _letters(text: str, length: int) -> str:
    number = int.from_bytes(hashlib.sha256(text.encode()).digest())
    letters = []
    for _ in range(length):
        number, digit = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[digit])
    return "".join(letters)
