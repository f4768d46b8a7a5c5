"""Promises of the pods' plan that hold for every world, not only for those somebody thought of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from skatelet.pods import model, plan
from tests.unit import pods_world

NAMES = st.sampled_from(["a", "b", "c", "d"])
HASHES = st.sampled_from(["h1", "h2"])
OWNERS = st.sampled_from(["Deployment/web", "Deployment/db", "Pod/a"])
ADDRESSES = st.sampled_from(["10.0.0.2", "10.0.0.3", "10.0.0.4", ""])
PORTS = st.sampled_from([(), ("80/tcp",), ("443/tcp",)])
POLICIES = st.sampled_from(["Always", "OnFailure", "Never"])
CONTAINERS = st.lists(st.sampled_from(["app", "side"]), min_size=1, max_size=2, unique=True)


@st.composite
def desired_pods(draw: st.DrawFn) -> list[model.DesiredPod]:
    pods = []
    for name in draw(st.lists(NAMES, unique=True)):
        data = {
            "name": name,
            "hash": draw(HASHES),
            "owner": draw(OWNERS),
            "restart_policy": draw(POLICIES),
            "recreate": draw(st.booleans()),
            "containers": draw(CONTAINERS),
        }
        pods.append(pods_world.desired_from(data))
    return pods


@st.composite
def seen_pods(draw: st.DrawFn) -> list[model.SeenPod]:
    pods = []
    for name in draw(st.lists(NAMES, unique=True)):
        containers = [
            {
                "name": container,
                "state": draw(st.sampled_from(["running", "exited", "created", "cut"])),
                "exit_code": draw(st.sampled_from([0, 1])),
                "finished": 950,
            }
            for container in draw(st.one_of(CONTAINERS, st.just([])))
        ]
        data = {
            "name": f"{name}.default",
            "managed": draw(st.booleans()),
            "hash": draw(HASHES),
            "owner": draw(OWNERS),
            "address": draw(ADDRESSES),
            "host_ports": draw(PORTS),
            "infra": draw(st.sampled_from(["running", "exited", "created", ""])),
            "containers": containers,
        }
        pods.append(pods_world.seen_from(data))
    return pods


@st.composite
def worlds(draw: st.DrawFn) -> pods_world.World:
    desired = draw(desired_pods())
    broken = frozenset(pod.pod_name for pod in desired if draw(st.booleans()))
    return pods_world.World(desired=desired, seen=draw(seen_pods()), memory={}, now=1000.0, broken=broken)


@given(worlds())
def test_what_is_not_managed_is_never_touched(world: pods_world.World) -> None:
    foreign = [pod for pod in world.seen if not pod.managed]
    names = {pod.name for pod in foreign}
    for _ in range(20):
        todo = world.step()
        assert not names & pods_world.names(todo.actions)
        if not todo.actions:
            break
    assert [pod for pod in world.seen if not pod.managed] == foreign


@given(worlds())
def test_after_its_actions_nothing_is_left_to_plan(world: pods_world.World) -> None:
    world.settle()
    assert world.plan().actions == ()


@given(worlds())
def test_every_desired_pod_that_can_be_made_stands_in_the_end(world: pods_world.World) -> None:
    foreign = {pod.name for pod in world.seen if not pod.managed}
    world.settle()
    standing = {pod.name: pod for pod in world.seen}
    for pod in world.desired:
        if pod.pod_name not in foreign and pod.pod_name not in world.broken:
            assert standing[pod.pod_name].hash == pod.hash


@given(worlds())
def test_what_is_desired_and_runs_is_in_no_action(world: pods_world.World) -> None:
    standing = {pod.name: pod for pod in world.seen}
    well = {
        pod.pod_name
        for pod in world.desired
        if plan.runs(pod, standing.get(pod.pod_name))
        and standing[pod.pod_name].infra == "running"
        and all(item.running for item in standing[pod.pod_name].containers)
    }
    for _ in range(20):
        todo = world.step()
        assert not well & pods_world.names(todo.actions)
        if not todo.actions:
            break


@given(worlds())
def test_the_last_pod_of_an_owner_is_not_taken_for_an_image_that_cannot_be_had(world: pods_world.World) -> None:
    world.broken = frozenset(pod.pod_name for pod in world.desired)
    before = [pod for pod in world.seen if pod.managed and pod.hash]
    standing = {pod.name: pod for pod in before}
    awaited = [pod for pod in world.desired if not plan.runs(pod, standing.get(pod.pod_name))]
    missing = [pod for pod in awaited if pod.pod_name not in standing]
    kept = [
        pod
        for pod in before
        if pod.name not in {item.pod_name for item in world.desired}
        and any((item.namespace, item.owner) == (pod.namespace, pod.owner) for item in missing)
    ]
    world.settle()
    for pod in kept:
        assert pod in world.seen


@given(worlds(), st.randoms())
def test_the_plan_does_not_depend_on_the_order_of_what_is_seen(world: pods_world.World, random: object) -> None:
    first = {pods_world.describe(action) for action in world.plan().actions}
    random.shuffle(world.seen)  # type: ignore[attr-defined]
    random.shuffle(world.desired)  # type: ignore[attr-defined]
    assert {pods_world.describe(action) for action in world.plan().actions} == first
