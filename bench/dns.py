"""`python -m bench.dns`: queries a second for a name with six addresses in three zones, against CoreDNS' `file` alone.

Both are the same program, started side by side on this machine; `file` has the six records in one zone. The load goes to one and
then to the other, in turns. Quote the ratio (budget: 0.9), not the numbers.
"""

from __future__ import annotations

import contextlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = "web.default.cluster.skate"
NODES = ("node-1", "node-2", "node-3")
ADDRESSES = 6
ROUNDS = 9
SECONDS = 1.0
_START_TIMEOUT = 10.0


def main() -> int:
    """Measure and print. Returns 0 when it could be measured."""
    built = subprocess.run(
        [sys.executable, str(ROOT / "packaging" / "build-coredns"), "--bench"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    coredns, load = (Path(line) for line in built.stdout.splitlines())
    with tempfile.TemporaryDirectory(prefix="skate-bench-") as scratch, _servers(coredns, load, Path(scratch)) as ports:
        gathered, plain = [], []
        for _ in range(ROUNDS):
            gathered.append(_rate(load, ports["gather"]))
            plain.append(_rate(load, ports["file"]))
    ratios = [one / other for one, other in zip(gathered, plain, strict=True)]
    for words, values in (("gather, queries/s", gathered), ("file, queries/s", plain)):
        print(f"dns: {words}: {statistics.median(values):.0f} (from {min(values):.0f} to {max(values):.0f})")
    print(f"dns: ratio: {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")
    return 0


@contextlib.contextmanager
def _servers(coredns: Path, load: Path, scratch: Path) -> Iterator[dict[str, int]]:
    """Three nodes of a cluster, and one server with `file`; gives the ports of the first node and of that one."""
    ports = dict(zip((*NODES, "file"), _free_ports(len(NODES) + 1), strict=True))
    corefiles = {node: _gathering(node, ports, scratch) for node in NODES}
    corefiles["file"] = _plain(ports["file"], scratch)
    running = []
    try:
        for name, text in corefiles.items():
            path = scratch / f"{name}.conf"
            path.write_text(text)
            running.append(subprocess.Popen([coredns, "-quiet", "-conf", path], stdout=subprocess.DEVNULL))
        for name in (NODES[0], "file"):
            _await_answers(load, ports[name])
        yield {"gather": ports[NODES[0]], "file": ports["file"]}
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(timeout=10)


def _gathering(node: str, ports: dict[str, int], scratch: Path) -> str:
    others = "\n".join(f"node {other} 127.0.0.1:{ports[other]}" for other in NODES if other != node)
    zone = scratch / f"{node}.zone"
    number = NODES.index(node) + 1
    _write_zone(zone, f"{node}.nodes.skate.", "web.default", [f"10.66.{number}.{host}" for host in (10, 11)])
    zones = f"cluster.skate:{ports[node]} nodes.skate:{ports[node]}"
    return f"{zones} {{\nbind 127.0.0.1\ngather {{\nown {node} {zone}\n{others}\n}}\n}}\n"


def _plain(port: int, scratch: Path) -> str:
    zone = scratch / "file.zone"
    _write_zone(
        zone, "cluster.skate.", "web.default", [f"10.66.{net}.{host}" for net in (1, 2, 3) for host in (10, 11)]
    )
    return f"cluster.skate:{port} {{\nbind 127.0.0.1\nfile {zone}\n}}\n"


def _write_zone(path: Path, origin: str, name: str, addresses: list[str]) -> None:
    lines = [f"$ORIGIN {origin}", "$TTL 5", f"@ IN SOA {origin} skate.nodes.skate. 1 1 1 5 1"]
    path.write_text("\n".join([*lines, *(f"{name} A {address}" for address in addresses)]) + "\n")


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in taken]


def _await_answers(load: Path, port: int) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while True:
        done = subprocess.run(_load_argv(load, port, 0.01), capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"the server on port {port} does not answer: {done.stderr.strip()}")
        time.sleep(0.05)


def _rate(load: Path, port: int) -> float:
    done = subprocess.run(_load_argv(load, port, SECONDS), capture_output=True, text=True, check=True)
    return float(done.stdout)


def _load_argv(load: Path, port: int, seconds: float) -> list[str]:
    return [str(load), f"127.0.0.1:{port}", NAME, str(ADDRESSES), str(seconds)]


if __name__ == "__main__":
    sys.exit(main())
