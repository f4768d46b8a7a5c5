"""Each case in tests/golden/names: what a node has and what a bundle says, and the zone and the Corefile that come of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from skatelet.contract import bundle, canonical
from skatelet.dns import catalogue, corefile, labels, plan, zone

CASES = sorted((Path(__file__).parent / "names").glob("*.yaml"))


def made(case: dict[str, Any]) -> tuple[zone.Zone, str]:
    identity = bundle.NodeIdentity.model_validate(case["identity"])
    instances = [
        bundle.Instance(
            name=item["name"],
            namespace=item["namespace"],
            owner=bundle.Owner(kind="Pod", name=item["name"]),
            address=item.get("address", ""),
            hash="h",
            pod={"metadata": {"labels": item.get("labels", {})}, "spec": item.get("spec", {})},
        )
        for item in case["pods"]
    ]
    files = bundle.catalogue_files(
        cluster=bundle.Cluster.model_validate(case["cluster"]),
        nodes=[bundle.Node.model_validate(item) for item in case["nodes"]],
        objects=[bundle.CatalogueObject(manifest=item) for item in case["services"]],
    )
    followed = bundle.build(
        catalogue=files,
        instances=instances,
        cluster="c",
        node=identity.node,
        generation=1,
        parent=0,
        time="",
        author="",
        tool_version="",
    )
    found = catalogue.read(followed, identity)
    ready = {item["name"] for item in case["pods"] if item.get("ready", True)}
    built = zone.build(
        node=identity.node,
        subnet=identity.subnet,
        serving=[pod for pod in found.known if pod.name in ready],
        known=found.known,
        catalogue=found.services,
    )
    peers, unknown = catalogue.addresses(found, case.get("resolved", {}))
    assert list(unknown) == case.get("unknown", [])
    assert [*built.problems, *found.problems] == case.get("problems", [])
    setup = corefile.Setup(
        node=identity.node,
        zone_file="/run/skatelet-coredns/zone",
        gateway=labels.gateway_of(identity.subnet),
        listen=case.get("listen", []),
        cidr=found.cidr,
        peers=peers,
        askers=[peer.registered for peer in found.peers if labels.is_address(peer.registered)],
        subnets=found.subnets,
        nameservers=case["nameservers"],
    )
    return built, corefile.text(setup)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_zone_and_the_corefile_are_as_the_case_says(path: Path) -> None:
    built, text = made(canonical.load(path.read_bytes()))
    assert built.text(1763800000) == path.with_suffix(".zone").read_text(encoding="utf-8")
    assert text == path.with_suffix(".corefile").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_second_pass_plans_nothing_and_a_change_of_readiness_writes_the_zone_only(path: Path) -> None:
    built, text = made(canonical.load(path.read_bytes()))
    nothing = plan.Observed(zone=None, corefile=None, running=False)
    first = plan.plan(wanted=built, corefile=text, observed=nothing, now=1763800000)
    assert [type(item) for item in first] == [plan.WriteZone, plan.WriteCorefile, plan.Start]
    there = plan.Observed(zone=built.text(1763800000), corefile=text, running=True)
    assert plan.plan(wanted=built, corefile=text, observed=there, now=1763800099) == ()
    more = zone.Zone(node=built.node, records=(*built.records, "zz.default A 10.66.1.9"))
    assert plan.plan(wanted=more, corefile=text, observed=there, now=1763800000) == (
        plan.WriteZone(text=more.text(1763800001)),
    )
    other = plan.plan(wanted=built, corefile=f"{text}\n", observed=there, now=1763800000)
    assert [type(item) for item in other] == [plan.WriteCorefile, plan.Reload]


def test_services_ports_and_pods_of_every_sort_are_among_the_cases() -> None:
    zones = "".join(path.with_suffix(".zone").read_text(encoding="utf-8") for path in CASES)
    assert all(f" {kind} " in zones for kind in ("A", "CNAME", "SRV", "PTR", "TXT"))
