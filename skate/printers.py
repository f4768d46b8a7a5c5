"""kubectl's tables: which columns a kind has and what stands in each cell, as kubectl's own printers decide it. Pure.

Follows pkg/printers/internalversion/printers.go of Kubernetes in what it prints (the words of STATUS, `2 (5m ago)`), with the
moment passed in so that ages can be tested.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from skate import terminal

Object = dict[str, Any]
Row = list[str]
NETWORK_CONDITIONS = ("RoutesReady", "DNSReady", "CertificatesReady", "IngressReady")
"""What a node says of its part in the cluster's network."""
_ADDRESS_WIDTH = 16
"""kubectl cuts the addresses of an Ingress to this."""


@dataclass(frozen=True, kw_only=True)
class Printer:
    """The table of one kind."""

    columns: Sequence[str]
    wide: Sequence[str]
    """The columns that `-o wide` adds."""
    row: Callable[[Object, datetime.datetime], tuple[Row, Row]]
    """The cells of an object: the ordinary ones, and those of `-o wide`."""
    uncut: Callable[[Object, datetime.datetime], tuple[Row, Row]] | None = None
    """The same for `-o wide`, where ordinary cells are cut otherwise."""


def human_duration(seconds: float) -> str:
    """An age as kubectl writes it (k8s.io/apimachinery duration.HumanDuration)."""
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    if total < 0:
        return "0s"
    if total < 120:
        return f"{total}s"
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if minutes < 10:
        return f"{minutes}m{total % 60}s" if total % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    if days < 730:
        return f"{days}d"
    years = days // 365
    if years < 8:
        return f"{years}y{days % 365}d" if days % 365 else f"{years}y"
    return f"{years}y"


def parse_time(text: str) -> datetime.datetime | None:
    """An RFC 3339 time; None where there is none, or none that can be read. Without an offset it is taken as UTC."""
    try:
        moment = datetime.datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment.replace(tzinfo=datetime.UTC) if moment and moment.tzinfo is None else moment


def age(text: str, now: datetime.datetime) -> str:
    """The age of something that began at `text` (RFC 3339), `<unknown>` where that is not known."""
    moment = parse_time(text)
    return human_duration((now - moment).total_seconds()) if moment else "<unknown>"


def _age_of(item: Object, now: datetime.datetime) -> str:
    return age(item["metadata"].get("creationTimestamp", ""), now)


def pod_reason(pod: Object) -> str:
    """The word in the STATUS column."""
    state = pod["status"]
    reason = state.get("reason") or state["phase"]
    running = False
    for container in reversed(state.get("containerStatuses", ())):
        waiting = container["state"].get("waiting")
        terminated = container["state"].get("terminated")
        if state["phase"] == "Unknown":
            continue
        if waiting and waiting["reason"]:
            reason = waiting["reason"]
        elif terminated:
            reason = terminated["reason"] or f"ExitCode:{terminated['exitCode']}"
        elif container["ready"] and "running" in container["state"]:
            running = True
    if reason == "Completed" and running:
        reason = "Running" if is_ready(pod) else "NotReady"
    if state.get("reason") == "NodeLost":
        return "Unknown"
    return "Terminating" if "deletionTimestamp" in pod["metadata"] else str(reason)


def is_ready(pod: Object) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))


def _restarts(pod: Object, now: datetime.datetime) -> str:
    statuses = pod["status"].get("containerStatuses", ())
    count = sum(container["restartCount"] for container in statuses)
    ends = [
        moment
        for container in statuses
        if (ended := container.get("lastState", {}).get("terminated"))
        and (moment := parse_time(ended.get("finishedAt", "")))
    ]
    if count and ends:
        return f"{count} ({human_duration((now - max(ends)).total_seconds())} ago)"
    return str(count)


def _pod_row(pod: Object, now: datetime.datetime) -> tuple[Row, Row]:
    statuses = pod["status"].get("containerStatuses", ())
    ready = sum(1 for container in statuses if container["ready"])
    total = max(len(pod["spec"]["containers"]), len(statuses))
    row = [pod["metadata"]["name"], f"{ready}/{total}", pod_reason(pod), _restarts(pod, now), _age_of(pod, now)]
    wide = [pod["status"].get("podIP") or "<none>", pod["spec"].get("nodeName") or "<none>", "<none>", "<none>"]
    return row, wide


def node_status(node: Object) -> str:
    ready = next((c for c in node["status"]["conditions"] if c["type"] == "Ready"), None)
    words = ["Ready" if ready and ready["status"] == "True" else "NotReady"]
    if node["spec"].get("unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


def _node_row(node: Object, now: datetime.datetime) -> tuple[Row, Row]:
    info = node["status"].get("nodeInfo", {})
    roles = sorted(
        label.removeprefix("node-role.kubernetes.io/")
        for label in node["metadata"].get("labels", {})
        if label.startswith("node-role.kubernetes.io/")
    )
    row = [
        node["metadata"]["name"],
        node_status(node),
        ",".join(roles) or "<none>",
        age(info.get("bootTime", ""), now),
        info.get("kubeletVersion", "<unknown>"),
    ]
    internal = next((a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP"), "<none>")
    wide = [
        internal,
        "<none>",
        info.get("osImage", "<unknown>"),
        info.get("kernelVersion", "<unknown>"),
        info.get("containerRuntimeVersion", "<unknown>"),
        node["spec"]["podCIDR"],
        str(node["status"].get("generationSeen", "<unknown>")),
        network_state(node),
    ]
    return row, wide


def selector_text(selector: Object | None) -> str:
    """A label selector as kubectl writes it."""
    if not selector:
        return "<none>"
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or ():
        values = ",".join(sorted(expression.get("values") or ()))
        parts.append(
            {
                "In": f"{expression['key']} in ({values})",
                "NotIn": f"{expression['key']} notin ({values})",
                "Exists": expression["key"],
                "DoesNotExist": f"!{expression['key']}",
            }[expression["operator"]]
        )
    return ",".join(parts) or "<none>"


def _deployment_row(item: Object, now: datetime.datetime) -> tuple[Row, Row]:
    state = item["status"]
    desired = item["spec"].get("replicas")
    row = [
        item["metadata"]["name"],
        f"{state['readyReplicas']}/{1 if desired is None else desired}",
        str(state["updatedReplicas"]),
        str(state["availableReplicas"]),
        _age_of(item, now),
    ]
    containers = item["spec"]["template"]["spec"]["containers"]
    wide = [
        ",".join(container["name"] for container in containers),
        ",".join(container["image"] for container in containers),
        selector_text(item["spec"].get("selector")),
    ]
    return row, wide


def pairs_text(pairs: Mapping[str, str] | None) -> str:
    """Labels, or a selector by labels, as kubectl writes them."""
    return ",".join(f"{key}={value}" for key, value in sorted((pairs or {}).items())) or "<none>"


def _service_row(item: Object, now: datetime.datetime) -> tuple[Row, Row]:
    spec = item.get("spec") or {}
    external = spec.get("type") == "ExternalName"
    ports = ",".join(f"{port['port']}/{port.get('protocol') or 'TCP'}" for port in spec.get("ports") or ())
    row = [
        item["metadata"]["name"],
        spec.get("type") or "ClusterIP",
        "<none>" if external else "None",
        str(spec.get("externalName") or "<none>") if external else "<none>",
        ports or "<none>",
        _age_of(item, now),
    ]
    return row, [pairs_text(None if external else spec.get("selector"))]


def shortened(texts: Sequence[str], count: int, total: int) -> str:
    """The first `count` of `texts`, and how many of `total` are not shown."""
    text = ",".join(texts[:count])
    return f"{text} + {total - count} more..." if total > count else text


def ingress_addresses(item: Object) -> str:
    """Where an Ingress is answered, all of it."""
    points = item["status"]["loadBalancer"].get("ingress") or ()
    return ",".join(sorted({point.get("ip") or point["hostname"] for point in points}))


def _ingress_row(item: Object, now: datetime.datetime) -> tuple[Row, Row]:
    row, more = _whole_ingress_row(item, now)
    address = row[3]
    row[3] = address if len(address) <= _ADDRESS_WIDTH else f"{address[: _ADDRESS_WIDTH - 3]}..."
    return row, more


def _whole_ingress_row(item: Object, now: datetime.datetime) -> tuple[Row, Row]:
    spec = item.get("spec") or {}
    rules = spec.get("rules") or ()
    named = [rule["host"] for rule in rules if rule.get("host")]
    return [
        item["metadata"]["name"],
        spec.get("ingressClassName") or "<none>",
        shortened(named, 3, max(len(rules), len(named)) if len(named) >= 3 else 0) or "*",
        ingress_addresses(item),
        "80, 443" if spec.get("tls") else "80",
        _age_of(item, now),
    ], []


def _secret_row(item: Object, now: datetime.datetime) -> tuple[Row, Row]:
    keys = item["sealed"]["keys"]
    return [item["metadata"]["name"], item["type"], str(len(keys)), _age_of(item, now)], []


def _cluster_issuer_row(item: Object, now: datetime.datetime) -> tuple[Row, Row]:
    (condition,) = item["status"]["conditions"]
    return [item["metadata"]["name"], condition["status"], _age_of(item, now)], [condition["message"]]


def network_state(node: Object) -> str:
    """How the node's part in the cluster's network stands: `Ready`, or what is not, with the reason."""
    conditions = {condition["type"]: condition for condition in node["status"]["conditions"]}
    if conditions.get("Ready", {}).get("status") == "Unknown":
        return "Unknown"
    found = [conditions[name] for name in NETWORK_CONDITIONS if name in conditions]
    wrong = [f"{item['type']}={item['status']}({item.get('reason', '')})" for item in found if item["status"] != "True"]
    return ",".join(wrong) or ("Ready" if found else "<unknown>")


def _namespace_row(item: Object, now: datetime.datetime) -> tuple[Row, Row]:
    return [item["metadata"]["name"], item["status"]["phase"], _age_of(item, now)], []


PRINTERS = {
    "Pod": Printer(
        columns=["NAME", "READY", "STATUS", "RESTARTS", "AGE"],
        wide=["IP", "NODE", "NOMINATED NODE", "READINESS GATES"],
        row=_pod_row,
    ),
    "Node": Printer(
        columns=["NAME", "STATUS", "ROLES", "AGE", "VERSION"],
        wide=[
            "INTERNAL-IP", "EXTERNAL-IP", "OS-IMAGE", "KERNEL-VERSION", "CONTAINER-RUNTIME", "POD-CIDR", "GENERATION",
            "NETWORK",
        ],
        row=_node_row,
    ),
    "Deployment": Printer(
        columns=["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"],
        wide=["CONTAINERS", "IMAGES", "SELECTOR"],
        row=_deployment_row,
    ),
    "Service": Printer(
        columns=["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"], wide=["SELECTOR"], row=_service_row
    ),
    "Ingress": Printer(
        columns=["NAME", "CLASS", "HOSTS", "ADDRESS", "PORTS", "AGE"],
        wide=[],
        row=_ingress_row,
        uncut=_whole_ingress_row,
    ),
    "Secret": Printer(columns=["NAME", "TYPE", "DATA", "AGE"], wide=[], row=_secret_row),
    "ClusterIssuer": Printer(columns=["NAME", "READY", "AGE"], wide=["STATUS"], row=_cluster_issuer_row),
    "Namespace": Printer(columns=["NAME", "STATUS", "AGE"], wide=[], row=_namespace_row),
}  # fmt: skip


def table(rows: Sequence[Row]) -> str:
    """Rows (the first is the heading) as kubectl aligns them: columns as wide as their widest cell, three blanks between.

    A cell never breaks the table: newlines in it become blanks, and what is not printable is shown as its escape.
    """
    rows = [[" ".join(terminal.harmless(cell).split()) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("   ".join(cells).rstrip())
    return "\n".join(lines)


def print_objects(
    kind: str,
    items: Sequence[Object],
    *,
    wide: bool,
    namespaces: bool,
    labels: bool,
    headers: bool,
    now: datetime.datetime,
    prefix: str = "",
) -> str:
    """The table of `items`, all of one kind. `prefix` stands before each name, as kubectl has it when it shows several kinds."""
    printer = PRINTERS[kind]
    heading = [*printer.columns, *(printer.wide if wide else ()), *(["LABELS"] if labels else ())]
    rows = [["NAMESPACE", *heading] if namespaces else heading]
    for item in items:
        make = printer.uncut if wide and printer.uncut else printer.row
        row, more = make(item, now)
        cells = [prefix + row[0], *row[1:], *(more if wide else ())]
        if labels:
            cells.append(pairs_text(item["metadata"].get("labels")))
        rows.append([item["metadata"].get("namespace", ""), *cells] if namespaces else cells)
    return table(rows if headers else rows[1:]) if headers or len(rows) > 1 else ""
