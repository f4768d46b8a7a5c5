"""The fake podman passes the cases that real podmans pass in tests/fleet/test_podman_same_cases.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit import fake_podman, podman_cases


@pytest.mark.parametrize("case", podman_cases.CASES, ids=podman_cases.names)
def test_the_fake_is_as_podman_is(case: Callable[[podman_cases.Ground], None]) -> None:
    podman = fake_podman.FakePodman()

    def end(identity: str) -> None:
        podman.end(podman.find(identity)["Names"][0], code=137)

    case(podman_cases.Ground(podman=podman, image="docker.io/library/app:1", network="skate:ip=10.66.1.7", end=end))
