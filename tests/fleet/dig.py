"""Asks a DNS server on a node, from inside the node's network, and says what came and how long it took, as JSON.

Run as a program (`python dig.py SERVER TYPE COUNT SECONDS NAME…`) in a node's network namespace; `ask` starts it there.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from skate.sandbox import machine, node


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer; `values` are the records' data as text, in the order of the answer."""

    rcode: str
    values: tuple[str, ...]
    authority: tuple[str, ...]
    flags: str
    milliseconds: float
    at: float
    """time.time() when it came."""


def ask(
    target: node.Node, name: str, *, type: str = "A", count: int = 1, server: str, every: float = 0
) -> list[Answer]:
    """Ask `count` times, every `every` seconds."""
    leader = machine.leader(target.machine)
    assert leader is not None, f"{target.name} is off"
    argv = [
        "nsenter",
        "-t",
        str(leader),
        "-n",
        sys.executable,
        str(Path(__file__)),
        server,
        type,
        str(count),
        str(every),
        name,
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return [
        Answer(**{**line, "values": tuple(line["values"]), "authority": tuple(line["authority"])})
        for line in map(json.loads, done.stdout.splitlines())
    ]


def main() -> None:
    import dns.flags
    import dns.message
    import dns.query
    import dns.rcode

    server, kind, count, every, name = sys.argv[1:]
    for _ in range(int(count)):
        question = dns.message.make_query(name, kind)
        began = time.perf_counter()
        answer = dns.query.udp(question, server, timeout=5)
        took = (time.perf_counter() - began) * 1000
        print(
            json.dumps(
                {
                    "rcode": dns.rcode.to_text(answer.rcode()),
                    "values": [str(item) for group in answer.answer for item in group],
                    "authority": [str(item) for group in answer.authority for item in group],
                    "flags": dns.flags.to_text(answer.flags),
                    "milliseconds": took,
                    "at": time.time(),
                }
            ),
            flush=True,
        )
        time.sleep(float(every))


if __name__ == "__main__":
    main()
