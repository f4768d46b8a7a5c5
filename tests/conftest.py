"""Which tests may run beside which: those that share nodes never do."""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker has all tests of the one fleet; modules with nodes of their own stay whole; the rest goes anywhere."""
    for item in items:
        if "session_cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("fleet"))
        elif item.get_closest_marker("fleet") is not None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
