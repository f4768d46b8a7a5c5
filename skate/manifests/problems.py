"""What is wrong with a manifest, and how a value is shown in a message.

A model's validator raises `errors(...)`: several mistakes at once, each with the path below that model and a sentence in
the API server's words (https://pkg.go.dev/k8s.io/apimachinery/pkg/util/validation/field). pydantic puts them in their place in
the tree, so that one validation finds every mistake of a document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Path = tuple[str | int, ...]
MAX_SHOWN = 120
"""A longer value is cut in messages."""
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9]*")


@dataclass(frozen=True)
class Problem:
    """One mistake: where in the document, and what."""

    path: Path
    message: str
    required: bool = False
    """It is something that is missing: not worth saying when the field beside it is the very one, misspelt."""

    def __str__(self) -> str:
        return f"{show_path(self.path)}: {self.message}" if self.path else self.message


def errors(*problems: Problem) -> ValidationError:
    """What a validator raises for `problems`, whose paths are below the model that is validated."""
    details: list[InitErrorDetails] = [
        {
            "type": PydanticCustomError("required" if item.required else "invalid", "{text}", {"text": item.message}),
            "loc": item.path,
            "input": None,
        }
        for item in problems
    ]
    return ValidationError.from_exception_data("manifest", details)


def invalid(path: Path, value: Any, sentence: str) -> Problem:
    return Problem(path, f"Invalid value: {show(value)}: {sentence}")


def duplicate(path: Path, value: Any) -> Problem:
    return Problem(path, f"Duplicate value: {show(value)}")


def required(path: Path, sentence: str = "") -> Problem:
    return Problem(path, f"Required value: {sentence}" if sentence else "Required value", required=True)


def unsupported(path: Path, value: Any, supported: Sequence[str]) -> Problem:
    return Problem(path, f"Unsupported value: {show(value)}: supported values: {', '.join(map(show, supported))}")


def show(value: Any) -> str:
    """A value as JSON on one line, with nothing in it that a terminal would obey."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:
        # int() and str() refuse more than 4300 digits.
        text = "(too long a number)"
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"


def show_path(path: Path) -> str:
    """`spec.containers[0].image`; keys that are no field names stand in brackets: `metadata.labels[app.kubernetes.io/name]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _FIELD.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{show(part)[1:-1]}]"
    return text
