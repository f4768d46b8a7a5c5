"""The parts of scheduling one by one: addresses, names, surplus, scores, differences. Whole cases: tests/golden/scheduling."""

from __future__ import annotations

import dataclasses
import ipaddress
import itertools
import re
import time

import pytest

from skate import scheduling
from skate.scheduling import addresses, ledger, names, scores, surplus
from skatelet.contract import subnets

WEB = scheduling.Key("Deployment", "default", "web")


def placed(instance, node="n1", address="10.66.1.2", template="aaaa", workload=WEB):
    return scheduling.Placed(workload=workload, instance=instance, node=node, address=address, hash=template)


def deployment(**changes):
    return scheduling.Workload(
        **{"kind": "Deployment", "namespace": "default", "name": "web", "hash": "aaaa", **changes}
    )


def node(name="n1", subnet="10.66.1.0/24", **changes):
    return scheduling.Node(name=name, subnet=subnet, **changes)


@pytest.mark.parametrize(
    ("subnet", "first", "last", "podman"),
    [
        ("10.66.1.0/24", "10.66.1.2", "10.66.1.239", "10.66.1.240/28"),
        ("10.66.4.0/22", "10.66.4.2", "10.66.7.239", "10.66.7.240/28"),
        ("10.66.1.0/25", "10.66.1.2", "10.66.1.111", "10.66.1.112/28"),
        ("10.66.1.128/26", "10.66.1.130", "10.66.1.175", "10.66.1.176/28"),
        ("10.66.1.32/27", "10.66.1.34", "10.66.1.55", "10.66.1.56/29"),
        ("10.66.1.16/28", "10.66.1.18", "10.66.1.27", "10.66.1.28/30"),
    ],
)
def test_gateway_instances_and_podman_share_a_subnet_without_overlap(subnet, first, last, podman):
    found = subnets.instance_range(subnet)
    assert (str(ipaddress.IPv4Address(found[0])), str(ipaddress.IPv4Address(found[-1]))) == (first, last)
    assert subnets.podman_range(subnet) == podman
    rest = ipaddress.IPv4Network(podman)
    assert found.stop == int(rest.network_address)
    assert rest.broadcast_address == ipaddress.IPv4Network(subnet).broadcast_address


def test_a_subnet_too_small_for_podman_has_no_range_for_it():
    with pytest.raises(ValueError, match="too small"):
        subnets.podman_range("10.66.1.0/31")


def test_addresses_are_given_upwards_and_from_the_start_again_until_none_is_left():
    pool = addresses.Pool("10.66.1.0/28", ["10.66.1.9", "10.66.1.3", "192.0.2.1", "fd00::1", ""])
    taken = [pool.take() for _ in range(8)]
    assert taken == [f"10.66.1.{number}" for number in (10, 11, 2, 4, 5, 6, 7, 8)]
    assert pool.empty
    with pytest.raises(LookupError):
        pool.take()


def test_an_address_is_held_by_one_instance_only():
    pool = addresses.Pool("10.66.1.0/24", ["10.66.1.2"])
    assert pool.available("10.66.1.2")
    pool.hold("10.66.1.2")
    assert not pool.available("10.66.1.2")


@pytest.mark.parametrize("address", ["", "10.66.1.1", "10.66.1.240", "10.66.2.2", "fd00::1"])
def test_what_is_no_address_for_instances_is_never_available(address):
    assert not addresses.Pool("10.66.1.0/24", []).available(address)


def test_names_are_like_kubernetes_own():
    found = list(itertools.islice(names.candidates(WEB, "a" * 64), 5000))
    assert len(set(found)) == 5000
    assert all(re.fullmatch(r"web-[b-df-hj-np-tv-xz24-9]{10}-[b-df-hj-np-tv-xz24-9]{5}", name) for name in found)
    assert {name.split("-")[1] for name in found} == {scheduling.template_hash("a" * 64)}


def test_names_differ_by_namespace_name_and_hash():
    keys = [WEB, WEB._replace(namespace="blue"), WEB._replace(name="api")]
    suffixes = {
        next(names.candidates(key, template)).rsplit("-", 1)[1] for key in keys for template in ("aaaa", "bbbb")
    }
    assert len(suffixes) == 6


def test_long_names_are_cut_to_a_host_names_length_and_stay_apart():
    long = WEB._replace(name="a" * 253)
    found = list(itertools.islice(names.candidates(long, "aaaa"), 100))
    assert {len(name) for name in found} == {63}
    assert len(set(found)) == 100


def test_the_youngest_is_the_last_that_was_named_and_strangers_are_younger_still():
    first, second, third = itertools.islice(names.candidates(WEB, "aaaa"), 3)
    other = next(names.candidates(WEB, "bbbb"))
    ages = names.ages([placed(third), placed(first), placed("stranger"), placed(other, template="bbbb")])
    assert ages[first] == ages[other] == 0
    assert ages[third] == 2
    assert ages["stranger"] > ages[third]
    assert second not in ages


def test_the_youngest_goes_first_among_equals():
    found = [placed(name, f"n{place}") for place, name in enumerate(itertools.islice(names.candidates(WEB, "aaaa"), 4))]
    staying, going = surplus.split(found[::-1], 1, nodes=["n0", "n1", "n2", "n3"], ready=None)
    assert staying == found[:1]
    assert going == found[1:]


def test_two_equally_full_nodes_lose_one_instance_each():
    found = [placed(f"web-{number}", "n1" if number < 2 else "n2") for number in range(4)]
    staying, _ = surplus.split(found, 2, nodes=["n1", "n2"], ready=None)
    assert sorted(item.node for item in staying) == ["n1", "n2"]


def test_what_stands_on_no_node_of_the_cluster_goes_before_what_is_not_ready():
    found = [placed("gone", "n9"), placed("unready", "n1"), placed("fine", "n1")]
    ready = frozenset({("default", "gone"), ("default", "fine")})
    assert [item.instance for item in surplus.split(found, 2, nodes=["n1"], ready=ready)[1]] == ["gone"]
    assert [item.instance for item in surplus.split(found, 1, nodes=["n1"], ready=ready)[0]] == ["fine"]


def test_nothing_goes_when_nothing_is_too_much():
    found = [placed("web-1"), placed("web-2")]
    assert surplus.split(found, 5, nodes=["n1"], ready=frozenset()) == (found, [])


def test_scores_are_kube_schedulers():
    """The numbers of LeastAllocated and BalancedAllocation for 3 of 10 cpus and 5 of 20 GiB, in per cent."""
    accounts = ledger.open_accounts([node(cpu_millis=10_000, memory_bytes=20 * 1024**3)], [])
    asked = deployment(cpu_millis=3000, memory_bytes=5 * 1024**3)
    assert scores.least_allocated(asked, accounts["n1"]) == pytest.approx((70 + 75) / 2)
    assert scores.balanced_allocation(asked, accounts["n1"]) == pytest.approx(100 * (1 - 0.05 / 2))


def test_an_instance_without_requests_counts_as_the_default_in_scores_only():
    accounts = ledger.open_accounts([node(cpu_millis=1000, memory_bytes=1000 * 1024**2)], [])
    account = accounts["n1"]
    account.charge(deployment())
    assert scores.least_allocated(deployment(), account) == pytest.approx((80 + 60) / 2)
    assert scores.balanced_allocation(deployment(), account) == 0
    assert (account.cpu_millis, account.memory_bytes) == (0, 0)


def test_a_node_without_any_capacity_is_no_division_by_zero():
    schedule = scheduling.schedule(nodes=[node(cpu_millis=0, memory_bytes=0, pods=5)], workloads=[deployment()])
    assert len(schedule.placements) == 1


@pytest.mark.parametrize(
    ("taken", "asked", "conflict"),
    [
        ({}, {}, True),
        ({"host_ip": "192.0.2.1"}, {"host_ip": "192.0.2.2"}, False),
        ({"host_ip": "192.0.2.1"}, {"host_ip": "192.0.2.1"}, True),
        ({"host_ip": "192.0.2.1"}, {"host_ip": "0.0.0.0"}, True),
        ({"host_ip": "0.0.0.0"}, {"host_ip": "192.0.2.1"}, True),
        ({"host_ip": ""}, {"host_ip": "192.0.2.1"}, True),
        ({"protocol": "UDP"}, {"protocol": "TCP"}, False),
        ({"protocol": ""}, {"protocol": "TCP"}, True),
        ({"port": 81}, {}, False),
    ],
)
def test_host_ports_meet_as_in_kubernetes(taken, asked, conflict):
    account = ledger.open_accounts([node()], [])["n1"]
    account.charge(deployment(host_ports=(scheduling.HostPort(**{"port": 80, **taken}),)))
    assert account.port_taken(scheduling.HostPort(**{"port": 80, **asked})) is conflict


def test_the_difference_tells_every_kind_of_change():
    pod = scheduling.Key("Pod", "default", "job")
    other = scheduling.Key("Pod", "default", "other")
    before = [
        placed("web-1"),
        placed("web-2", "n2"),
        placed("job", workload=pod),
        placed("other", workload=other),
    ]
    after = [
        placed("web-1"),
        placed("web-3"),
        placed("job", template="bbbb", workload=pod),
        placed("other", "n2", "10.66.2.2", workload=other),
    ]
    web, job, moved = scheduling.difference(before, after)
    assert (web.workload, web.added, web.removed, web.unchanged) == (WEB, (after[1],), (before[1],), (before[0],))
    assert (job.workload, job.replaced, job.moved) == (pod, ((before[2], after[2]),), ())
    assert (moved.workload, moved.moved, moved.replaced) == (other, ((before[3], after[3]),), ())
    assert not any(item.empty for item in (web, job, moved))
    assert all(item.empty for item in scheduling.difference(after, after[::-1]))


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param([placed("web-1"), placed("web-1", "n2", "10.66.2.2")], id="one name twice"),
        pytest.param([placed("web-1"), placed("web-2")], id="one address twice"),
        pytest.param([placed("web-1"), placed("web-2", address="10.66.1.250")], id="an address of podman's"),
        pytest.param([placed("web-1"), placed("web-2", address="")], id="no address"),
        pytest.param([placed("web-1"), placed("web-2", address="nonsense")], id="no address at all"),
    ],
)
def test_a_damaged_catalogue_is_mended(damage):
    nodes = [node(), node("n2", "10.66.2.0/24")]
    schedule = scheduling.schedule(nodes=nodes, workloads=[deployment(replicas=2)], previous=damage)
    assert not schedule.unplaced
    assert damage[0] in schedule.placements
    assert len({item.instance for item in schedule.placements}) == 2
    assert len({item.address for item in schedule.placements}) == 2
    assert (
        scheduling.schedule(nodes=nodes, workloads=[deployment(replicas=2)], previous=schedule.placements) == schedule
    )


def test_a_pod_whose_name_an_instance_has_already_is_refused_in_kubernetes_words():
    pod = scheduling.Workload(kind="Pod", namespace="default", name="web-1", hash="bbbb")
    schedule = scheduling.schedule(nodes=[node()], workloads=[deployment(), pod], previous=[placed("web-1")])
    assert [item.message for item in schedule.unplaced] == ['pods "web-1" already exists']


def test_a_new_instance_never_takes_the_name_of_a_pod():
    name = next(names.candidates(WEB, "aaaa"))
    pod = scheduling.Workload(kind="Pod", namespace="default", name=name, hash="bbbb")
    schedule = scheduling.schedule(nodes=[node()], workloads=[deployment(), pod])
    assert len({item.instance for item in schedule.placements}) == 2
    assert not schedule.unplaced


def test_a_pod_keeps_its_address_on_a_subnet_that_is_full():
    web = deployment(replicas=9)
    pod = scheduling.Workload(kind="Pod", namespace="default", name="job", hash="bbbb")
    small = node(subnet="10.66.1.0/28")
    before = scheduling.schedule(nodes=[small], workloads=[web, pod])
    after = scheduling.schedule(
        nodes=[small], workloads=[web, dataclasses.replace(pod, hash="cccc")], previous=before.placements
    )
    assert not after.unplaced
    assert {item.address for item in after.placements} == {item.address for item in before.placements}


def test_two_of_one_name_are_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="two workloads"):
        scheduling.schedule(nodes=[node()], workloads=[deployment(), deployment(replicas=2)])
    with pytest.raises(ValueError, match="two nodes"):
        scheduling.schedule(nodes=[node(), node()], workloads=[])


def test_a_pod_has_one_instance():
    with pytest.raises(ValueError, match="pod/default/job cannot have 2 instances"):
        scheduling.Workload(kind="Pod", namespace="default", name="job", hash="aaaa", replicas=2)


def test_two_thousand_instances_on_twelve_nodes_take_less_than_two_seconds():
    """Processor time, for each of placing, replacing and scaling down; 0.2 s on a small machine."""
    spent = []

    def timed(**inputs):
        start = time.process_time()
        result = scheduling.schedule(nodes=nodes, **inputs)
        spent.append(time.process_time() - start)
        return result

    nodes = [node(f"n{number:02}", f"10.66.{number * 4}.0/22", cpu_millis=64_000, pods=250) for number in range(1, 13)]
    asked = [deployment(name=f"w{number}", replicas=20, cpu_millis=100) for number in range(100)]
    first = timed(workloads=asked)
    changed = [dataclasses.replace(item, hash="bbbb") for item in asked]
    second = timed(workloads=changed, previous=first.placements)
    fewer = [dataclasses.replace(item, replicas=1) for item in changed]
    third = timed(workloads=fewer, previous=second.placements)
    assert [len(item.placements) for item in (first, second, third)] == [2000, 2000, 100]
    assert set(third.placements) < set(second.placements)
    assert max(spent) < 2, spent
