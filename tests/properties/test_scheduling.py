"""What holds of every schedule, whatever the cluster: asked of small clusters drawn at random, short of everything."""

from __future__ import annotations

import collections
import dataclasses
import ipaddress
import re

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from skate import scheduling
from skate.scheduling import filters
from skatelet.contract import subnets

NODES = ("n1", "n2", "n3", "n4")
SUBNETS = dict(zip(NODES, ("10.66.1.0/24", "10.66.2.0/28", "10.66.4.0/22", "10.66.8.0/27"), strict=True))
few = st.one_of(st.none(), st.integers(0, 8))
checked = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])

hosts = st.sampled_from(["", "0.0.0.0", "192.0.2.1", "192.0.2.2"])
host_ports = st.builds(scheduling.HostPort, port=st.sampled_from([80, 443]), host_ip=hosts)


@st.composite
def nodes(draw):
    found = []
    for name in draw(st.lists(st.sampled_from(NODES), unique=True, min_size=0, max_size=4)):
        cpu, memory = draw(few), draw(few)
        found.append(
            scheduling.Node(
                name=name,
                subnet=SUBNETS[name],
                labels=draw(st.dictionaries(st.sampled_from(["disk", "zone"]), st.sampled_from(["a", "b"]))),
                unschedulable=draw(st.integers(0, 4)) == 0,
                reachable=draw(st.integers(0, 4)) != 0,
                cpu_millis=None if cpu is None else cpu * 100,
                memory_bytes=None if memory is None else memory * 1024**2,
                pods=draw(few),
                occupied=frozenset(
                    str(ipaddress.IPv4Network(SUBNETS[name])[offset]) for offset in draw(st.sets(st.integers(0, 15)))
                ),
            )
        )
    return found


@st.composite
def workloads(draw):
    found = []
    for number in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(["Deployment", "Deployment", "Pod"]))
        found.append(
            scheduling.Workload(
                kind=kind,
                namespace=draw(st.sampled_from(["default", "blue"])),
                name=f"w{number}",
                hash=draw(st.sampled_from(["aaaa", "bbbb"])),
                replicas=1 if kind == "Pod" else draw(st.integers(0, 6)),
                cpu_millis=draw(st.integers(0, 3)) * 100,
                memory_bytes=draw(st.integers(0, 3)) * 1024**2,
                node_name=draw(st.sampled_from([None, None, None, "n1", "n9"])),
                node_selector=draw(
                    st.one_of(
                        st.just({}),
                        st.dictionaries(st.just("disk"), st.sampled_from(["a", "b"])),
                        st.just({"zone": "a"}),
                    )
                ),
                host_ports=tuple(draw(st.one_of(st.just([]), st.lists(host_ports, max_size=2)))),
                host_network=draw(st.integers(0, 5)) == 0,
            )
        )
    return found


@st.composite
def clusters(draw):
    """Nodes and workloads, and what an earlier schedule for other nodes and other workloads of the same names left behind."""
    now_nodes, now_workloads = draw(nodes()), draw(workloads())
    previous = ()
    if draw(st.booleans()):
        then = [
            dataclasses.replace(
                item,
                hash=draw(st.sampled_from(["aaaa", "bbbb"])),
                replicas=1 if item.kind == "Pod" else draw(st.integers(0, 6)),
            )
            for item in now_workloads
        ]
        then += [scheduling.Workload(kind="Deployment", namespace="default", name="gone", hash="cccc", replicas=2)]
        room = {"cpu_millis": None, "memory_bytes": None, "pods": None, "reachable": True, "unschedulable": False}
        then_nodes = [dataclasses.replace(node, **room, occupied=frozenset()) for node in draw(nodes()) + now_nodes]
        previous = scheduling.schedule(
            nodes=list({node.name: node for node in then_nodes}.values()), workloads=then
        ).placements
    ready = None
    if draw(st.booleans()):
        ready = frozenset((item.workload.namespace, item.instance) for item in previous if draw(st.booleans()))
    return {"nodes": now_nodes, "workloads": now_workloads, "previous": previous, "ready": ready}


def is_kept(placed, cluster):
    return placed in set(cluster["previous"])


def by_key(items):
    return {item.key: item for item in items}


@checked
@given(clusters(), st.randoms(use_true_random=False))
def test_the_same_input_in_any_order_gives_the_same_schedule(cluster, chance):
    first = scheduling.schedule(**cluster)
    shuffled = dict(cluster)
    for name in ("nodes", "workloads", "previous"):
        items = list(cluster[name])
        chance.shuffle(items)
        shuffled[name] = items
    assert scheduling.schedule(**shuffled) == first


@checked
@given(clusters())
def test_a_second_run_moves_nothing_and_plans_nothing_when_all_had_a_place(cluster):
    first = scheduling.schedule(**cluster)
    second = scheduling.schedule(**{**cluster, "previous": first.placements})
    assert set(first.placements) <= set(second.placements)
    if not first.unplaced:
        event("everything had a place")
        assert second == first


@checked
@given(clusters())
def test_every_instance_is_placed_or_reported(cluster):
    schedule = scheduling.schedule(**cluster)
    placed = collections.Counter(item.workload for item in schedule.placements)
    unplaced = {item.workload: item.count for item in schedule.unplaced}
    assert all(count > 0 for count in unplaced.values())
    for workload in cluster["workloads"]:
        assert placed[workload.key] + unplaced.get(workload.key, 0) == workload.replicas
    assert set(placed) | set(unplaced) <= {workload.key for workload in cluster["workloads"]}


@checked
@given(clusters())
def test_nothing_new_goes_where_a_hard_rule_excludes_it(cluster):
    nodes_by_name = {node.name: node for node in cluster["nodes"]}
    known = by_key(cluster["workloads"])
    for placed in scheduling.schedule(**cluster).placements:
        node, workload = nodes_by_name[placed.node], known[placed.workload]
        assert placed.hash == workload.hash
        if is_kept(placed, cluster):
            continue
        assert node.reachable
        assert workload.node_name in (None, node.name)
        assert workload.node_name or not node.unschedulable
        assert all(node.labels.get(name) == value for name, value in workload.node_selector.items())


@checked
@given(clusters())
def test_no_node_gets_more_than_it_has(cluster):
    """A resource may be overdrawn only by what stood there before; nothing new that asks for it has come."""
    schedule = scheduling.schedule(**cluster)
    known = by_key(cluster["workloads"])
    for node in cluster["nodes"]:
        here = [placed for placed in schedule.placements if placed.node == node.name]
        new = [known[placed.workload] for placed in here if not is_kept(placed, cluster)]
        everything = [known[placed.workload] for placed in here]
        for resource in ("cpu_millis", "memory_bytes"):
            room = getattr(node, resource)
            if room is not None and any(getattr(workload, resource) for workload in new):
                assert sum(getattr(workload, resource) for workload in everything) <= room
        if node.pods is not None and new:
            assert len(everything) <= node.pods


@checked
@given(clusters())
def test_no_two_instances_share_a_host_port_unless_both_stood_there_before(cluster):
    schedule = scheduling.schedule(**cluster)
    known = by_key(cluster["workloads"])
    for index, one in enumerate(schedule.placements):
        for other in schedule.placements[:index]:
            if one.node != other.node or (is_kept(one, cluster) and is_kept(other, cluster)):
                continue
            for left in known[one.workload].host_ports:
                for right in known[other.workload].host_ports:
                    addresses_meet = left.host_ip == right.host_ip or {left.host_ip, right.host_ip} & {"", "0.0.0.0"}
                    assert left.port != right.port or not addresses_meet


@checked
@given(clusters())
def test_what_runs_well_stays_exactly_where_it_is(cluster):
    schedule = scheduling.schedule(**cluster)
    known = by_key(cluster["workloads"])
    names = {node.name for node in cluster["nodes"]}
    for workload in known.values():
        well = {
            placed
            for placed in cluster["previous"]
            if placed.workload == workload.key
            and placed.hash == workload.hash
            and placed.node in names
            and bool(placed.address) != workload.host_network
        }
        kept = {placed for placed in schedule.placements if placed.workload == workload.key} & well
        assert len(kept) == min(len(well), workload.replicas)


@checked
@given(clusters(), st.integers(0, 8))
def test_scaling_down_only_removes_and_scaling_up_only_adds(cluster, replicas):
    before = scheduling.schedule(**cluster)
    for workload in cluster["workloads"]:
        if workload.kind == "Pod":
            continue
        scaled = dataclasses.replace(workload, replicas=replicas)
        others = [item for item in cluster["workloads"] if item.key != workload.key]
        after = scheduling.schedule(
            nodes=cluster["nodes"], workloads=[*others, scaled], previous=before.placements, ready=cluster["ready"]
        )
        changes = {item.workload: item for item in scheduling.difference(before.placements, after.placements)}
        for key, change in changes.items():
            assert not change.moved
            assert not change.replaced
            assert not change.removed or (key == workload.key and replicas < len(change.removed + change.unchanged))
        if workload.key in changes:
            assert not (changes[workload.key].added and changes[workload.key].removed)


@checked
@given(clusters())
def test_not_ready_instances_go_first(cluster):
    if cluster["ready"] is None:
        return
    schedule = scheduling.schedule(**cluster)
    names = {node.name for node in cluster["nodes"]}
    kept = {placed for placed in schedule.placements if is_kept(placed, cluster)}
    for workload in cluster["workloads"]:
        stood = [
            placed
            for placed in cluster["previous"]
            if placed.workload == workload.key and placed.hash == workload.hash and placed.node in names
        ]
        is_ready = {placed: (workload.namespace, placed.instance) in cluster["ready"] for placed in stood}
        if any(is_ready[placed] for placed in stood if placed not in kept):
            assert all(is_ready[placed] for placed in stood if placed in kept)


@checked
@given(clusters())
def test_names_and_addresses_are_nobody_elses(cluster):
    schedule = scheduling.schedule(**cluster)
    instances = [(placed.workload.namespace, placed.instance) for placed in schedule.placements]
    assert len(set(instances)) == len(instances)
    given_out = [placed.address for placed in schedule.placements if placed.address]
    assert len(set(given_out)) == len(given_out)
    known = by_key(cluster["workloads"])
    for placed in schedule.placements:
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", placed.instance)
        assert bool(placed.address) != known[placed.workload].host_network
        if placed.address:
            assert int(ipaddress.IPv4Address(placed.address)) in subnets.instance_range(SUBNETS[placed.node])


@checked
@given(clusters())
def test_new_instances_get_no_name_and_no_address_that_was_in_use(cluster):
    schedule = scheduling.schedule(**cluster)
    occupied = {address for node in cluster["nodes"] for address in node.occupied}
    addresses_before = {placed.address for placed in cluster["previous"] if placed.address}
    names_before = {(placed.workload.namespace, placed.instance) for placed in cluster["previous"]}
    before = {(placed.workload, placed.node, placed.address) for placed in cluster["previous"]}
    for placed in schedule.placements:
        if is_kept(placed, cluster):
            continue
        assert placed.address not in occupied
        if placed.workload.kind == "Pod":
            assert placed.instance == placed.workload.name
            same_place = (placed.workload, placed.node, placed.address) in before
            assert same_place or placed.address not in addresses_before
        else:
            assert placed.address not in addresses_before
            assert (placed.workload.namespace, placed.instance) not in names_before


@checked
@given(clusters())
def test_every_reason_is_true_and_every_node_is_counted(cluster):
    schedule = scheduling.schedule(**cluster)
    known = by_key(cluster["workloads"])
    here = collections.defaultdict(list)
    for placed in schedule.placements:
        here[placed.node].append((placed, known[placed.workload]))
    for item in schedule.unplaced:
        event("something had no place")
        if not cluster["nodes"]:
            assert item.message == filters.NO_NODES
            continue
        workload = known[item.workload]
        match = re.fullmatch(r"0/(\d+) nodes are available: (.+)\.", item.message)
        assert match, item.message
        assert int(match[1]) == len(cluster["nodes"])
        counted = {}
        for part in match[2].split(", "):
            count, reason = part.split(" ", 1)
            counted[reason] = int(count)
        true_of = {reason: 0 for reason in counted}
        for node in cluster["nodes"]:
            true_here = {reason for reason in counted if holds(reason, node, workload, here[node.name], cluster)}
            assert true_here, f"nothing that the message says is true of {node.name}: {item.message}"
            for reason in true_here:
                true_of[reason] += 1
        assert all(true_of[reason] >= count > 0 for reason, count in counted.items())
        assert sum(counted.values()) >= len(cluster["nodes"])


def holds(reason, node, workload, here, cluster):
    """Whether `reason` is true of `node`, worked out afresh from the finished schedule."""
    labels = {"kubernetes.io/hostname": node.name, **node.labels}
    used = {placed.address for placed, _ in here} | node.occupied
    used |= {placed.address for placed in cluster["previous"] if placed.node == node.name}
    free = [number for number in subnets.instance_range(node.subnet) if str(ipaddress.IPv4Address(number)) not in used]
    return {
        filters.UNSCHEDULABLE: node.unschedulable,
        filters.UNREACHABLE: not node.reachable,
        filters.NODE_NAME: workload.node_name not in (None, node.name),
        filters.SELECTOR: any(labels.get(name) != value for name, value in workload.node_selector.items()),
        filters.PODS: node.pods is not None and len(here) >= node.pods,
        filters.CPU: node.cpu_millis is not None
        and sum(item.cpu_millis for _, item in here) + workload.cpu_millis > node.cpu_millis,
        filters.MEMORY: node.memory_bytes is not None
        and sum(item.memory_bytes for _, item in here) + workload.memory_bytes > node.memory_bytes,
        filters.PORTS: any(
            mine.port == theirs.port
            and (mine.host_ip == theirs.host_ip or {mine.host_ip, theirs.host_ip} & {"", "0.0.0.0"})
            for mine in workload.host_ports
            for _, item in here
            for theirs in item.host_ports
        ),
        filters.ADDRESSES: not free,
    }[reason]


@checked
@given(nodes(), workloads(), st.data())
def test_a_changed_template_stays_on_its_nodes_and_moves_nobody_else(found, asked, data):
    roomy = [
        dataclasses.replace(
            node, reachable=True, unschedulable=False, occupied=frozenset(), subnet=f"10.70.{node.name[1:]}.0/24"
        )
        for node in found
    ]
    before = scheduling.schedule(nodes=roomy, workloads=asked)
    placed = {item.workload for item in before.placements} - {item.workload for item in before.unplaced}
    if before.unplaced or not placed:
        return
    event("compared")
    chosen = data.draw(st.sampled_from(sorted(placed)))
    changed = [dataclasses.replace(item, hash="eeee") if item.key == chosen else item for item in asked]
    after = scheduling.schedule(nodes=roomy, workloads=changed, previous=before.placements)
    assert not after.unplaced
    for changes in scheduling.difference(before.placements, after.placements):
        if changes.workload != chosen:
            assert changes.empty
        elif chosen.kind == "Pod":
            assert [was.address for was, _ in changes.replaced] == [now.address for _, now in changes.replaced] != []
        else:
            assert not changes.unchanged
            old, new = (collections.Counter(item.node for item in side) for side in (changes.removed, changes.added))
            assert old == new
