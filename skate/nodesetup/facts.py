"""What a host is and has, read in one batch of commands that run side by side; and whether it can be a node.

`observe` only reads. `problems` and `warnings` are pure, and see everything at once: nobody should have to mend a host in ten
rounds.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from skate.nodesetup import hosts, package
from skatelet.contract import bundle, canonical, drop, sealed

SUPPORTED = {"debian": ("12", "13"), "ubuntu": ("24.04",)}
ARCHITECTURES = ("amd64", "arm64")
UNITS = ("skatelet.path", "skatelet.timer")
OLDEST_PODMAN = (4, 3)
OLDEST_PYTHON = (3, 11)
NEEDED_BYTES = 512 * 1024 * 1024
"""Free space under /var for podman, its dependencies and skatelet; images come on top."""
_PORTS = {53: "DNS", 80: "ingress", 443: "ingress"}
_OWN_PROCESSES = ("coredns", "nginx")

Networks = tuple[tuple[ipaddress.IPv4Network, str], ...]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One look at a host. What could not be read is empty."""

    os_id: str = ""
    os_version: str = ""
    os_name: str = ""
    architecture: str = ""
    init: str = ""
    """The name of process 1."""
    root: bool = False
    """Commands can be run as root without a password."""
    root_refusal: str = ""
    podman: str = ""
    python: str = ""
    free_bytes: int | None = None
    networks: Networks | None = None
    """Each network the host has an address in or a route to, with the interface; without the default route."""
    listeners: tuple[tuple[int, str], ...] = ()
    """Ports that are listened on at other addresses than loopback, with the process."""
    package_state: str = ""
    """dpkg's word, `installed` when all is well; empty when skatelet was never here."""
    package_version: str = ""
    package_inputs: str = ""
    """The digest of what the installed package was built from."""
    coredns_state: str = ""
    """The same three of the package of CoreDNS."""
    coredns_version: str = ""
    coredns_inputs: str = ""
    nginx: bool = False
    """There is an nginx to be started."""
    nginx_unit: str = ""
    """systemd's word for the host's own nginx: `enabled`, `disabled`, `masked-runtime`; empty when it has none."""
    nginx_running: bool = False
    """The host's own nginx runs."""
    dpkg_broken: bool = False
    identity: bundle.NodeIdentity | None = None
    identity_unreadable: bool = False
    authorized_keys: bytes = b""
    seal_key: bytes = field(default=b"", repr=False)
    seal_key_open: bool = False
    """Others than root may read or write the seal key's file."""
    units_active: bool = False


async def observe(host: hosts.Host) -> Facts:
    """Read the host. Raises NodeError only when the connection fails; a command that fails leaves its fact empty."""

    def run(*argv: str, root: bool = False) -> asyncio.Task[hosts.Result]:
        return group.create_task(host.run(argv, root=root, check=False))

    try:
        async with asyncio.TaskGroup() as group:
            release = run("cat", "/etc/os-release")
            init = run("cat", "/proc/1/comm")
            root = run("id", "-u", root=True)
            architecture = run("dpkg", "--print-architecture")
            skatelet = run("dpkg-query", "-W", f"-f={_QUERY}", package.NAME)
            coredns = run("dpkg-query", "-W", f"-f={_QUERY}", package.COREDNS)
            nginx = run("test", "-x", "/usr/sbin/nginx")
            nginx_unit = run("systemctl", "show", "--property=UnitFileState,ActiveState", package.NGINX_UNIT)
            audit = run("dpkg", "--audit")
            podman = run("podman", "--version")
            python = run("/usr/bin/python3", "--version")
            free = run("df", "-B1", "--output=avail", "/var/lib", "/var/cache")
            addresses = run("ip", "-j", "-4", "addr")
            routes = run("ip", "-j", "-4", "route")
            listeners = run("ss", "-Hltunp", root=True)
            identity = run("cat", drop.NODE_CONFIG, root=True)
            keys = run("cat", drop.AUTHORIZED_KEYS, root=True)
            seal_key = run("cat", sealed.KEY_FILE, root=True)
            seal_mode = run("stat", "-c", "%a %u", sealed.KEY_FILE, root=True)
            active = run("systemctl", "is-active", *UNITS)
            enabled = run("systemctl", "is-enabled", *UNITS)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    system = parse_os_release(_text(release))
    state, version, inputs = parse_package(_text(skatelet))
    coredns_state, coredns_version, coredns_inputs = parse_package(_text(coredns))
    unit = dict(line.split("=", 1) for line in _text(nginx_unit).splitlines() if "=" in line)
    known, unreadable = parse_identity(_bytes(identity))
    return Facts(
        os_id=system.get("ID", ""),
        os_version=system.get("VERSION_ID", ""),
        os_name=system.get("PRETTY_NAME", ""),
        architecture=_text(architecture).strip(),
        init=_text(init).strip(),
        root=_text(root).strip() == "0",
        root_refusal=root.result().stderr.decode(errors="replace").strip(),
        podman=_last_word(_text(podman)),
        python=_last_word(_text(python)),
        free_bytes=parse_free(_text(free)),
        networks=parse_networks(_text(addresses), _text(routes)),
        listeners=parse_listeners(_text(listeners)),
        package_state=state,
        package_version=version,
        package_inputs=inputs,
        coredns_state=coredns_state,
        coredns_version=coredns_version,
        coredns_inputs=coredns_inputs,
        nginx=nginx.result().code == 0,
        nginx_unit=unit.get("UnitFileState", ""),
        nginx_running=unit.get("ActiveState") == "active",
        dpkg_broken=bool(_text(audit).strip()),
        identity=known,
        identity_unreadable=unreadable,
        authorized_keys=_bytes(keys),
        seal_key=_bytes(seal_key),
        seal_key_open=_text(seal_mode).split() not in ([], ["600", "0"]),
        units_active=_text(active).split() == ["active"] * len(UNITS)
        and _text(enabled).split() == ["enabled"] * len(UNITS),
    )


def problems(facts: Facts) -> list[str]:
    """Why the host cannot be a node, one sentence each; empty when it can."""
    found = []
    if facts.os_version not in SUPPORTED.get(facts.os_id, ()):
        found.append(f"its system is {facts.os_name or 'unknown'}; supported are Ubuntu 24.04, Debian 12 and Debian 13")
    if facts.os_id in SUPPORTED and facts.architecture not in ARCHITECTURES:
        found.append(
            f"its architecture is {facts.architecture or 'unknown'}; supported are {' and '.join(ARCHITECTURES)}"
        )
    if facts.init != "systemd":
        found.append(f"its process 1 is {facts.init or 'unknown'}; skate needs systemd")
    if not facts.root:
        refusal = f" ({facts.root_refusal.splitlines()[-1]})" if facts.root_refusal else ""
        found.append(
            f"commands cannot be run as root{refusal}: use root, or an account with sudo that asks for no password"
        )
    if facts.podman and version_of(facts.podman) < OLDEST_PODMAN:
        found.append(f"its podman is {facts.podman}; skate needs 4.3 or later")
    if facts.python and version_of(facts.python) < OLDEST_PYTHON:
        found.append(f"its /usr/bin/python3 is {facts.python}; skate needs 3.11 or later")
    if facts.package_state != "installed" and facts.free_bytes is not None and facts.free_bytes < NEEDED_BYTES:
        found.append(f"/var has {facts.free_bytes >> 20} MB free; {NEEDED_BYTES >> 20} MB are needed")
    if facts.networks is None:
        found.append("its networks cannot be read: `ip -j addr` fails; install iproute2")
    if facts.identity_unreadable:
        found.append(f"its {drop.NODE_CONFIG} cannot be read: mend it, or `apt-get purge skatelet` there")
    return found


def warnings(facts: Facts) -> list[str]:
    """What will be in the way later."""
    found = [
        f"port {port} is in use by {process or 'another process'}; {_PORTS[port]} will need it"
        for port, process in facts.listeners
        if port in _PORTS and process not in _OWN_PROCESSES
    ]
    if facts.nginx_running:
        found.append(
            "the host's own nginx runs, and is left alone: the cluster's ingress needs the ports 80 and 443; "
            "once they are not needed otherwise, `systemctl disable --now nginx` there"
        )
    return found


_QUERY = r"${db:Status-Status}\t${Version}\t${Skatelet-Inputs}\n"


def parse_os_release(text: str) -> dict[str, str]:
    """https://www.freedesktop.org/software/systemd/man/latest/os-release.html"""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}


def parse_package(text: str) -> tuple[str, str, str]:
    fields = (text.splitlines() or [""])[0].split("\t")
    state, version, inputs = [*fields, "", "", ""][:3]
    return ("", "", "") if state in ("", "not-installed") else (state, version, inputs)


def parse_identity(data: bytes) -> tuple[bundle.NodeIdentity | None, bool]:
    """The identity, and whether there is one that cannot be read."""
    if not data.strip():
        return None, False
    try:
        return bundle.NodeIdentity.model_validate(canonical.load(data)), False
    except (canonical.CanonicalError, ValidationError):
        return None, True


def parse_free(text: str) -> int | None:
    numbers = [int(line) for line in text.split() if line.isdigit()]
    return min(numbers, default=None)


def parse_networks(addresses: str, routes: str) -> Networks | None:
    """The networks of `ip -j -4 addr` and `ip -j -4 route`; None when either cannot be read."""
    found: dict[ipaddress.IPv4Network, str] = {}
    try:
        for link in json.loads(addresses):
            for item in link.get("addr_info", []):
                if "local" in item:
                    network = ipaddress.IPv4Network(f"{item['local']}/{item['prefixlen']}", strict=False)
                    found.setdefault(network, link["ifname"])
        for route in json.loads(routes or "[]"):
            if route.get("dst", "default") != "default":
                found.setdefault(ipaddress.IPv4Network(route["dst"]), route.get("dev", route.get("type", "route")))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return tuple(sorted(found.items()))


def parse_listeners(text: str) -> tuple[tuple[int, str], ...]:
    """Lines of `ss -Hltunp`: netid, state, queues, local address:port, peer, users:(("name",pid=…))."""
    found = set()
    for line in text.splitlines():
        fields = line.split(None, 6)
        if len(fields) < 6:
            continue
        address, _, port = fields[4].rpartition(":")
        process = re.search(r'\(\("([^"]+)"', fields[6]) if len(fields) > 6 else None
        if port.isdigit() and not _is_loopback(address):
            found.add((int(port), process[1] if process else ""))
    return tuple(sorted(found))


def version_of(text: str) -> tuple[int, ...]:
    """The leading numbers: `4.9.3-rc1` is (4, 9, 3)."""
    match = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def _is_loopback(address: str) -> bool:
    bare = address.strip("[]").partition("%")[0]
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def _last_word(text: str) -> str:
    words: Sequence[str] = text.split()
    return words[-1] if words else ""


def _bytes(task: asyncio.Task[hosts.Result]) -> bytes:
    return task.result().stdout if task.result().code == 0 else b""


def _text(task: asyncio.Task[hosts.Result]) -> str:
    return _bytes(task).decode(errors="replace")
