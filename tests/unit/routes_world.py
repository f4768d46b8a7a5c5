"""A kernel in memory, as far as routes go: it speaks as `ip`, `bridge` and `nft` do, and refuses what the real one refuses."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skatelet import reconciler
from skatelet.contract import bundle
from skatelet.paths import Paths
from skatelet.routes import plan
from skatelet.routes.reconcile import Routes
from skatelet.system import command

Words = tuple[str, ...]
OURS = str(plan.PROTOCOL)


@dataclass
class FakeKernel:
    """Stands for skatelet.system.iproute.Kernel."""

    links: dict[str, dict[str, Any]] = field(default_factory=lambda: {"host0": {"addresses": ["192.0.2.11/24"]}})
    """By name: addresses with prefix length, mtu."""
    foreign: list[dict[str, Any]] = field(default_factory=list)
    """Routes as `ip -j` shows them, beside those that come of the addresses."""
    ours: dict[tuple[str, str, int], dict[str, Any]] = field(default_factory=dict)
    """By table, destination and metric."""
    device: dict[str, Any] | None = None
    neighbours: dict[str, str] = field(default_factory=dict)
    entries: dict[str, str] = field(default_factory=dict)
    rules: list[tuple[str, str]] | None = None
    forwarding_: str = "0\n"
    done: list[str] = field(default_factory=list)
    """Everything that changed it, as words."""
    broken: set[str] = field(default_factory=set)
    """Programs that fail."""

    def look(self, lines: Sequence[Words]) -> str:
        self._check("ip")
        tables = {
            ("addr", "show"): self._addresses(),
            ("link", "show", "type", "vxlan"): [self.device] if self.device else [],
            ("route", "show", "table", "all"): [*self.foreign_routes(), *self.ours.values()],
            ("neigh", "show", "nud", "permanent"): [
                {"dst": address, "dev": plan.DEVICE, "lladdr": mac, "state": ["PERMANENT"]}
                for address, mac in self.neighbours.items()
            ],
        }
        return "".join(f"{json.dumps(tables[line])}\n" for line in lines)

    def forwards(self, device: str) -> str:
        assert device == plan.DEVICE
        assert self.device is not None
        return json.dumps([{"mac": mac, "dst": peer, "state": "permanent"} for mac, peer in self.entries.items()])

    def table(self, family: str, name: str) -> str:
        assert (family, name) == ("ip", "skate")
        self._check("nft")
        if self.rules is None:
            return ""
        chain = {"name": "source", "type": "nat", "hook": "postrouting", "prio": 99, "policy": "accept"}
        rules = [{"rule": {"chain": "source", "expr": _expressions(*pair)}} for pair in self.rules]
        return json.dumps({"nftables": [{"metainfo": {}}, {"table": {"name": "skate"}}, {"chain": chain}, *rules]})

    def forwarding(self) -> str:
        return self.forwarding_

    def forward(self) -> None:
        self.forwarding_ = "1\n"
        self.done.append("forward")

    def load(self, table: str) -> None:
        self._check("nft")
        self.rules = re.findall(r"ip saddr (\S+) ip daddr (\S+) snat to ip saddr", table)
        self.done.append("load")

    def ip(self, lines: Sequence[Words]) -> Mapping[Words, str]:
        return self._batch(lines)

    def bridge(self, lines: Sequence[Words]) -> Mapping[Words, str]:
        return self._batch(lines)

    def foreign_routes(self) -> list[dict[str, Any]]:
        direct = [
            {"dst": str(ipaddress.IPv4Interface(address).network), "dev": name, "table": "254", "protocol": "2"}
            for name, link in self.links.items()
            for address in link["addresses"]
        ]
        return [*direct, *({"table": "254", "protocol": "4", **route} for route in self.foreign)]

    def _batch(self, lines: Sequence[Words]) -> Mapping[Words, str]:
        refused = {}
        for line in lines:
            said = self._do(list(line))
            self.done.append(" ".join(line))
            if said:
                refused[line] = said
        return refused

    def _do(self, words: list[str]) -> str:
        match words:
            case ["route", "replace", "local", target, "dev", "lo", "table", "local", "metric", metric, "proto", proto]:
                assert proto == OURS
                destination = target.removesuffix("/32")
                route = {"type": "2", "dst": destination, "dev": "lo", "table": "255", "protocol": proto}
                self.ours["255", destination, int(metric)] = {**route, "metric": int(metric)}
            case ["route", "del", "local", target, "dev", "lo", "table", "local", "metric", metric, "proto", proto]:
                assert proto == OURS
                del self.ours["255", target.removesuffix("/32"), int(metric)]
            case ["route", "replace", subnet, "via", via, *rest]:
                return self._replace(subnet, via, rest)
            case ["route", "del", subnet, "proto", proto, "metric", metric]:
                assert proto == OURS
                del self.ours["254", subnet, int(metric)]
            case ["link", "add", name, "address", mac, "mtu", mtu, "type", "vxlan", "id", vni, "dstport", port, *rest]:
                assert name == plan.DEVICE
                assert self.device is None
                assert rest[0] == "nolearning"
                data = {"id": int(vni), "port": int(port), "learning": False}
                data |= {"local": rest[2]} if rest[1:2] == ["local"] else {}
                self.device = {"ifname": name, "address": mac, "mtu": int(mtu), "flags": []}
                self.device["linkinfo"] = {"info_kind": "vxlan", "info_data": data}
            case ["link", "set", "dev", plan.DEVICE, "address", mac, "mtu", mtu, "up"]:
                assert self.device is not None
                self.device |= {"address": mac, "mtu": int(mtu), "flags": ["UP"]}
            case ["link", "del", plan.DEVICE]:
                assert self.device is not None
                self.device = None
                self.neighbours, self.entries = {}, {}
                self.ours = {key: route for key, route in self.ours.items() if route["dev"] != plan.DEVICE}
            case ["neigh", "replace", address, "lladdr", mac, "dev", plan.DEVICE, "nud", "permanent"]:
                self.neighbours[address] = mac
            case ["neigh", "del", address, "dev", plan.DEVICE]:
                del self.neighbours[address]
            case ["fdb", "replace", mac, "dev", plan.DEVICE, "dst", peer, "self", "permanent"]:
                self.entries[mac] = peer
            case ["fdb", "del", mac, "dev", plan.DEVICE, "dst", peer, "self"]:
                assert self.entries.pop(mac) == peer
            case _:
                raise AssertionError(words)
        return ""

    def _replace(self, subnet: str, via: str, rest: list[str]) -> str:
        options = dict(zip(rest[::2], rest[1::2], strict=True)) if "onlink" not in rest else None
        if options is None:
            assert rest[:3] == ["dev", plan.DEVICE, "onlink"]
            assert rest[3] == "src"
            assert self.device is not None
            options = {"dev": plan.DEVICE, "src": rest[4], "proto": rest[6]}
            assert self.device["flags"] == ["UP"]
        elif not self._reaches(via):
            return "Nexthop has invalid gateway."
        assert options["proto"] == OURS
        # The kernel replaces whatever has the same destination and metric: nothing of another's may be there.
        assert not [route for route in self.foreign_routes() if route["dst"] == subnet and not route.get("metric")]
        route = {"dst": subnet, "gateway": via, "dev": options.get("dev", "host0"), "table": "254", "protocol": OURS}
        self.ours["254", subnet, 0] = route | ({"prefsrc": options["src"]} if "src" in options else {})
        return ""

    def _reaches(self, via: str) -> bool:
        known = [route for route in self.foreign_routes() if route["dst"] != "default" and not route.get("gateway")]
        return any(ipaddress.IPv4Address(via) in ipaddress.IPv4Network(route["dst"]) for route in known)

    def _addresses(self) -> list[dict[str, Any]]:
        found = []
        for name, link in self.links.items():
            interfaces = [ipaddress.IPv4Interface(address) for address in link["addresses"]]
            info = [{"local": str(item.ip), "prefixlen": item.network.prefixlen} for item in interfaces]
            found.append({"ifname": name, "mtu": link.get("mtu", 1500), "addr_info": info})
        return found

    def _check(self, program: str) -> None:
        if program in self.broken:
            raise command.CommandError([program], -1, "", "No such file or directory")


def _expressions(source: str, destination: str) -> list[dict[str, Any]]:
    def match(name: str, network: str) -> dict[str, Any]:
        address, _, length = network.partition("/")
        left = {"payload": {"protocol": "ip", "field": name}}
        return {"match": {"op": "==", "left": left, "right": {"prefix": {"addr": address, "len": int(length)}}}}

    snat = {"snat": {"addr": {"payload": {"protocol": "ip", "field": "saddr"}}}}
    return [match("saddr", source), match("daddr", destination), snat]


@dataclass
class World:
    """One node, its kernel, and what the catalogue says of the cluster."""

    root: Path
    kernel: FakeKernel = field(default_factory=FakeKernel)
    nodes: dict[str, tuple[str, str]] = field(
        default_factory=lambda: {
            "a": ("10.66.1.0/24", "192.0.2.11"),
            "b": ("10.66.2.0/24", "192.0.2.12"),
            "c": ("10.66.3.0/24", "192.0.2.13"),
        }
    )
    """Subnet and peer host of each; `a` is the one that is looked at."""
    network: str = "routes"
    names: dict[str, str] = field(default_factory=dict)
    """What the resolver says."""
    notes: dict[str, str] = field(default_factory=dict)
    woken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.routes = self.restarted()
        self._versions = 0

    def restarted(self) -> Routes:
        self.routes = Routes(
            Paths(root=self.root),
            wake=lambda: self.woken.append("woken"),
            kernel=self.kernel,  # type: ignore[arg-type]
            lookup=lambda name: self.names.get(name, ""),
        )
        return self.routes

    def run(self) -> reconciler.Outcome:
        """One pass."""
        cluster = bundle.Cluster(name="home", cidr="10.66.0.0/16", network=self.network)  # type: ignore[arg-type]
        nodes = [bundle.Node(name=name, subnet=subnet, peer_host=host) for name, (subnet, host) in self.nodes.items()]
        files = bundle.catalogue_files(cluster=cluster, nodes=nodes, objects=[])
        index = bundle.BundleIndex(
            format_version=1, cluster="home", node="a", generation=1, parent=0, time="", tool_version="", files={}
        )
        self._versions += 1
        subnet, host = self.nodes["a"]
        return self.routes.reconcile(
            reconciler.World(
                identity=bundle.NodeIdentity(cluster="home", node="a", subnet=subnet, peer_host=host),
                followed=bundle.Bundle(index=index, files=files),
                version=str(self._versions),
                serving=(),
                now=1000.0,
                notes=self.notes,
            )
        )

    def did(self) -> list[str]:
        """What was done to the kernel since the last call."""
        done, self.kernel.done = self.kernel.done, []
        return done

    def file(self, name: str) -> str:
        return (self.root / "var/lib/skatelet/routes" / name).read_text()

    def routed(self) -> dict[str, str]:
        """Our routes: destination to next hop."""
        return {key[1]: route["gateway"] for key, route in self.kernel.ours.items() if key[0] == "254"}
