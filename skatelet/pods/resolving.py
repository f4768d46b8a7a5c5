"""What a pod's /etc/resolv.conf says: dnsPolicy and dnsConfig as Kubernetes means them. Pure but for `resolving`.

https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/

podman (4.3 and 5.4) takes `dnsConfig` just as it stands and knows no `dnsPolicy`; without nameservers it writes those of the
host, or 8.8.8.8 where the host has none that a pod could reach. With hostNetwork it takes neither, and gives the host's own
file: so where such a pod is to have another, it is mounted.

A pod keeps what it was played with: nothing here goes into its hash, so a change of the host's resolver restarts nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skatelet.contract import bundle
from skatelet.dns import labels, resolv, unit
from skatelet.paths import Paths

FILE = "/etc/resolv.conf"
VOLUME = "skate-resolv-conf"
NDOTS = "ndots:5"
"""So many dots that `web.shop.svc` is searched for before it is asked as it stands; Kubernetes' own choice."""
MAX_SEARCHES = 32
MAX_SEARCH_TEXT = 2048


@dataclass(frozen=True, kw_only=True)
class Resolving:
    """How names are resolved on this node."""

    gateway: str = ""
    """Where the cluster's names are answered; empty where nothing answers them."""
    host: resolv.Conf = field(default_factory=resolv.Conf)
    """What programs on the host use."""
    upstream: resolv.Conf = field(default_factory=resolv.Conf)
    """The same without a stub, or anything else, that only the host itself can ask."""
    directory: Path | None = None
    """Where files that are mounted into pods are kept."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Of one pod."""

    conf: resolv.Conf
    file: Path | None = None
    """Set where podman does not write it: the file to make, and to mount."""

    def text(self) -> str:
        """As resolv.conf."""
        lines = [f"nameserver {item}" for item in self.conf.nameservers]
        lines += [f"search {' '.join(self.conf.searches)}"] if self.conf.searches else []
        lines += [f"options {' '.join(self.conf.options)}"] if self.conf.options else []
        return "\n".join([*lines, ""])

    def dns_config(self) -> dict[str, Any]:
        """As `dnsConfig`."""
        found: dict[str, Any] = {"nameservers": list(self.conf.nameservers)}
        if self.conf.searches:
            found["searches"] = list(self.conf.searches)
        if self.conf.options:
            found["options"] = [_option(item) for item in self.conf.options]
        return found


def resolving(identity: bundle.NodeIdentity, paths: Paths) -> Resolving:
    """How it is on this node, now. Reads two small files."""
    gateway = labels.gateway_of(identity.subnet)
    found = resolv.upstream(paths, own=[gateway])
    servers = [item for item in found.nameservers if not ipaddress.ip_address(item).is_loopback]
    return Resolving(
        gateway=gateway if unit.installed(paths) else "",
        host=resolv.host(paths),
        upstream=resolv.Conf(nameservers=tuple(servers), searches=found.searches, options=found.options),
        directory=paths.resolv,
    )


def settings(spec: Mapping[str, Any], *, pod_name: str, namespace: str, node: Resolving) -> Settings | None:
    """What the pod of this spec is to have; None where what podman does by itself is right."""
    wishes: Mapping[str, Any] = spec.get("dnsConfig") or {}
    policy = str(spec.get("dnsPolicy") or "ClusterFirst")
    on_host = bool(spec.get("hostNetwork"))
    if on_host and policy == "ClusterFirst":
        policy = "Default"
    if policy == "Default" and on_host:
        conf = node.host if wishes else None
    elif policy == "None":
        conf = resolv.Conf()
    elif policy == "Default" or not node.gateway:
        conf = _default(node)
    else:
        conf = _cluster(node, namespace)
    if conf is None:
        return None
    conf = _limited(_merged(conf, wishes))
    if not conf.nameservers:
        return None
    file = node.directory / pod_name if on_host and node.directory is not None else None
    return None if on_host and file is None else Settings(conf=conf, file=file)


def _cluster(node: Resolving, namespace: str) -> resolv.Conf:
    zone = labels.CLUSTER.rstrip(".")
    searches = (f"{namespace}.{zone}", zone, *node.upstream.searches)
    return resolv.Conf(nameservers=(node.gateway,), searches=_once(searches), options=(NDOTS,))


def _default(node: Resolving) -> resolv.Conf:
    """The host's resolver; by way of the gateway where only the host can ask it."""
    if node.upstream.nameservers or not node.gateway:
        return node.upstream
    return resolv.Conf(nameservers=(node.gateway,), searches=node.upstream.searches)


def _merged(base: resolv.Conf, wishes: Mapping[str, Any]) -> resolv.Conf:
    """As kubelet's appendDNSConfig: what is wished comes after what is there, and an option's value replaces another."""
    options = {item.partition(":")[0]: item for item in base.options}
    for option in wishes.get("options") or []:
        name, value = str(option["name"]), option.get("value")
        options[name] = name if value is None or value == "" else f"{name}:{value}"
    return resolv.Conf(
        nameservers=_once([*base.nameservers, *map(str, wishes.get("nameservers") or [])]),
        searches=_once([*base.searches, *map(str, wishes.get("searches") or [])]),
        options=tuple(options.values()),
    )


def _limited(conf: resolv.Conf) -> resolv.Conf:
    """As many as resolvers take, and as kubelet lets through."""
    searches: list[str] = []
    for item in conf.searches[:MAX_SEARCHES]:
        if len(" ".join([*searches, item])) > MAX_SEARCH_TEXT:
            break
        searches.append(item)
    return resolv.Conf(
        nameservers=conf.nameservers[: resolv.MAX_NAMESERVERS],
        searches=tuple(searches),
        # White space would begin another line or option in the file that is mounted.
        options=tuple(item for item in conf.options if item.isascii() and item.isprintable() and " " not in item),
    )


def mount(spec: dict[str, Any], path: Path) -> None:
    """Mount the file at `path` as /etc/resolv.conf of every container that mounts nothing there itself."""
    spec["volumes"] = [*(spec.get("volumes") or []), {"name": VOLUME, "hostPath": {"path": str(path), "type": "File"}}]
    for container in spec.get("containers") or []:
        mounts: Sequence[Mapping[str, Any]] = container.get("volumeMounts") or []
        if not any(item.get("mountPath") == FILE for item in mounts):
            container["volumeMounts"] = [*mounts, {"name": VOLUME, "mountPath": FILE, "readOnly": True}]


def _option(text: str) -> dict[str, str]:
    name, _, value = text.partition(":")
    return {"name": name, "value": value} if value else {"name": name}


def _once(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))
