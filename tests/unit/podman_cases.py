"""What skatelet relies on in podman, as cases that the fake passes in unit tests and podman 4.3 and 5.4 pass on real nodes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from skatelet.contract import canonical
from skatelet.system.podman import Podman, PodmanError

LABEL = "cluster.skate/case"
NOT_FOUND = 404


@dataclass(frozen=True, kw_only=True)
class Ground:
    """A podman to try, an image it has, the network of a pod's address, and how a container comes to end with 137."""

    podman: Podman
    image: str
    network: str
    end: Callable[[str], None]


def _play(ground: Ground, name: str, *command: str, port: int = 0, network: str = "") -> dict[str, Any]:
    container: dict[str, Any] = {"name": "main", "image": ground.image, "imagePullPolicy": "Never"}
    container["command"] = list(command) or ["sh", "-c", "trap 'exit 0' TERM; sleep 10000 & wait"]
    if port:
        container["ports"] = [{"containerPort": 80, "hostPort": port}]
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [container]}
    metadata = {"name": name, "labels": {LABEL: name}}
    data = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    report = ground.podman.play(canonical.dump(data), network=network)
    played: dict[str, Any] = report["Pods"][0]
    return played


def _listed(ground: Ground, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The infra container of the pod `name`, and its other one."""
    found = [item for item in ground.podman.containers() if item.get("PodName") == name]
    (infra,) = [item for item in found if item["IsInfra"]]
    (own,) = [item for item in found if not item["IsInfra"]]
    return infra, own


def _until(ground: Ground, name: str, state: str, *, seconds: float = 10) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while (own := _listed(ground, name)[1])["State"] != state:
        assert time.monotonic() < deadline, f"{name} is {own['State']}, not {state}"
    return own


PASSING = ("internal libpod error", "cannot get namespace path unless container")
"""What podman says while it still takes down the pod whose last container has ended."""


def _start(ground: Ground, identity: str) -> None:
    """As skatelet does: a container that has just ended may meet podman still taking its pod down."""
    deadline = time.monotonic() + 5
    while True:
        try:
            ground.podman.start(identity)
            return
        except PodmanError as error:
            passing = any(words in error.message for words in PASSING) and "OCI runtime" not in error.message
            if not passing or time.monotonic() > deadline:
                raise
            time.sleep(0.25)


def _start_until_it_runs(ground: Ground, name: str, identity: str) -> dict[str, Any]:
    """podman stops a pod whose last container has ended, and may so stop what was just started in it: then once more."""
    deadline = time.monotonic() + 30
    while True:
        _start(ground, identity)
        try:
            return _until(ground, name, "running", seconds=3)
        except AssertionError:
            if time.monotonic() > deadline:
                raise


def a_played_pod_is_listed_with_labels_and_states(ground: Ground) -> None:
    played = _play(ground, "case-plain", network=ground.network)
    infra, own = _listed(ground, "case-plain")
    assert not played.get("ContainerErrors")
    assert played["Containers"] == [own["Id"]]
    assert own["Names"] == ["case-plain-main"]
    assert own["Labels"][LABEL] == "case-plain"
    assert LABEL not in (infra.get("Labels") or {})
    assert (infra["State"], own["State"], own["Pod"]) == ("running", "running", played["ID"])
    assert own["StartedAt"] > 0 > own["ExitedAt"]
    assert ground.podman.pod("case-plain")["Labels"][LABEL] == "case-plain"
    assert [item["Labels"] for item in ground.podman.pods() if item["Name"] == "case-plain"] == [{LABEL: "case-plain"}]


def a_name_that_is_taken_is_refused(ground: Ground) -> None:
    _play(ground, "case-twice")
    with pytest.raises(PodmanError, match="pod already exists") as caught:
        _play(ground, "case-twice")
    assert caught.value.status >= 400


def a_host_port_that_is_taken_is_blamed_on_the_infra_container(ground: Ground) -> None:
    _play(ground, "case-port", port=8765)
    played = _play(ground, "case-port-too", port=8765)
    infra, own = _listed(ground, "case-port-too")
    first = next(text for text in played["ContainerErrors"] if infra["Id"] in text.split(":")[0])
    assert "address already in use" in first
    assert ":8765: bind" in first
    assert own["State"] == "created"


def a_command_that_does_not_exist_is_reported_and_not_raised(ground: Ground) -> None:
    played = _play(ground, "case-missing", "/missing")
    own = _listed(ground, "case-missing")[1]
    (error,) = played["ContainerErrors"]
    assert error.startswith(f"starting container {own['Id']}: ")
    assert "OCI runtime" in error
    assert own["State"] == "created"
    with pytest.raises(PodmanError, match="OCI runtime"):
        _start(ground, own["Id"])


def what_has_ended_has_its_code_and_can_be_started_again(ground: Ground) -> None:
    _play(ground, "case-end")
    own = _listed(ground, "case-end")[1]
    ground.end(own["Id"])
    ended = _until(ground, "case-end", "exited")
    assert (ended["Id"], ended["ExitCode"]) == (own["Id"], 137)
    assert ended["ExitedAt"] >= ended["StartedAt"] > 0
    assert _start_until_it_runs(ground, "case-end", own["Id"])["Id"] == own["Id"]
    assert _listed(ground, "case-end")[0]["State"] == "running"


def a_pod_is_removed_by_its_id_and_then_unknown(ground: Ground) -> None:
    played = _play(ground, "case-gone")
    ground.podman.remove_pod(played["ID"])
    assert "case-gone" not in {item["Name"] for item in ground.podman.pods()}
    assert "case-gone" not in {item.get("PodName") for item in ground.podman.containers()}
    for call in (ground.podman.pod, ground.podman.remove_pod, ground.podman.container, ground.podman.start):
        with pytest.raises(PodmanError) as caught:
            call("case-gone")
        assert caught.value.status == NOT_FOUND


def volumes_are_found_by_their_label(ground: Ground) -> None:
    made = ground.podman.create_volume("case-volume", labels={LABEL: "v"}, options={})
    assert made["Mountpoint"]
    assert [(item["Name"], item["Labels"]) for item in ground.podman.volumes(f"{LABEL}=v")] == [
        ("case-volume", {LABEL: "v"})
    ]
    assert ground.podman.volumes(f"{LABEL}=other") == []
    ground.podman.remove_volume("case-volume")
    assert ground.podman.volumes(f"{LABEL}=v") == []
    with pytest.raises(PodmanError) as caught:
        ground.podman.remove_volume("case-volume")
    assert caught.value.status == NOT_FOUND


def a_pull_that_is_refused_is_raised(ground: Ground) -> None:
    assert ground.podman.image_exists(ground.image)
    assert not ground.podman.image_exists("127.0.0.1:1/no/such:1")
    with pytest.raises(PodmanError) as caught:
        ground.podman.pull("127.0.0.1:1/no/such:1")
    assert not caught.value.unreachable
    assert caught.value.message


def a_network_that_is_not_there_is_none(ground: Ground) -> None:
    assert ground.podman.network("case-none") is None


CASES: tuple[Callable[[Ground], None], ...] = (
    a_played_pod_is_listed_with_labels_and_states,
    a_name_that_is_taken_is_refused,
    a_host_port_that_is_taken_is_blamed_on_the_infra_container,
    a_command_that_does_not_exist_is_reported_and_not_raised,
    what_has_ended_has_its_code_and_can_be_started_again,
    a_pod_is_removed_by_its_id_and_then_unknown,
    volumes_are_found_by_their_label,
    a_pull_that_is_refused_is_raised,
    a_network_that_is_not_there_is_none,
)


def names(case: Callable[[Ground], None]) -> str:
    """A case's name, for pytest."""
    return case.__name__
