"""Which tests may run beside which: those that share nodes never do."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parents[1]


def pytest_xdist_make_scheduler(config: Any, log: Any) -> LoadScopeScheduling:
    """One worker has all tests of one fleet, modules with nodes of their own stay whole, and the rest goes anywhere."""
    return _BesideEachOther(config, log)


class _BesideEachOther(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        if not module.startswith("tests/fleet/"):
            return nodeid
        return _nodes_of(module)


@functools.cache
def _nodes_of(module: str) -> str:
    """Whose nodes a module of tests works on: the fleet's, the pair's, or its own."""
    text = (ROOT / module).read_text(encoding="utf-8")
    if "support.Cluster" in text:
        return "the fleet"
    return "the pair" if "pair: fleet.Fleet" in text else module
