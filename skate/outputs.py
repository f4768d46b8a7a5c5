"""`-o yaml` and `-o json`, as kubectl writes them: for programs as much as for people."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from skatelet.contract import canonical

_TIMESTAMP = re.compile(r"^\d{4}-\d{1,2}-\d{1,2}(?:[Tt ].*)?$")
_SEXAGESIMAL = re.compile(r"^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$")


class Dumper(canonical.Dumper):
    """Canonical, but for readers of YAML 1.1 too: to them a bare `2030-01-01` is a date and `22:30` is 1350."""

    yaml_implicit_resolvers = {key: list(value) for key, value in canonical.Dumper.yaml_implicit_resolvers.items()}  # noqa: RUF012


Dumper.add_implicit_resolver("tag:yaml.org,2002:timestamp", _TIMESTAMP, list("0123456789"))
Dumper.add_implicit_resolver("tag:yaml.org,2002:int", _SEXAGESIMAL, list("+-0123456789"))


def as_json(data: Any) -> str:
    """Indented by four, keys sorted; anything but ASCII is escaped."""
    return json.dumps(data, indent=4, sort_keys=True)


def as_yaml(data: Any) -> str:
    """Without a newline at the end. What is not printable is escaped by YAML's own rules, so that it reads back the same."""
    text = _dump(data, allow_unicode=True)
    return text if all(line.isprintable() for line in text.split("\n")) else _dump(data, allow_unicode=False)


def _dump(data: Any, *, allow_unicode: bool) -> str:
    text: str = yaml.dump(
        data, Dumper=Dumper, sort_keys=True, allow_unicode=allow_unicode, default_flow_style=False, width=2**31 - 1
    )
    return text.removesuffix("\n")
