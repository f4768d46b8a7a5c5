"""The one YAML reader and writer of both sides."""

from __future__ import annotations

import pytest

from skatelet.contract import canonical


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0644", 420),
        ("0o14", 12),
        ("012", 10),
        ("0x1f", 31),
        ("1e3", 1000.0),
        ("08", 8.0),
        ("22:30", "22:30"),
        ("2001-01-01", "2001-01-01"),
        ("yes", True),
        ("off", False),
        ("~", None),
        ("1:2", "1:2"),
        ("0.0.0.0", "0.0.0.0"),
        ("=", "="),
    ],
)
def test_scalars_are_read_as_kubectl_reads_them(text: str, value: object) -> None:
    assert canonical.load(f"key: {text}") == {"key": value}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "key 'a' appears twice"),
        ("a:\n  80: http\n", 2, "key 80 must be a string"),
        ("a: [1,\n", 2, "did not find"),
        ("a: !!python/object:os.system x\n", 1, "could not determine a constructor"),
        ("a: !!timestamp x\n", 1, "could not determine a constructor"),
        ("a: !!binary x\n", 1, "could not determine a constructor"),
        ("a: !!set {x}\n", 1, "could not determine a constructor"),
        ("a: !!bool x\n", 1, "is no boolean"),
        ("a: !!int x\n", 1, "is no whole number"),
        ("a: !!float x\n", 1, "is no number"),
        ("a: !!int [x]\n", 1, "expected a scalar node"),
        ("a: *b\n", 1, "undefined alias"),
        ("a: 1\n---\nb: 2\n", 2, "another document"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(canonical.CanonicalError) as caught:
        canonical.load(text)
    assert caught.value.line == line
    assert words in str(caught.value)


def test_nested_aliases_are_refused_before_they_are_followed() -> None:
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    for number in range(12):
        here, below = chr(98 + number), chr(97 + number)
        lines.append(f"{here}: &{here} [{','.join(['*' + below] * 9)}]")
    with pytest.raises(canonical.CanonicalError, match="aliases"):
        canonical.load("\n".join(lines))


def test_an_alias_to_itself_is_refused() -> None:
    with pytest.raises(canonical.CanonicalError, match="aliases"):
        canonical.load("a: &a [*a]")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 300 + "]" * 300,
        "[" * 200_000,
        "{a: " * 200_000,
        "- " * 200_000 + "x",
        "? " * 200_000 + "x",
        "\n".join(" " * depth + "a:" for depth in range(300)),
    ],
)
def test_nesting_too_deep_is_refused_and_never_ends_the_process(text: str) -> None:
    with pytest.raises(canonical.CanonicalError, match="nested deeper"):
        canonical.load(text)


def test_utf_16_is_looked_at_as_well() -> None:
    with pytest.raises(canonical.CanonicalError, match="nested deeper"):
        canonical.load(("[" * 100_000).encode("utf-16"))
