"""One way to read and write YAML, on both sides: same input, same bytes, and no silent surprises.

PyYAML takes the last of duplicate keys, reads `22:30` as 1350 and dates as objects. kubectl (sigs.k8s.io/yaml,
go-yaml v2) does not: so both the loader and the dumper here use a resolver of our own that knows null, bool,
int and float as go-yaml does, and calls everything else a string. Reading and writing with the same resolver is what makes
a round trip exact: PyYAML's own dumper leaves the string `1e3` bare, which kubectl reads as a number.

`0644` stays octal (420), as kubectl has it: it is how people write `defaultMode`.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

BOOLEANS = {
    "y": True, "yes": True, "on": True, "true": True,
    "n": False, "no": False, "off": False, "false": False,
}  # fmt: skip
_BOOL = re.compile(r"^(?:y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$")
_INT = re.compile(r"^[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+|0|[1-9][0-9_]*)$")
_FLOAT = re.compile(
    r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
_NULL = re.compile(r"^(?:~|null|Null|NULL|)$")
MAX_ALIASES = 100
"""More aliases than this in one document is refused: nested aliases grow exponentially when followed."""
MAX_DIGITS = 1000
MAX_DEPTH = 100
"""Deeper nesting than this is refused. libyaml's composer recurses on the C stack and checks nothing: 100,000 opening brackets
end the process with a segmentation fault."""


class CanonicalError(ValueError):
    """YAML that cannot be read. `line` and `column` count from 1; 0 where unknown."""

    def __init__(self, message: str, *, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" if self.line else self.message


class Loader(yaml.CSafeLoader):
    """CSafeLoader (eight times faster than SafeLoader) that refuses duplicate keys and reads scalars as kubectl."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise CanonicalError("expected a mapping", **_mark(node))
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise CanonicalError(f"key {key!r} must be a string: put it in quotes", **_mark(key_node))
            if key in seen:
                raise CanonicalError(f"key {key!r} appears twice in one mapping", **_mark(key_node))
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


class Dumper(yaml.CSafeDumper):
    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _mark(node: yaml.Node) -> dict[str, int]:
    return {"line": node.start_mark.line + 1, "column": node.start_mark.column + 1}


def _scalar(loader: Loader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


def _construct_bool(loader: Loader, node: yaml.ScalarNode) -> bool:
    text = _scalar(loader, node).lower()
    if text not in BOOLEANS:
        raise CanonicalError(f"{text[:50]!r} is no boolean", **_mark(node))
    return BOOLEANS[text]


def _construct_int(loader: Loader, node: yaml.ScalarNode) -> int:
    text = _scalar(loader, node).replace("_", "").lower()
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    if len(text) > MAX_DIGITS:
        raise CanonicalError(f"a number of {len(text)} digits is too long", **_mark(node))
    if not _INT.match(text):
        raise CanonicalError(f"{text[:50]!r} is no whole number", **_mark(node))
    if digits.startswith("0") and digits.isdigit() and digits != "0":
        return sign * int(digits, 8)
    return sign * int(digits, 0)


def _construct_float(loader: Loader, node: yaml.ScalarNode) -> float:
    text = _scalar(loader, node).lower()
    if not _FLOAT.match(text):
        raise CanonicalError(f"{text[:50]!r} is no number", **_mark(node))
    if text.endswith(("inf", "nan")):
        return float(text.replace(".", ""))
    return float(text)


for _class in (Loader, Dumper):
    # Order matters: a scalar gets the first tag whose expression it matches.
    for _tag, _expression in (("null", _NULL), ("bool", _BOOL), ("int", _INT), ("float", _FLOAT)):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _expression, None)
    _class.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^<<$"), ["<"])
# What an explicit tag (`!!timestamp x`) could ask for beyond plain data is refused as any unknown tag is.
Loader.yaml_constructors = {
    tag: constructor
    for tag, constructor in Loader.yaml_constructors.items()
    if tag is None or tag.rpartition(":")[2] in {"null", "str", "seq", "map"}
}
Loader.add_constructor("tag:yaml.org,2002:bool", _construct_bool)
Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)


def wrap_error(error: yaml.YAMLError) -> CanonicalError:
    """A CanonicalError for whatever PyYAML raised, with the place where it did."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        message = error.problem or error.context or "not YAML"
        return CanonicalError(message, line=mark.line + 1 if mark else 0, column=mark.column + 1 if mark else 0)
    return CanonicalError(str(error).splitlines()[0])


def load(text: str | bytes) -> Any:
    """The one document in `text`, as dicts, lists, str, int, float, bool and None.

    Raises CanonicalError for anything but exactly one readable document.
    """
    try:
        check_depth(text)
        loader = Loader(text)
        try:
            node = loader.get_single_node()
            check_aliases(node)
            return None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise wrap_error(error) from error
    except (RecursionError, UnicodeError) as error:
        raise CanonicalError(str(error).splitlines()[0] if str(error) else "nested too deep") from error


def check_depth(text: str | bytes) -> None:
    """Raise CanonicalError when anything in `text` nests deeper than MAX_DEPTH, yaml.YAMLError when it is no YAML.

    To be called before composing. Events come from a state machine that does not recurse; this is a fifth of a load's time.
    """
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                mark = event.start_mark
                raise CanonicalError(f"nested deeper than {MAX_DEPTH} levels", line=mark.line + 1 if mark else 0)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def check_aliases(root: yaml.Node | None) -> None:
    """Raise CanonicalError when following every alias would visit a node more than MAX_ALIASES times over.

    PyYAML composes an alias as the very same node object, and a `<<` merge copies it: so the number of visits beyond
    the first, with each shared node counted where it stands, is what an expansion would cost.
    """
    seen: set[int] = set()
    repeats = 0
    stack = [root] if root is not None else []
    while stack:
        node = stack.pop()
        if id(node) in seen:
            repeats += 1
            if repeats > MAX_ALIASES:
                raise CanonicalError(f"more than {MAX_ALIASES} aliases in one document", **_mark(node))
            if isinstance(node, yaml.ScalarNode):
                continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                stack += [key, value]
        elif isinstance(node, yaml.SequenceNode):
            stack += node.value


def dump(value: Any) -> bytes:
    """Canonical YAML of plain data (dicts with str keys, lists, str, int, float, bool, None): UTF-8, sorted keys.

    `load(dump(x)) == x`, and equal values give equal bytes.
    """
    text: bytes = yaml.dump(
        value,
        Dumper=Dumper,
        sort_keys=True,
        allow_unicode=True,
        default_flow_style=False,
        width=2**31 - 1,
        encoding="utf-8",
    )
    return text
