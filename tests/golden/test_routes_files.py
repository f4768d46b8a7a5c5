"""Each file in tests/golden/routes is one case: a cluster as a node sees it, and what skatelet-routes.service does at a boot."""

from __future__ import annotations

from pathlib import Path

import pytest

from skatelet.contract import canonical
from tests.unit import routes_world

CASES = sorted((Path(__file__).parent / "routes").glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_the_files_are_as_the_case_says_and_then_stay(path: Path, tmp_path: Path) -> None:
    case = canonical.load(path.read_bytes())
    kernel = routes_world.FakeKernel(links=case["links"], foreign=case.get("foreign", []))
    nodes = {name: (item["subnet"], item["peerHost"]) for name, item in case["nodes"].items()}
    world = routes_world.World(tmp_path, kernel=kernel, nodes=nodes, network=case["network"])

    assert world.run().condition.reason == case["reason"]

    assert {name: world.file(name) for name in ("device", "forwards", "routes", "table.nft")} == case["files"]
    # What is done now and what is done at a boot is the same.
    boot = [line for name in ("device", "routes", "forwards") for line in world.file(name).splitlines()]
    assert sorted(line for line in world.did() if line not in ("forward", "load")) == sorted(boot)
    world.run()
    assert world.did() == []
