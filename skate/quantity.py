"""Kubernetes quantities: `100m`, `1.5Gi`, `2e3`, as exact numbers.

The grammar is that of https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/: a signed decimal and
one suffix, binary (Ki … Ei), decimal (n u m, none, k M G T P E) or an exponent (e3, E3). Kubernetes rounds up what is finer
than the unit that is counted (millicores, bytes), and so does this module. Everything is exact: no float is ever computed with.
"""

from __future__ import annotations

import re
from fractions import Fraction

_SUFFIXES = {
    "n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 10**3), "": Fraction(1),
    "k": Fraction(10**3), "M": Fraction(10**6), "G": Fraction(10**9),
    "T": Fraction(10**12), "P": Fraction(10**15), "E": Fraction(10**18),
    "Ki": Fraction(2**10), "Mi": Fraction(2**20), "Gi": Fraction(2**30),
    "Ti": Fraction(2**40), "Pi": Fraction(2**50), "Ei": Fraction(2**60),
}  # fmt: skip
_PATTERN = re.compile(
    r"([+-]?)([0-9]{1,64}(?:\.[0-9]{0,64})?|\.[0-9]{1,64})(?:([eE])([+-]?[0-9]{1,3})|([numkMGTPE]|[KMGTPE]i)?)"
)
_BINARY = ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki")
_LARGEST = 2**63 - 1
"""Kubernetes caps every quantity here."""

Raw = str | int | float
"""A quantity as it stands in a manifest."""


def parse(value: Raw) -> Fraction:
    """The exact number that a quantity stands for, capped at 2**63-1 as in Kubernetes. Raises ValueError."""
    text = _text(value)
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(
            "quantities must match the regular expression"
            " '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$', such as 500m, 0.5, 64Mi or 1G"
        )
    sign, digits, _, exponent, suffix = match.groups()
    number = Fraction(digits if not digits.endswith(".") else digits[:-1])
    number *= Fraction(10) ** int(exponent) if exponent else _SUFFIXES[suffix or ""]
    number = min(number, Fraction(_LARGEST))
    return -number if sign == "-" else number


def parse_cpu_millis(value: Raw) -> int:
    """Thousandths of a CPU, rounded up: `100m` is 100, `0.5` is 500, `1` is 1000. Raises ValueError."""
    return _ceil(parse(value) * 1000)


def parse_bytes(value: Raw) -> int:
    """Bytes, rounded up: `64Mi` is 67108864, `1G` is 1000000000. Raises ValueError."""
    return _ceil(parse(value))


def format_cpu_millis(millis: int) -> str:
    """Millicores as kubectl prints them: 100 is `100m`, 2000 is `2`."""
    return f"{millis}m" if millis % 1000 else str(millis // 1000)


def format_bytes(count: int) -> str:
    """Bytes as kubectl prints them: in the largest binary unit that divides them, 67108864 is `64Mi`, 1000 is `1000`."""
    for suffix in _BINARY:
        unit = int(_SUFFIXES[suffix])
        if count and count % unit == 0:
            return f"{count // unit}{suffix}"
    return str(count)


def _text(value: Raw) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"a quantity is a number or a string, not {value!r}")
    return value if isinstance(value, str) else repr(value)


def _ceil(number: Fraction) -> int:
    return -(-number.numerator // number.denominator)
