"""YAML and JSON text into documents that still know which line everything stood on.

The text is composed once by the canonical loader; the nodes are kept beside the data, and a path is looked up in them only when
there is something to say about it. A `List` is flattened into its items here, each an own document with its place in the list.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import Any

import yaml

from skate.manifests import problems
from skatelet.contract import canonical

_OWN_TAG = re.compile(r"for the tag '(?!tag:yaml\.org)")


@dataclass(frozen=True, kw_only=True)
class Document:
    """One object's data, and where it was read."""

    file: str
    number: int
    """Counts from 1 over the documents of the file, empty ones included; 0 when it is the only one."""
    data: Any
    node: yaml.Node | None = None
    """None for what was not read from text."""
    prefix: problems.Path = ()
    """Where in the document the object stands: `items[2]` in a List."""

    def line(self, path: problems.Path = ()) -> int:
        """The line of the field at `path`; of the nearest one around it when it is not there. 0 when unknown."""
        if self.node is None:
            return 0
        node, line = self.node, self.node.start_mark.line + 1
        for part in (*self.prefix, *path):
            found = _step(node, part)
            if found is None:
                break
            line, node = found
        return line

    def place(self, path: problems.Path = ()) -> str:
        """`web.yaml:12`, or the file alone when the line is unknown."""
        line = self.line(path)
        return f"{self.file}:{line}" if line else self.file


def read(file: str, text: str) -> tuple[list[Document], list[str]]:
    """The documents of `text` that are not empty, Lists flattened, and the sentences about what cannot be read."""
    nodes: list[yaml.Node | None] = []
    broken: list[str] = []
    try:
        with contextlib.suppress(yaml.YAMLError):
            # What is no YAML is said below, after the documents before it have been read.
            canonical.check_depth(text)
        loader = canonical.Loader(text)
        try:
            while loader.check_node():
                nodes.append(loader.get_node())
        except yaml.YAMLError as error:
            broken.append(_sentence(file, canonical.wrap_error(error), text, error))
        documents: list[Document] = []
        for number, node in enumerate(nodes, start=1):
            try:
                canonical.check_aliases(node)
                data = loader.construct_document(node)
            except canonical.CanonicalError as error:
                broken.append(_sentence(file, error, text))
            except yaml.YAMLError as error:
                broken.append(_sentence(file, canonical.wrap_error(error), text))
            else:
                whole = Document(file=file, number=number if len(nodes) > 1 else 0, data=data, node=node)
                documents += _flatten(whole)
    except canonical.CanonicalError as error:
        return [], [_sentence(file, error, text)]
    except yaml.YAMLError as error:
        return [], [_sentence(file, canonical.wrap_error(error), text, error)]
    except RecursionError:
        return [], [f"{file}: nested too deep"]
    return documents, broken


def _flatten(document: Document) -> list[Document]:
    data = document.data
    if data is None:
        return []
    if not isinstance(data, dict) or data.get("kind") != "List" or not isinstance(data.get("items"), list):
        return [document]
    flat: list[Document] = []
    for index, item in enumerate(data["items"]):
        inner = Document(
            file=document.file,
            number=document.number,
            data={} if item is None else item,
            node=document.node,
            prefix=(*document.prefix, "items", index),
        )
        flat += _flatten(inner)
    return flat


def _step(node: yaml.Node, part: str | int) -> tuple[int, yaml.Node] | None:
    """The line and the node one step further down; for a field its key's line, for an item where it begins."""
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item = node.value[part]
        return item.start_mark.line + 1, item
    if isinstance(node, yaml.MappingNode):
        # From the end: what a merge key brings in is put in front, and the mapping's own keys win.
        for key, value in reversed(node.value):
            if key.value == part:
                return key.start_mark.line + 1, value
    return None


def _sentence(file: str, error: canonical.CanonicalError, text: str, cause: Exception | None = None) -> str:
    line = error.line
    position = getattr(cause, "position", None)
    if not line and isinstance(position, int):
        # A ReaderError counts in bytes of UTF-8.
        line = text.encode()[:position].count(b"\n") + 1
    # What is missing at the end is missed by libyaml one line after the last.
    line = min(line, len(text.splitlines()) or 1)
    place = f"{file}:{line}" if line else file
    if _OWN_TAG.search(error.message):
        # The value itself, which may be a password that nobody put in quotes.
        return f"{place}: a value that begins with '!' must stand in quotes"
    return f"{place}: {error.message}"
