"""Each file in tests/golden/ingress is one case: Ingresses, Services and pods, and what nginx is told, from the upstreams on.

What stands before them is the same for all, and nginx itself is asked on nodes (tests/fleet/test_ingress_nginx.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from skatelet import services
from skatelet.contract import bundle, canonical
from skatelet.ingress import configuration, model, rules
from tests.fleet import ingress_world

CASES = sorted((Path(__file__).parent / "ingress").glob("*.yaml"))


def service(name: str, target: int | str) -> services.Service:
    if isinstance(target, str) and "." in target:
        return services.Service(namespace="default", name=name, external_name=target)
    return ingress_world.service(name, target=target)


def pods(name: str, addresses: list[str]) -> list[services.Pod]:
    return [
        services.Pod(
            namespace="default",
            name=f"{name}-{number}",
            node="node-1",
            address=address,
            labels={"app": name},
            ports=(services.Port(name="http", number=9000),),
        )
        for number, address in enumerate(addresses)
    ]


def ingress(data: dict[str, Any]) -> bundle.CatalogueObject:
    listed = [
        ingress_world.rule(item["host"], *[(*reversed(key.split(" ", 1)), to) for key, to in item["paths"].items()])
        for item in data["rules"]
    ]
    more = {"ingressClassName": data["class"]} if "class" in data else {}
    return ingress_world.ingress(
        data["name"], *listed, annotations=data.get("annotations"), tls=data.get("tls", []), **more
    )


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_nginx_is_told_what_the_case_says(path: Path) -> None:
    case = canonical.load(path.read_bytes())
    served = rules.model_of(
        rules.in_order([ingress(item) for item in case["ingresses"]]),
        services=[service(name, target) for name, target in case["services"].items()],
        pods=[pod for name, addresses in case["pods"].items() for pod in pods(name, addresses)],
        certificates={
            ("default", name): model.Pair(chain="", key="", digest=digest)
            for name, digest in case.get("certificates", {}).items()
        },
        thumbprints=case.get("thumbprints", {}),
        secrets={
            ("default", name): {key: value.encode() for key, value in content.items()}
            for name, content in case.get("secrets", {}).items()
        },
    )
    text = configuration.render(served, version=(1, 26, 3), account="nobody", resolver="10.66.1.1", ipv6=False)
    start = text.index("    upstream ") if "    upstream " in text else text.index("    server {")
    assert text[start:] == case["nginx"]
    problems: dict[str, list[str]] = {}
    for item in served.problems:
        problems.setdefault(item.object, []).append(f"{item.reason}: {item.message}")
    assert problems == case["problems"]
