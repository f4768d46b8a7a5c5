"""Flags that several verbs share, and reading the manifests they name."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast

import click

from skate import manifests, terminal

Function = TypeVar("Function", bound=Callable[..., Any])
_DURATION = re.compile(r"^(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m)?(?:(?P<s>\d+(?:\.\d+)?)s)?$")


class Duration(click.ParamType[float]):
    """A time as kubectl takes it, `90s`, `5m`, `1h30m` or bare seconds; as seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        if re.fullmatch(r"\d+(\.\d+)?", value):
            return float(value)
        found = _DURATION.match(value) if value else None
        if found is None:
            self.fail(f"{value!r} is no duration; write 90s, 5m or 1h30m", param, ctx)
        hours, minutes, seconds = (float(found[unit] or 0) for unit in "hms")
        return hours * 3600 + minutes * 60 + seconds


def filenames(function: Function) -> Function:
    """-f and -R."""
    function = click.option("-R", "--recursive", is_flag=True, help="Go into directories of directories as well.")(
        function
    )
    return click.option(
        "-f",
        "--filename",
        "filenames",
        multiple=True,
        metavar="FILE",
        help="A file, a directory, or - for standard input.",
    )(function)


def wait(function: Function) -> Function:
    """--wait/--no-wait and --timeout."""
    function = click.option(
        "--timeout", type=Duration(), default="5m", show_default=True, help="How long to wait for the instances."
    )(function)
    return click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until all is done.")(function)


def without_quorum(function: Function) -> Function:
    """--without-quorum."""
    return click.option(
        "--without-quorum",
        is_flag=True,
        help="Publish although most nodes cannot be reached. Two people doing so may collide.",
    )(function)


def load(sources: tuple[str, ...], *, recursive: bool, namespace: str, validate: str) -> manifests.Loaded:
    """The manifests that the flags name, warnings printed. Raises ManifestError, or a usage error when no file is named."""
    if not sources:
        raise click.UsageError("must specify -f: a file, a directory, or - for standard input")
    loaded = manifests.load(
        sources,
        recursive=recursive,
        stdin=sys.stdin.buffer,
        namespace=namespace,
        validate=cast(Literal["strict", "warn", "ignore"], validate),
    )
    for warning in loaded.warnings:
        terminal.say(f"warning: {warning}", err=True)
    return loaded
