"""Quantities: Kubernetes' grammar, exact, rounded up."""

from __future__ import annotations

import math

import pytest

from skate import quantity


@pytest.mark.parametrize(
    ("raw", "millis"),
    [
        ("100m", 100), ("1", 1000), (1, 1000), (0.5, 500), ("0.5", 500), ("1.5", 1500), (".5", 500), ("2.", 2000),
        ("1k", 1_000_000), ("100u", 1), ("1n", 1), ("0", 0), ("+1", 1000), ("-1", -1000), ("1e3", 1_000_000), ("1E3", 1_000_000),
        ("1e-3", 1), ("0.0001", 1), (0.1, 100),
    ],
)  # fmt: skip
def test_cpu_is_counted_in_millicores_rounded_up(raw: quantity.Raw, millis: int) -> None:
    assert quantity.parse_cpu_millis(raw) == millis


@pytest.mark.parametrize(
    ("raw", "count"),
    [
        ("64Mi", 64 * 2**20), ("1Ki", 1024), ("1k", 1000), ("1M", 10**6), ("1G", 10**9), ("1Gi", 2**30), ("1T", 10**12),
        ("1Ti", 2**40), ("1P", 10**15), ("1Pi", 2**50), ("1E", 10**18), ("1Ei", 2**60), ("1.5Gi", 3 * 2**29),
        ("128974848", 128974848), ("129e6", 129_000_000), ("129M", 129_000_000),
        ("123Mi", 128974848), ("128m", 1), (1e9, 10**9), ("0.5", 1), (0, 0),
        ("9Ei", 2**63 - 1), ("1e30", 2**63 - 1),
    ],
)  # fmt: skip
def test_memory_is_counted_in_bytes_rounded_up_and_capped_as_kubernetes_does(raw: quantity.Raw, count: int) -> None:
    assert quantity.parse_bytes(raw) == count


@pytest.mark.parametrize(
    "raw",
    ["", " ", "1 Mi", " 1", "1\n", "64MB", "64mb", "1K", "1KI", "1i", "Mi", "1e", "1e1.5", "1e3Ki", "0x10", "1,5", "one",
     "--1", "1_000", ".", "٣", True, None, [], math.inf, math.nan],
)  # fmt: skip
def test_what_is_no_quantity_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match="quantit"):
        quantity.parse(raw)  # type: ignore[arg-type]


@pytest.mark.parametrize(("millis", "text"), [(0, "0"), (100, "100m"), (1000, "1"), (1500, "1500m"), (2000, "2")])
def test_cpu_is_printed_as_kubectl_prints_it(millis: int, text: str) -> None:
    assert quantity.format_cpu_millis(millis) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (1000, "1000"), (1024, "1Ki"), (64 * 2**20, "64Mi"), (3 * 2**29, "1536Mi"), (2**30, "1Gi"),
     (2**30 + 1, "1073741825")],
)  # fmt: skip
def test_memory_is_printed_as_kubectl_prints_it(count: int, text: str) -> None:
    assert quantity.format_bytes(count) == text
