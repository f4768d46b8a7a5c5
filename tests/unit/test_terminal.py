"""No control character from a node, a host or a manifest reaches the terminal."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

import skate
from skate import outputs, printers, terminal
from skatelet.contract import canonical

EVIL = "\x1b]0;owned\x07\x1b[31mred\x9b2J\u202egnp\r\u2028"


@pytest.mark.parametrize("text", [EVIL, "\x00", "\x7f", "\x9b", "\ud800", "a\u200bb", "\b" * 3])
def test_what_is_not_printable_is_shown_as_its_escape(text: str) -> None:
    shown = terminal.harmless(text)
    assert shown.isprintable()
    assert "\\" in shown


def test_what_is_printable_stays_as_it_is() -> None:
    text = "größer 🙂\n\tü → 3"
    assert terminal.harmless(text) == text
    assert terminal.harmless("\x1b[2J") == "\\x1b[2J"


def test_say_prints_nothing_harmful(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.say(EVIL)
    terminal.say(EVIL, err=True)
    terminal.counter(EVIL)
    out, err = capsys.readouterr()
    assert out == err == terminal.harmless(EVIL) + "\n"


def test_nothing_is_printed_but_through_that_door() -> None:
    root = Path(skate.__file__).parent
    others = [
        path.relative_to(root)
        for path in root.rglob("*.py")
        if path.name not in {"terminal.py", "launcher.py"}
        and any(word in path.read_text() for word in ("click.echo(", " print("))
    ]
    assert others == []


def test_a_cell_never_breaks_its_table() -> None:
    text = printers.table([["NAME", "MESSAGE"], ["a", f"one\ntwo\tthree{EVIL}"]])
    assert len(text.split("\n")) == 2
    assert all(line.isprintable() for line in text.split("\n"))


def test_yaml_with_control_characters_reads_back_the_same() -> None:
    data = {"message": EVIL.replace("\ud800", ""), "nbsp": "a\u00a0b"}
    text = outputs.as_yaml(data)
    assert text.isascii()
    assert all(line.isprintable() for line in text.split("\n"))
    assert canonical.load(text) == data
    assert "größer" in outputs.as_yaml({"message": "größer"})


def test_json_is_sorted_and_ascii() -> None:
    assert outputs.as_json({"b": EVIL, "a": 1}).isascii()
    assert outputs.as_json({"b": 1, "a": 2}) == '{\n    "a": 2,\n    "b": 1\n}'


@pytest.mark.parametrize("text", ["2030-01-01T00:00:00Z", "2030-01-01", "22:30", "22:30:15", "yes", "1e3", "012"])
def test_strings_that_older_yaml_takes_for_something_else_are_quoted(text: str) -> None:
    assert outputs.as_yaml({"key": text}) == f"key: '{text}'"


def test_a_time_without_an_offset_is_taken_as_utc() -> None:
    now = datetime.datetime(2030, 1, 1, 12, tzinfo=datetime.UTC)
    assert printers.age("2030-01-01T11:59:00", now) == "60s"
    assert printers.age("soon", now) == "<unknown>"
