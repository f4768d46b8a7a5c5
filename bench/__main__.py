"""`make bench`: the budgets, measured on a sandbox of three real nodes, side by side in one run. Quote the ratios.

idle            processes of skate's on a node with nothing to do (budget: none)
wake            from the rename in the inbox to the bundle accepted, and to the container made (budget: 0.3 s to act)
get             `skate get pods` over three nodes, against `ssh node true` (budget: a ratio of 1)
nothing to do   a pass of skatelet that finds nothing to do: its time, and the bytes it writes (budget: no write)
ingress         requests per second through the ingress to one pod, against nginx by hand (budget: a ratio of 0.9)
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import ingress
from skate.sandbox import busybox, fleet, images, node, state
from skatelet.contract import bundle, drop

NAME = "skate-bench"
ROUNDS = 9
_BASE = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bench"}})


def main() -> int:
    """Measure everything and print it. Returns 0 when it could be measured."""
    with tempfile.TemporaryDirectory(prefix="skate-bench-") as directory:
        registry = Path(directory) / "config.yaml"
        fleet.delete(NAME, registry_path=registry)
        try:
            made = fleet.create(NAME, nodes=3, registry_path=registry, progress=_say)
            images.load_everywhere(made.nodes, busybox.image_tar(progress=_say), busybox.IMAGE, progress=_say)
            _measure(made, registry)
        finally:
            fleet.delete(NAME, registry_path=registry)
    return 0


def _measure(made: fleet.Fleet, registry: Path) -> None:
    skate = [sys.executable, "-m", "skate", "--skateconfig", str(registry), "--context", NAME]
    target = made.nodes[0]
    subprocess.run([*skate, "apply", "-f", "-"], input=_BASE, text=True, capture_output=True, check=True)
    wakes = [_wake(target, number) for number in range(ROUNDS)]
    _print("wake: rename in the inbox → bundle accepted, s", [accepted for accepted, _ in wakes])
    _print("wake: rename in the inbox → container started, s", [created for _, created in wakes])
    _wait_idle(target)
    print(f"idle: processes of skate's on {target.name}: {len(_processes(target))}")
    gets, sshs = [], []
    for _ in range(ROUNDS):
        gets.append(_timed([*skate, "get", "pods"]))
        sshs.append(_timed(target.ssh_argv(["true"])))
    _print("get: `skate get pods`, three nodes, s", gets)
    _print("get: `ssh node true`, s", sshs)
    _print("get: ratio", [one / other for one, other in zip(gets, sshs, strict=True)])
    passes = [_nothing_to_do(target) for _ in range(ROUNDS)]
    _print("nothing to do: a whole run of skatelet, s", [seconds for seconds, _ in passes])
    print(f"nothing to do: files written: {sorted({name for _, written in passes for name in written}) or 'none'}")
    ingress.measure(target)


def _wake(target: node.Node, number: int) -> tuple[float, float]:
    """Drop a bundle with one more pod on an idle node; seconds until it was accepted, and until the container had started.

    The nodes' clock is this machine's, and their /var a directory of it: so the rename is made, and the moment taken, from here.
    """
    _wait_idle(target)
    box = _var(target) / "lib/skate/drop"
    accepted = box / drop.ACCEPTED
    before = bundle.unpack(accepted.read_bytes())
    name = f"bench-{number}"
    generation = before.index.generation + 1
    made = bundle.build(
        catalogue={path: data for path, data in before.files.items() if path.startswith("catalogue/")},
        instances=[*before.instances(), _instance(name, f"{_prefix(before, target)}.{100 + number}")],
        cluster=before.index.cluster,
        node=before.index.node,
        generation=generation,
        parent=generation - 1,
        time="",
        author="bench",
        tool_version="",
    )
    aside = box / drop.UPLOAD / "bench"
    aside.write_bytes(bundle.pack(made))
    start = time.time()
    aside.rename(box / drop.inbox_path(generation))
    _wait_for(lambda: bundle.unpack(accepted.read_bytes()).index.generation == generation, "the bundle is accepted")
    taken = accepted.stat().st_mtime - start
    inspect = ["podman", "inspect", "--format", "{{.State.StartedAt.UnixMilli}}", f"{name}.default-main"]
    _wait_for(lambda: target.run(inspect, check=False).returncode == 0, "the container is there")
    _wait_idle(target)
    return taken, int(target.run(inspect).stdout) / 1000 - start


def _prefix(current: bundle.Bundle, target: node.Node) -> str:
    """The first three numbers of the node's subnet."""
    (subnet,) = [item.subnet for item in current.nodes() if item.name == target.name]
    return subnet.rpartition(".")[0]


def _instance(name: str, address: str) -> bundle.Instance:
    container = {
        "name": "main",
        "image": busybox.IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "100000"],
    }
    return bundle.Instance(
        name=name,
        namespace="default",
        owner=bundle.Owner(kind="Pod", name=name),
        address=address,
        hash="0" * 64,
        pod={
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
        },
    )


def _var(target: node.Node) -> Path:
    return state.root() / target.sandbox / "nodes" / target.name / "var"


def _processes(target: node.Node) -> list[str]:
    return target.run(["pgrep", "-af", "/usr/bin/skatelet"], check=False).stdout.splitlines()


def _wait_idle(target: node.Node) -> None:
    _wait_for(lambda: not _processes(target), f"{target.name} is idle", 60)


def _timed(argv: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return time.perf_counter() - start


def _nothing_to_do(target: node.Node) -> tuple[float, set[str]]:
    """Seconds that a run of skatelet took which had nothing to do, and the files of skate's that it wrote."""
    _wait_idle(target)
    before = _files(target)
    target.run(["systemctl", "start", "skatelet.service"])
    _wait_idle(target)
    names = ["ExecMainStartTimestampMonotonic", "ExecMainExitTimestampMonotonic"]
    shown = target.run(["systemctl", "show", "--value", *(f"--property={name}" for name in names), "skatelet.service"])
    start, end = sorted(int(line) for line in shown.stdout.split())
    after = _files(target)
    return (end - start) / 1e6, {name for name in after if after[name] != before.get(name)}


def _files(target: node.Node) -> dict[str, tuple[int, int, bytes]]:
    """Every file of skate's on the node: inode, size and content. (The heartbeat is the status file's mtime, not a write.)"""
    found: dict[str, tuple[int, int, bytes]] = {}
    for directory in ("lib/skate", "lib/skatelet"):
        for path in (_var(target) / directory).rglob("*"):
            if path.is_file():
                found[str(path.relative_to(_var(target)))] = (
                    path.stat().st_ino,
                    path.stat().st_size,
                    path.read_bytes(),
                )
    return found


def _wait_for(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)


def _print(what: str, values: Sequence[float]) -> None:
    low, middle, high = min(values), statistics.median(values), max(values)
    print(f"{what}: median {middle:.3f} (min {low:.3f}, max {high:.3f}, n {len(values)})", flush=True)


def _say(text: str) -> None:
    print(f"→ {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
