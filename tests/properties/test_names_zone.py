"""The zone of a node, for whatever a bundle holds: readable, canonical, and nobody's text but names."""

from __future__ import annotations

import random
import re

from hypothesis import given
from hypothesis import strategies as st

from skatelet import services
from skatelet.dns import labels, zone

HOSTILE = st.sampled_from(
    [
        "web\n@ IN NS evil.",
        "a b",
        "$INCLUDE",
        'x"',
        "a;b",
        "UPPER",
        "",
        ".",
        "a..b",
        "-a",
        "a" * 64,
        "ä",
        "a\\",
        "(",
        "web.",
        "*",
        "_a",
        ".".join(["a" * 60] * 4),
    ]
)
NAME = st.sampled_from(["web", "db", "svc", "pod", "arpa", "in-addr", "a1"]) | HOSTILE
LABELS = st.dictionaries(st.sampled_from(["app", "name", "tier"]), NAME, max_size=2)
ADDRESS = st.sampled_from(["10.66.1.7", "10.66.1.8", "192.0.2.1", "", "::1", "10.66.1.7\n@ A 1.2.3.4", "010.66.1.7"])
PORT_NAME = st.sampled_from(["", "http", "grpc"]) | HOSTILE
POD = st.builds(
    services.Pod,
    namespace=NAME,
    name=NAME,
    node=st.just("node-1"),
    address=ADDRESS,
    labels=LABELS,
    ports=st.lists(
        st.builds(
            services.Port, name=PORT_NAME, number=st.integers(-1, 70000), protocol=st.sampled_from(["TCP", "x y"])
        ),
        max_size=2,
    ).map(tuple),
)
SERVICE = st.builds(
    services.Service,
    namespace=NAME,
    name=NAME,
    selector=LABELS,
    external_name=st.just("") | st.just("mail.example.org") | NAME,
    ports=st.lists(
        st.builds(
            services.ServicePort,
            name=PORT_NAME,
            port=st.integers(1, 65535),
            target=st.integers(-1, 70000) | PORT_NAME,
            protocol=st.sampled_from(["TCP", "UDP", "x y"]),
        ),
        max_size=2,
    ).map(tuple),
)
PODS, SERVICES = st.lists(POD, max_size=4), st.lists(SERVICE, max_size=4)
ABSOLUTE = r"(?:[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?\.)+"
DATA = {
    "A": re.compile(r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}"),
    "CNAME": re.compile(ABSOLUTE),
    "PTR": re.compile(ABSOLUTE),
    "SRV": re.compile(rf"0 100 [0-9]{{1,5}} {ABSOLUTE}"),
    "TXT": re.compile('"skate"'),
}
OWNER = re.compile(r"_?[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?(?:\._?[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)*")


def built(serving: list[services.Pod], known: list[services.Pod], catalogue: list[services.Service]) -> zone.Zone:
    return zone.build(node="node-1", subnet="10.66.1.0/24", serving=serving, known=known, catalogue=catalogue)


def parsed(text: str) -> dict[str, list[tuple[str, str]]]:
    """Every name's records; fails on a line that is none."""
    head, records = text.split("\n")[:4], text.split("\n")[4:]
    assert head[0] == "$ORIGIN node-1.nodes.skate."
    assert re.fullmatch(r"@ IN SOA node-1\.nodes\.skate\. skate\.nodes\.skate\. [0-9]+ 1 1 5 1", head[2])
    assert records.pop() == ""
    found: dict[str, list[tuple[str, str]]] = {}
    for line in records:
        name, kind, data = line.split(" ", 2)
        assert OWNER.fullmatch(name), line
        assert len(f"{name}.node-1.nodes.skate") <= labels.MAX_NAME
        assert DATA[kind].fullmatch(data), line
        found.setdefault(name, []).append((kind, data))
    return found


@given(PODS, PODS, SERVICES)
def test_whatever_the_bundle_holds_the_zone_is_readable(
    serving: list[services.Pod], known: list[services.Pod], catalogue: list[services.Service]
) -> None:
    parsed(built(serving, known, catalogue).text(7))


@given(PODS, PODS, SERVICES)
def test_a_cname_and_a_marker_stand_alone(
    serving: list[services.Pod], known: list[services.Pod], catalogue: list[services.Service]
) -> None:
    for name, records in parsed(built(serving, known, catalogue).text(7)).items():
        kinds = {kind for kind, _ in records}
        assert len(records) == 1 or not kinds & {"CNAME", "TXT"}, name
        assert len(set(records)) == len(records)


@given(PODS, PODS, SERVICES, st.randoms(use_true_random=False))
def test_the_same_in_another_order_is_the_same_zone(
    serving: list[services.Pod], known: list[services.Pod], catalogue: list[services.Service], chance: random.Random
) -> None:
    before = built(serving, known, catalogue)
    for items in (serving, known, catalogue):
        chance.shuffle(items)
    assert built(serving, known, catalogue) == before


@given(PODS, PODS, SERVICES)
def test_every_target_in_the_cluster_is_a_name_of_the_zone(
    serving: list[services.Pod], known: list[services.Pod], catalogue: list[services.Service]
) -> None:
    found = parsed(built(serving, known, catalogue).text(7))
    for records in found.values():
        for kind, data in records:
            if kind in ("SRV", "PTR"):
                target = data.rpartition(" ")[2].removesuffix(f".{labels.CLUSTER}")
                assert "A" in {each for each, _ in found[target]}


@given(PODS, PODS, SERVICES)
def test_readiness_changes_what_stands_at_names_and_never_which_there_are(
    serving: list[services.Pod], known: list[services.Pod], catalogue: list[services.Service]
) -> None:
    ready = parsed(built(serving, [*known, *serving], catalogue).text(7))
    none = parsed(built([], [*known, *serving], catalogue).text(7))
    assert {name for name in ready if not name.endswith(".in-addr.arpa")} == set(none)


@given(PODS, SERVICES, st.integers(0, 2**32 - 1), st.floats(0, 2**33))
def test_a_zone_is_written_again_only_when_it_differs_and_then_with_another_serial(
    serving: list[services.Pod], catalogue: list[services.Service], old: int, now: float
) -> None:
    wanted = built(serving, [], catalogue)
    assert zone.successor(wanted.text(old), wanted, now=now) is None
    other = zone.Zone(node="node-1", records=(*wanted.records, "zz.default A 10.66.1.9"))
    changed = zone.successor(wanted.text(old), other, now=now)
    assert changed is not None
    assert changed != other.text(old)
    assert zone.successor(changed, other, now=now) is None
