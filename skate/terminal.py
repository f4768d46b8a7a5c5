"""What reaches the terminal: the one door for every word that skate prints.

Much of it comes from elsewhere: statuses and catalogues from nodes, which may lie, apt's last words from a host, names from
other people's manifests. An escape sequence in any of it could rewrite what is on the screen, or worse. So nothing is printed
but through `say`, where whatever is not printable becomes visible instead (`\\x1b`); newlines and tabs stay.
"""

from __future__ import annotations

import sys

import click


def harmless(text: str) -> str:
    """`text` with every control, format and other unprintable character but newline and tab written as its escape."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in "\n\t" else _shown(character) for character in text
    )


def _shown(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def say(text: str = "", *, err: bool = False) -> None:
    """Print `text` and a newline, made harmless; with `err` to stderr."""
    click.echo(harmless(text), err=err)


def counter(text: str) -> None:
    """One line on stderr that is written over again and again, on a terminal only; empty takes it away."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{harmless(text)}", nl=False, err=True)


def value(data: bytes) -> None:
    """The bytes as they are into a pipe or a file, for a program to read; made harmless on a terminal."""
    if sys.stdout.isatty():
        say(data.decode(errors="replace"))
    else:
        click.echo(data, nl=False)
