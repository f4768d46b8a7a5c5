"""Which actions are waited for when skatelet is told to stop."""

from __future__ import annotations

import threading
import time

from skatelet.pods import model, running
from tests.unit import fake_podman

POD = model.DesiredPod(
    name="web",
    namespace="default",
    owner="Pod/web",
    hash="h",
    address="",
    restart_policy="Always",
    containers=(model.DesiredContainer(name="app", image="docker.io/library/app:1", pull="Always"),),
    manifest={"spec": {"containers": [{"name": "app", "image": "app:1"}]}},
)


class SlowPodman(fake_podman.FakePodman):
    """Its plays and pulls last until `go`."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.registry.add("docker.io/library/app:1")

    def play(self, manifest: bytes, *, network: str = "") -> dict:
        assert self.go.wait(30)
        return super().play(manifest, network=network)

    def pull(self, reference: str) -> None:
        assert self.go.wait(30)
        super().pull(reference)


def test_a_play_may_come_to_its_end() -> None:
    podman = SlowPodman()
    actions = running.Running(podman, wake=lambda: None)
    actions.begin(model.Play(pod=POD))
    threading.Timer(0.1, podman.go.set).start()
    actions.close(patience=30)
    assert list(podman.stored) == ["web.default"]


def test_neither_a_fetch_nor_a_play_without_end_is_waited_for() -> None:
    podman = SlowPodman()
    actions = running.Running(podman, wake=lambda: None)
    actions.begin(model.Fetch(pod=POD))
    began = time.monotonic()
    actions.close(patience=30)
    assert time.monotonic() - began < 15
    actions = running.Running(podman, wake=lambda: None)
    actions.begin(model.Play(pod=POD))
    actions.close(patience=0.1)
    assert podman.stored == {}
    podman.go.set()
