"""skatelet's passes over a node whose podman is a fake: from a bundle in the inbox to the status, and what happens after."""

from __future__ import annotations

import hashlib
import json
import os
import queue
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from skatelet import reconcile
from skatelet.contract import bundle, canonical, status
from skatelet.paths import Paths
from skatelet.pods import act
from skatelet.system.podman import PodmanError
from tests.unit import fake_podman

CONTAINER = {"name": "app", "image": "app:1", "command": ["serve"]}


def pod(name: str, *, owner: str = "", address: str = "10.66.1.7", **spec: Any) -> dict[str, Any]:
    return {
        "name": name,
        "owner": owner or f"Pod/{name}",
        "address": address,
        "spec": {"containers": [CONTAINER], **spec},
    }


class World:
    """A node in a directory, its fake podman, and a clock that only the test turns."""

    def __init__(self, root: Path) -> None:
        self.paths = Paths(root=root)
        self.podman = fake_podman.FakePodman()
        self.now = 1000.0
        self.generation = 0
        self.happenings: queue.SimpleQueue[None] = queue.SimpleQueue()
        for directory in (self.paths.inbox, self.paths.wake, self.paths.claims, self.paths.upload):
            directory.mkdir(parents=True)
        self.boot("first")
        self.paths.identity.parent.mkdir(parents=True)
        identity = bundle.NodeIdentity(cluster="c", node="n", subnet="10.66.1.0/24")
        self.paths.identity.write_bytes(canonical.dump(identity.to_data()))
        # The network's definition, as podman leaves it: it tells that the network is there without asking podman.
        self.paths.network_file.parent.mkdir(parents=True)
        self.paths.network_file.write_text("{}")
        self.node = self.wake_up()

    def wake_up(self) -> reconcile.Node:
        """A new run of skatelet on the same node."""
        self.node = reconcile.Node(
            self.paths,
            podman=self.podman,
            clock=lambda: self.now,
            wait=lambda future: future.result(timeout=30),
            wake=lambda: self.happenings.put(None),
        )
        return self.node

    def boot(self, name: str) -> None:
        path = self.paths.proc("sys/kernel/random/boot_id")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)

    def drop(self, *pods: Mapping[str, Any]) -> None:
        self.generation += 1
        instances = []
        for item in pods:
            document = {"metadata": {"name": item["name"], "namespace": "default"}, "spec": item["spec"]}
            kind, _, owner = str(item["owner"]).partition("/")
            instances.append(
                bundle.Instance(
                    name=item["name"],
                    namespace="default",
                    owner=bundle.Owner(kind=kind, name=owner),
                    address=item["address"],
                    hash=hashlib.sha256(canonical.dump(document)).hexdigest(),
                    pod=document,
                )
            )
        cluster = bundle.Cluster(name="c", cidr="10.66.0.0/16")
        made = bundle.build(
            catalogue=bundle.catalogue_files(cluster=cluster, nodes=[], objects=[]),
            instances=instances,
            cluster="c",
            node="n",
            generation=self.generation,
            parent=self.generation - 1,
            time="2026-01-01T00:00:00Z",
            author="ann@desk",
            tool_version="1",
        )
        (self.paths.inbox / f"{self.generation}.bundle").write_bytes(bundle.pack(made))

    def settle(self, seconds: float = 0) -> status.Status:
        """Turn the clock on, pass over the node until no action runs, and give back the status."""
        self.now += seconds
        self.podman.now = int(self.now)
        while self.node.once().busy:
            self.happenings.get(timeout=30)
        return self.status()

    def status(self) -> status.Status:
        return status.Status.model_validate(json.loads(self.paths.status.read_bytes()))

    def only(self, name: str = "web") -> status.InstanceStatus:
        return next(item for item in self.status().instances if item.name == name and item.desired)

    def waiting(self, name: str = "web") -> status.Waiting:
        found = self.only(name).containers[0].state.waiting
        assert found is not None
        return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.node.close()


def ready(found: status.Status) -> status.Condition:
    return next(item for item in found.conditions if item.type == "Ready")


def test_a_bundle_becomes_running_pods_and_a_status(world: World) -> None:
    world.drop(pod("web", owner="Deployment/web"), pod("host", address="", hostNetwork=True))
    found = world.settle()
    assert {item.name: item.phase for item in found.instances} == {"host": "Running", "web": "Running"}
    assert (found.generation_seen, found.generation_reached) == (1, 1)
    assert ready(found).status == "True"
    assert {item["network"] for item in world.podman.played} == {"skate:ip=10.66.1.7", ""}
    assert world.paths.accepted.read_bytes() == world.paths.bundle.read_bytes()
    assert not list(world.paths.inbox.iterdir())


def test_nothing_to_do_is_one_call_and_no_write(world: World) -> None:
    world.drop(pod("web"))
    world.settle()
    world.wake_up()
    world.podman.calls.clear()
    files = [world.paths.status, world.paths.memory, world.paths.bundle, world.paths.accepted]
    before = [(path.stat().st_mtime_ns, path.stat().st_ino) for path in files]
    outlook = world.node.once()
    assert world.podman.calls == ["containers"]
    assert [(path.stat().st_mtime_ns, path.stat().st_ino) for path in files] == before
    assert not outlook.busy
    assert not outlook.happened


def test_an_old_status_is_touched_as_heartbeat_and_not_written(world: World) -> None:
    world.drop(pod("web"))
    world.settle()
    inode = world.paths.status.stat().st_ino
    os.utime(world.paths.status, (1, 1))
    world.settle()
    assert world.paths.status.stat().st_ino == inode
    assert world.paths.status.stat().st_mtime > 1


def test_what_is_deleted_goes_with_its_volumes_and_its_grace(world: World) -> None:
    volumes = [{"name": "tmp", "emptyDir": {}}]
    world.drop(pod("web", volumes=volumes, terminationGracePeriodSeconds=7))
    world.settle()
    assert list(world.podman.kept_volumes) == ["web.default_tmp"]
    world.drop()
    found = world.settle()
    assert found.instances == []
    assert world.podman.stored == {}
    assert world.podman.kept_volumes == {}
    assert "stop 7" in world.podman.calls


def test_a_removed_container_comes_back_with_its_volume_kept(world: World) -> None:
    world.drop(pod("web", volumes=[{"name": "tmp", "emptyDir": {}}]))
    world.settle()
    made = world.podman.kept_volumes["web.default_tmp"]
    stored = world.podman.stored["web.default"]
    stored["containers"] = [item for item in stored["containers"] if item["IsInfra"]]
    found = world.settle()
    assert found.instances[0].phase == "Running"
    assert found.instances[0].containers[0].restarts == 1
    assert world.podman.kept_volumes["web.default_tmp"] is made


def test_a_crash_loop_backs_off_as_kubelet_does(world: World) -> None:
    world.drop(pod("web"))
    world.settle()
    delays = []
    for _ in range(9):
        world.now += 1
        world.podman.now = int(world.now)
        world.podman.end("web.default-app", code=3)
        world.settle()
        state = world.only().containers[0].state
        if state.waiting is not None:
            assert state.waiting.reason == "CrashLoopBackOff"
            delay = world.node.once().due
            assert delay is not None
            delays.append(round(delay - world.now))
            world.settle(seconds=delay - world.now)
        assert world.only().containers[0].state.running is not None
    assert delays == [10, 20, 40, 80, 160, 300, 300, 300]
    last = world.only().containers[0].last_state
    assert last is not None
    assert last.terminated is not None
    assert last.terminated.exit_code == 3


def test_the_backoff_outlives_the_run(world: World) -> None:
    world.drop(pod("web"))
    world.settle()
    for _ in range(2):
        world.podman.end("web.default-app", code=1)
        world.settle()
    world.wake_up()
    outlook = world.node.once()
    assert outlook.due == world.now + 10
    assert world.only().containers[0].restarts == 1


def test_a_command_that_does_not_exist_is_said_with_the_runtimes_words(world: World) -> None:
    world.drop(pod("web", containers=[{**CONTAINER, "command": ["/missing"]}]), pod("other", address="10.66.1.8"))
    world.settle()
    assert world.waiting().reason == "CrashLoopBackOff"
    assert "/missing" in world.waiting().message
    last = world.only().containers[0].last_state
    assert last is not None
    assert last.terminated is not None
    assert last.terminated.reason == "StartError"
    assert world.only("other").phase == "Running"


def test_an_image_that_cannot_be_pulled(world: World) -> None:
    world.drop(pod("web", containers=[{**CONTAINER, "image": "nowhere:1"}]))
    world.settle()
    assert world.waiting().reason == "ErrImagePull"
    assert "manifest unknown" in world.waiting().message
    world.settle(seconds=11)
    assert world.waiting().reason == "ImagePullBackOff"
    world.podman.registry.add("docker.io/library/nowhere:1")
    world.settle(seconds=21)
    assert world.only().phase == "Running"


@pytest.mark.parametrize(
    ("image", "policy", "reason"),
    [
        ("nowhere:1", "Never", "ErrImageNeverPull"),
        ("UPPER:x", None, "InvalidImageName"),
        ("app:1", "Always", "ErrImagePull"),
    ],
)
def test_images_are_judged_by_the_pull_policy(world: World, image: str, policy: str | None, reason: str) -> None:
    container = {**CONTAINER, "image": image} | ({"imagePullPolicy": policy} if policy else {})
    world.drop(pod("web", containers=[container]))
    world.settle()
    assert world.waiting().reason == reason


def test_a_host_port_that_is_taken_names_the_port(world: World) -> None:
    ports = [{"containerPort": 80, "hostPort": 8080}]
    container = {**CONTAINER, "ports": ports}
    world.drop(pod("web", containers=[container]), pod("again", address="10.66.1.8", containers=[container]))
    found = world.settle()
    reasons = {item.reason for item in found.instances}
    assert reasons == {"", "HostPortConflict"}
    failed = next(item for item in found.instances if item.reason)
    assert "8080" in failed.message
    assert len(world.podman.stored) == 1, "the half-made pod was left"


def test_a_foreign_pod_of_the_same_name_is_not_touched(world: World) -> None:
    foreign = {"metadata": {"name": "web.default", "labels": {}}, "spec": {"containers": [CONTAINER]}}
    world.podman.play(canonical.dump(foreign))
    world.drop(pod("web"))
    world.settle()
    assert world.only().reason == "NameTaken"
    assert world.podman.stored["web.default"]["labels"] == {}


def test_a_broken_new_version_does_not_take_the_old_one_away(world: World) -> None:
    world.drop(pod("web-a", owner="Deployment/web"))
    world.settle()
    broken = pod("web-b", owner="Deployment/web", address="10.66.1.8", containers=[{**CONTAINER, "image": "nowhere:1"}])
    world.drop(broken)
    found = world.settle()
    assert {item.name: (item.desired, item.ready) for item in found.instances} == {
        "web-a": (False, True),
        "web-b": (True, False),
    }
    assert (found.generation_seen, found.generation_reached) == (2, 1)


def test_after_a_power_loss_everything_that_ran_is_started_again(world: World) -> None:
    world.drop(pod("web"), pod("job", address="10.66.1.8", restartPolicy="Never"))
    world.settle()
    world.podman.end("job.default-app", code=0)
    world.settle()
    world.podman.cut_power()
    world.boot("second")
    world.now += 60
    world.wake_up()
    world.settle()
    assert world.only("web").phase == "Running"
    assert world.only("web").containers[0].restarts == 1
    assert world.only("job").phase == "Succeeded"


def test_a_play_that_was_cut_before_any_container_is_made_anew(world: World) -> None:
    world.drop(pod("web"))
    world.podman.stored["web.default"] = {
        "id": "f" * 64,
        "name": "web.default",
        "labels": {"cluster.skate/managed": "true"},
        "ports": set(),
        "containers": [],
    }
    world.settle()
    assert world.only().phase == "Running"


def test_podman_that_does_not_answer_is_said_and_tried_again(world: World) -> None:
    world.drop(pod("web"))
    world.podman.down = True
    found = world.settle()
    assert (ready(found).status, ready(found).reason) == ("False", "PodmanUnavailable")
    world.podman.down = False
    assert ready(world.settle()).status == "True"
    assert world.only().phase == "Running"


def test_a_damaged_stored_bundle_changes_nothing(world: World) -> None:
    world.drop(pod("web"))
    world.settle()
    world.paths.bundle.write_bytes(world.paths.bundle.read_bytes()[:700])
    world.wake_up()
    found = world.settle()
    assert ready(found).reason == "BundleUnreadable"
    assert list(world.podman.stored) == ["web.default"]


def test_a_refused_bundle_is_told_once_and_the_last_good_one_stays(world: World) -> None:
    world.drop(pod("web"))
    world.settle()
    for _ in range(3):
        (world.paths.inbox / "2.bundle").write_bytes(b"nonsense")
        found = world.settle()
    assert [item.reason for item in found.rejected] == ["Truncated"]
    assert found.generation_seen == 1
    rejected = [item for item in found.events if item.reason == "BundleRejected"]
    assert [(item.object, item.count) for item in rejected] == [("bundle/2", 3)]


def test_an_error_of_our_own_is_in_the_status_and_the_inbox_is_empty(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(reconcile.plan, "plan", fail)
    world.drop(pod("web"))
    found = world.settle()
    assert (ready(found).status, ready(found).reason) == ("False", "InternalError")
    assert not list(world.paths.inbox.iterdir())


def test_a_lost_memory_does_no_harm(world: World) -> None:
    world.drop(pod("web"))
    world.settle()
    world.paths.memory.write_text("{ nonsense")
    world.wake_up()
    world.podman.calls.clear()
    world.settle()
    assert not {"play", "start", "remove"} & set(world.podman.calls)


def test_the_wake_files_of_the_hook_are_consumed(world: World) -> None:
    (world.paths.wake / "container").write_text("")
    assert world.node.once().happened
    assert not list(world.paths.wake.iterdir())


def test_a_pod_that_cannot_be_started_as_it_stands_is_made_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.drop(pod("web"))
    world.settle()
    identity = world.podman.find("web.default-app")["Id"]
    world.podman.end("web.default-app", code=0)

    def refuse(_: str) -> None:
        raise PodmanError("starting some containers: internal libpod error", status=500)

    monkeypatch.setattr(world.podman, "start", refuse)
    monkeypatch.setattr(act, "START_PAUSE_SECONDS", 0.0)
    world.settle()
    assert world.only().phase == "Running"
    assert world.podman.find("web.default-app")["Id"] != identity


def test_a_network_that_is_missing_is_made_with_the_nodes_subnet(world: World) -> None:
    world.paths.network_file.unlink()
    world.node.close()
    world.wake_up()
    world.drop(pod("web"))
    world.settle()
    subnet = world.podman.networks["skate"]["subnets"][0]
    assert (subnet["subnet"], subnet["gateway"]) == ("10.66.1.0/24", "10.66.1.1")
    assert subnet["lease_range"]["start_ip"] == "10.66.1.240"


def test_a_foreign_network_of_the_name_is_not_touched(world: World) -> None:
    world.podman.networks["skate"] = {"name": "skate", "labels": {}}
    world.drop(pod("web"))
    found = world.settle()
    assert ready(found).reason == "NetworkUnfit"
    assert world.podman.networks["skate"] == {"name": "skate", "labels": {}}


def test_an_identity_that_comes_while_skatelet_is_awake_is_taken(world: World) -> None:
    written = world.paths.identity.read_bytes()
    world.paths.identity.unlink()
    assert ready(world.settle()).reason == "NoIdentity"
    world.paths.identity.write_bytes(written)
    assert ready(world.settle()).reason == "NoBundle"
