"""What CoreDNS says about itself and the other nodes' zones, by asking it; and what that means. Judging is pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from skatelet.dns import ask
from skatelet.reconciler import Condition

QUESTION = "_nodes.cluster.skate"
MAX_NAMED = 10
"""Nodes, or problems, that a message names."""


@dataclass(frozen=True, kw_only=True)
class State:
    """Of one node's zone."""

    state: str
    """live, expired or unknown"""
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """CoreDNS' answer."""

    nodes: Mapping[str, State] = field(default_factory=dict)
    """By name. Of a large cluster not all may be in one answer."""
    silence: str = ""
    """Why there is no answer; empty when there is one."""


def look(server: str) -> Report:
    """Ask the CoreDNS at `server`; 100 ms at most."""
    try:
        answer = ask.texts(server, QUESTION)
    except ask.NoAnswer as error:
        return Report(silence=str(error))
    if answer.code:
        return Report(silence=f"the answer was code {answer.code}")
    return Report(nodes=nodes(answer.texts))


def nodes(texts: Sequence[Sequence[str]]) -> dict[str, State]:
    """The nodes of an answer, by name. Pure."""
    found = {}
    for strings in texts:
        pairs = dict(item.partition("=")[::2] for item in strings)
        if "node" in pairs:
            found[pairs["node"]] = State(state=pairs.get("state", ""), error=pairs.get("error", ""))
    return found


def judge(
    report: Report, *, own: str, unreachable: Sequence[str], problems: Sequence[str], forwards: bool
) -> Condition:
    """The condition of a CoreDNS that answered. `unreachable`: nodes that nobody knows an address of. Pure."""
    mine = report.nodes.get(own, State(state="missing"))
    if mine.state != "live" or mine.error:
        why = f": {mine.error}" if mine.error else ""
        return Condition(word="False", reason="ZoneRefused", message=f"CoreDNS does not take this node's zone{why}")
    silent = {name for name, item in report.nodes.items() if name != own and item.state != "live"}
    missing = sorted(silent | set(unreachable))
    said = []
    if missing:
        said.append(f"no names from {_some(missing)}: not reached by DNS")
    said += [f"left out: {_some(sorted(problems), '; ')}"] if problems else []
    said += [] if forwards else ["the host has no nameserver: only names of the cluster are answered"]
    reason = "PeersMissing" if missing else "NamesLeftOut" if problems else "Serving"
    return Condition(word="True", reason=reason, message="; ".join(said)[:1000])


def _some(items: Sequence[str], between: str = ", ") -> str:
    more = len(items) - MAX_NAMED
    return between.join(items[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
