"""Who is to be found on this node, what is held before it is stopped, and reconcilers that do not stop each other."""

from __future__ import annotations

import pytest

from skatelet import networking, reconciler, services
from skatelet.contract import apps, bundle
from skatelet.pods import draining, model

IDENTITY = bundle.NodeIdentity(cluster="c", node="n", subnet="10.66.1.0/24", peer_host="192.0.2.1")


def instance(name: str, *, hash: str = "h1", address: str = "10.66.1.2") -> bundle.Instance:
    pod = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"ports": [{"name": "http", "containerPort": 80}]}]},
    }
    owner = bundle.Owner(kind="Deployment", name="web")
    return bundle.Instance(name=name, namespace="default", owner=owner, address=address, hash=hash, pod=pod)


def seen(name: str, *, hash: str = "h1", address: str = "10.66.1.2", state: str = "running", managed: bool = True):
    container = model.SeenContainer(id="x", name="app", state=state)
    return model.SeenPod(
        id=name,
        name=f"{name}.default",
        managed=managed,
        namespace="default",
        instance=name,
        hash=hash,
        address=address,
        containers=(container,),
        labels={"app": "web", "tier": "old"},
    )


def made(*instances: bundle.Instance, generation: int = 1) -> bundle.Bundle:
    return bundle.build(
        catalogue={},
        instances=list(instances),
        cluster="c",
        node="n",
        generation=generation,
        parent=0,
        time="2026-01-01T00:00:00Z",
        author="ann@desk",
        tool_version="1",
    )


def serving(instances, pods, leaving=frozenset()):
    found = networking.serving_pods(
        followed=made(*instances), seen=pods, leaving=leaving, node="n", node_address="192.0.2.1"
    )
    return [(pod.name, pod.address, dict(pod.labels), [port.name for port in pod.ports]) for pod in found]


def test_a_desired_pod_that_runs_is_found_with_its_ports():
    assert serving([instance("a")], [seen("a")]) == [("a", "10.66.1.2", {"app": "web"}, ["http"])]


def test_what_does_not_run_or_is_not_ours_is_not_found():
    assert serving([instance("a")], [seen("a", state="exited")]) == []
    assert serving([instance("a")], []) == []
    assert serving([], [seen("a", managed=False)]) == []


def test_an_old_version_is_found_until_it_is_to_go():
    old = seen("a", hash="h0")
    assert serving([instance("b", address="10.66.1.3")], [old]) == [
        ("a", "10.66.1.2", {"app": "web", "tier": "old"}, [])
    ]
    assert serving([instance("b", address="10.66.1.3")], [old], leaving={"a.default"}) == []


def test_the_same_name_with_another_address_is_found_at_the_address_it_has():
    found = serving([instance("a", address="10.66.1.3")], [seen("a", address="10.66.1.2")])
    assert [(name, address) for name, address, *_ in found] == [("a", "10.66.1.2")]


def test_a_pod_in_the_hosts_network_is_found_at_its_node():
    found = serving([instance("a", address="")], [seen("a", address="")])
    assert [(name, address) for name, address, *_ in found] == [("a", "192.0.2.1")]


class Steady:
    condition = "SteadyReady"

    def __init__(self, **outcome) -> None:
        self.outcome = reconciler.Outcome(condition=reconciler.Condition(word="True", reason="Fine"), **outcome)
        self.worlds: list[reconciler.World] = []

    def reconcile(self, world):
        self.worlds.append(world)
        return self.outcome

    def close(self) -> None: ...


class Broken(Steady):
    condition = "BrokenReady"

    def reconcile(self, world):
        raise ZeroDivisionError("by zero")


def run(*reconcilers, now=100.0):
    return networking.Network(reconcilers).reconcile(
        identity=IDENTITY, followed=made(instance("a")), serving=(), now=now, notes={}
    )


def test_a_reconciler_that_fails_stops_no_other():
    steady = Steady(acted=True, events=(("Warning", "R", "node/n", "m"),))
    outcome = run(Broken(), steady)
    assert {name: item.reason for name, item in outcome.conditions.items()} == {
        "BrokenReady": "InternalError",
        "SteadyReady": "Fine",
    }
    assert outcome.conditions["BrokenReady"].message == "ZeroDivisionError: by zero"
    assert (outcome.acted, outcome.busy, outcome.events) == (True, False, (("Warning", "R", "node/n", "m"),))
    assert len(steady.worlds) == 1


def test_the_earliest_due_time_counts_and_never_makes_passes_without_end():
    assert run(Steady(due=130.0), Steady(due=110.0), Steady()).due == 110.0
    assert run(Steady(due=90.0)).due == 100.0 + networking.SOONEST
    assert run(Steady()).due is None


def test_a_bundle_has_one_version():
    assert networking.version(made(instance("a"))) == networking.version(made(instance("a")))
    assert networking.version(made(instance("a"))) != networking.version(made(instance("b")))
    assert networking.version(made(instance("a"))) != networking.version(made(instance("a"), generation=2))


def test_what_serves_is_held_until_it_has_been_out_of_the_names_for_long_enough():
    going = model.Remove(pod=seen("a"))
    first = draining.hold([going], serving={"a.default"}, since={}, now=100.0)
    assert (first.now, first.since, first.due) == ((), {"a.default": 100.0}, 100.0 + draining.SECONDS)

    # It crashed meanwhile: it is held all the same, for others may still have its name.
    second = draining.hold([going], serving=set(), since=first.since, now=100.5)
    assert (second.now, second.due) == ((), 100.0 + draining.SECONDS)

    third = draining.hold([going], serving={"a.default"}, since=second.since, now=100.0 + draining.SECONDS)
    assert (third.now, third.due) == ((going,), None)


def test_what_does_not_serve_is_not_held():
    going = model.Remove(pod=seen("a", state="exited"))
    assert draining.hold([going], serving=set(), since={}, now=100.0).now == (going,)


def test_a_clock_that_is_set_back_holds_nobody_longer():
    going = model.Remove(pod=seen("a"))
    first = draining.hold([going], serving={"a.default"}, since={"a.default": 5000.0}, now=100.0)
    assert first.due == 100.0 + draining.SECONDS


def test_what_is_desired_again_is_forgotten():
    assert draining.hold([], serving={"a.default"}, since={"a.default": 99.0}, now=100.0).since == {}


@pytest.mark.parametrize(
    ("labels", "app"),
    [
        ({"app": "web"}, "web"),
        ({"app.kubernetes.io/name": "api", "name": "x"}, "api"),
        ({"name": "x"}, "x"),
        ({"app": "", "name": "x"}, "x"),
        ({"app": "Web"}, "web"),
        ({"app": "my_app"}, ""),
        ({"app": "v1.2"}, ""),
        ({}, ""),
    ],
)
def test_the_app_of_a_pod(labels, app):
    assert apps.app_of(labels) == app


def test_a_service_stands_for_the_pods_that_its_selector_matches():
    pod = services.instance_pod(instance("a"), node="n", node_address="")
    service = services.service_of(
        {
            "metadata": {"name": "s", "namespace": "default"},
            "spec": {
                "selector": {"app": "web"},
                "ports": [
                    {"port": 80, "targetPort": "http"},
                    {"port": 81, "targetPort": "8081"},
                    {"port": 82},
                    {"port": 83, "targetPort": "none"},
                ],
            },
        }
    )
    assert services.matches(service, pod)
    assert [services.target_of(port, pod) for port in service.ports] == [80, 8081, 82, None]
    other = services.service_of({"metadata": {"name": "s", "namespace": "other"}, "spec": {"selector": {"app": "web"}}})
    assert not services.matches(other, pod)
    none = services.service_of({"metadata": {"name": "s", "namespace": "default"}, "spec": {}})
    assert not services.matches(none, pod)


def test_placed_pods_are_those_of_all_nodes():
    nodes = [
        bundle.Node(name=name, subnet=f"10.66.{place}.0/24", host=f"192.0.2.{place}") for place, name in enumerate("ab")
    ]
    placements = [
        bundle.Placement(instance="web-1", node="a", address="10.66.0.2", hash="h"),
        bundle.Placement(instance="web-2", node="b", address="", hash="h"),
    ]
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}}},
    }
    files = bundle.catalogue_files(
        cluster=bundle.Cluster(name="c", cidr="10.66.0.0/16"),
        nodes=nodes,
        objects=[bundle.CatalogueObject(manifest=manifest, placements=placements)],
    )
    followed = bundle.Bundle(index=made().index, files=files)
    assert [(pod.name, pod.node, pod.address, pod.app) for pod in services.placed_pods(followed)] == [
        ("web-1", "a", "10.66.0.2", "web"),
        ("web-2", "b", "192.0.2.1", "web"),
    ]
