"""podman 4.3 and 5.4, on real nodes, pass the very cases that the unit tests' fake passes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from skate.sandbox import fleet, machine
from skatelet.system.podman import Podman
from tests.fleet import support
from tests.unit import podman_cases

pytestmark = pytest.mark.fleet


@pytest.fixture(params=["bookworm", "trixie"])
def ground(request: pytest.FixtureRequest, pair: fleet.Fleet) -> Iterator[podman_cases.Ground]:
    target = next(item for item in pair.nodes if item.release == request.param)
    # Through the leader's root, this process reaches the socket in the node's own /run.
    podman = Podman(Path(f"/proc/{machine.leader(target.machine)}/root/run/podman/podman.sock"))
    network = podman.network("skate") or podman.network("podman")
    assert network is not None
    gateway = network["subnets"][0]["gateway"]
    yield podman_cases.Ground(
        podman=podman,
        image=f"{support.IMAGE}:latest" if ":" not in support.IMAGE else support.IMAGE,
        network=f"{network['name']}:ip={gateway.rpartition('.')[0]}.231",
        end=lambda identity: podman.stop(identity, grace=0),
    )
    for pod in json.loads(target.run(["podman", "pod", "ps", "--format", "json"]).stdout):
        if pod["Name"].startswith("case-"):
            podman.remove_pod(pod["Name"])


@pytest.mark.parametrize("case", podman_cases.CASES, ids=podman_cases.names)
def test_podman_is_as_the_fake_is(ground: podman_cases.Ground, case: Callable[[podman_cases.Ground], None]) -> None:
    case(ground)
