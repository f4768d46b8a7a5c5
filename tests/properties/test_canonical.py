"""Canonical YAML by properties: a round trip loses nothing, and order does not matter."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from skatelet.contract import canonical

text = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\t"), max_size=20)
tricky = st.sampled_from(
    ["yes", "no", "012", "0o7", "1e3", "22:30", "~", "null", "", "<<", "=", "0x1", "2001-01-01", ".5", "-"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text | tricky
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text | tricky, inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_what_is_written_is_read_back_the_same(value: object) -> None:
    assert canonical.load(canonical.dump(value)) == value


@given(st.dictionaries(text | tricky, values, max_size=6))
def test_equal_values_give_equal_bytes_whatever_their_order(value: dict[str, object]) -> None:
    assert canonical.dump(dict(reversed(list(value.items())))) == canonical.dump(value)


@given(st.binary(max_size=200) | text)
def test_any_input_is_read_or_refused_in_words(data: bytes | str) -> None:
    with contextlib.suppress(canonical.CanonicalError):
        canonical.load(data)
