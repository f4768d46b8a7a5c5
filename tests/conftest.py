"""Which tests may run beside which: those that share nodes never do."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parents[1]


def pytest_xdist_make_scheduler(config: Any, log: Any) -> LoadScopeScheduling:
    """One worker has all tests of the one fleet, modules with nodes of their own stay whole, and the rest goes anywhere."""
    return _BesideEachOther(config, log)


class _BesideEachOther(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        if not module.startswith("tests/fleet/"):
            return nodeid
        return "the fleet" if _shares_the_fleet(module) else module


@functools.cache
def _shares_the_fleet(module: str) -> bool:
    return "support.Cluster" in (ROOT / module).read_text(encoding="utf-8")
