"""pydantic's errors in the words of Kubernetes' API server, and for types in words that say what to do."""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError

from skate.manifests import problems
from skate.manifests.models import scalars

_EXPECTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "int_parsing_size": "an integer of at most 64 bits",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def translate(error: ValidationError) -> list[problems.Problem]:
    """Every mistake in `error`, in the order of the fields."""
    return [_translate(item) for item in error.errors(include_url=False)]


def _translate(item: Any) -> problems.Problem:
    path: problems.Path = item["loc"]
    sort, value = item["type"], item["input"]
    if sort == "missing":
        return problems.required(path)
    if sort in ("invalid", "required"):
        return problems.Problem(path, item["msg"], required=sort == "required")
    if sort == "literal_error":
        supported = re.findall(r"'([^']*)'", item["ctx"]["expected"])
        if not isinstance(value, str):
            return problems.Problem(path, _wrong_type("a string", value))
        return problems.unsupported(path, value, supported)
    return problems.Problem(path, _wrong_type(_EXPECTED.get(sort, item["msg"]), value))


def _wrong_type(expected: str, value: Any) -> str:
    sentence = f"Invalid type: expected {expected}, got {scalars.describe(value)}"
    if expected == "a string" and isinstance(value, bool | int | float):
        return f"{sentence}: put it in quotes"
    if isinstance(value, str) and _would_do_unquoted(expected, value):
        return f"{sentence}: take the quotes away"
    return sentence


def _would_do_unquoted(expected: str, value: str) -> bool:
    if expected == "an integer":
        return bool(re.fullmatch(r"-?(0|[1-9][0-9]*)", value))
    return expected == "true or false" and value in ("true", "false")
