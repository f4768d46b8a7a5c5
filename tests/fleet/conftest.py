"""One fleet of real nodes, Debian 12 and 13 mixed, for all tests that need one; made once a run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from skate.sandbox import busybox, fleet, images
from tests.fleet import support


@pytest.fixture(scope="session")
def deb() -> Path:
    """The .deb of this checkout, built now if its inputs have changed since; that of CoreDNS lies beside it."""
    builder = Path(__file__).resolve().parents[2] / "packaging" / "build-deb"
    done = subprocess.run([str(builder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(path for path in map(Path, done.stdout.splitlines()) if path.name.startswith("skatelet_"))


@pytest.fixture(scope="session")
def session_cluster(tmp_path_factory: pytest.TempPathFactory, deb: Path) -> Iterator[support.Cluster]:
    registry = tmp_path_factory.mktemp("skate") / "config.yaml"
    with _created(support.NAME, support.RELEASES, registry=registry, deb=deb) as made:
        yield support.Cluster(fleet=made, registry=registry)


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory, deb: Path) -> Iterator[fleet.Fleet]:
    """A node of each release, for what is tried on a node by itself, beside the fleet."""
    registry = tmp_path_factory.mktemp("pair") / "config.yaml"
    with _created(f"{support.NAME}-pair", support.RELEASES[:2], registry=registry, deb=deb) as made:
        yield made


@contextlib.contextmanager
def _created(name: str, releases: Sequence[str], *, registry: Path, deb: Path) -> Iterator[fleet.Fleet]:
    assert os.geteuid() == 0, "the tests on real nodes need root: run `make test`"

    def say(text: str) -> None:
        print(f"→ {text}", file=sys.__stderr__, flush=True)

    fleet.delete(name, registry_path=registry)
    made = fleet.create(name, nodes=len(releases), releases=releases, deb=deb, registry_path=registry, progress=say)
    try:
        images.load_everywhere(made.nodes, busybox.image_tar(progress=say), busybox.IMAGE, progress=say)
        yield made
    finally:
        fleet.delete(name, registry_path=registry)


@pytest.fixture
def cluster(session_cluster: support.Cluster) -> Iterator[support.Cluster]:
    """The fleet, every node up and reachable, and nothing applied; what a test applied is deleted after it."""
    yield session_cluster
    support.clear(session_cluster)
