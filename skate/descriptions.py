"""`kubectl describe` as text: everything that is known of one object, and the last events about it. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

from skate import netdescriptions, objects, printers
from skatelet.contract.status import Event

Object = dict[str, Any]
Lines = list[str]
_WIDTH = 18


def describe(item: Object, seen: objects.Seen, now: datetime.datetime) -> str:
    """The description of one object, as lines of text."""
    body = {
        "Pod": _pod,
        "Node": _node,
        "Deployment": _deployment,
        "Service": _service,
        "Ingress": _ingress,
        "Secret": _secret,
        "ClusterIssuer": _cluster_issuer,
        "Namespace": _namespace,
    }[item["kind"]]
    return "\n".join(line.rstrip() for line in body(item, seen, now))


def _field(name: str, value: object, indent: int = 0) -> str:
    pad = "  " * indent
    lines = str(value).split("\n")
    return f"\n{'':<{_WIDTH + 1}}".join([f"{pad}{name + ':':<{_WIDTH - len(pad)}} {lines[0]}", *lines[1:]])


def _pairs(name: str, pairs: dict[str, str] | None, separator: str = "=") -> Lines:
    items = [f"{key}{separator}{value}" for key, value in sorted((pairs or {}).items())] or ["<none>"]
    return [_field(name, items[0]), *(f"{'':<{_WIDTH}} {item}" for item in items[1:])]


def _head(item: Object) -> Lines:
    metadata = item["metadata"]
    lines = [_field("Name", metadata["name"])]
    if "namespace" in metadata:
        lines.append(_field("Namespace", metadata["namespace"]))
    return [
        *lines,
        *_pairs("Labels", metadata.get("labels")),
        *_pairs("Annotations", metadata.get("annotations"), ": "),
    ]


def _events(seen: objects.Seen, names: Iterable[str], now: datetime.datetime, *, only_node: str = "") -> Lines:
    wanted = set(names)
    found = [
        (event, name)
        for name, node in seen.nodes.items()
        if only_node in ("", name)
        for event in (node.status.events if node.status else ())
        if event.object in wanted
    ]
    if not found:
        return ["Events:            <none>"]
    rows = [["Type", "Reason", "Age", "From", "Message"], ["----", "------", "----", "----", "-------"]]
    for event, node in sorted(found, key=lambda pair: pair[0].time):
        rows.append([event.type, event.reason, _times(event, now), f"skatelet, {node}", event.message])
    return ["Events:", *(f"  {line}" for line in printers.table(rows).splitlines())]


def _times(event: Event, now: datetime.datetime) -> str:
    ago = printers.age(event.time, now)
    return f"{ago} (x{event.count})" if event.count > 1 else ago


def _pod(item: Object, seen: objects.Seen, now: datetime.datetime) -> Lines:
    state, spec = item["status"], item["spec"]
    owners = [f"{ref['kind']}/{ref['name']}" for ref in item["metadata"].get("ownerReferences", ())]
    host = state.get("hostIP", "")
    lines = [
        *_head(item)[:2],
        _field("Node", f"{spec['nodeName']}/{host}" if host else spec["nodeName"]),
        _field("Start Time", state.get("startTime", "<unknown>")),
        *_head(item)[2:],
        _field("Status", printers.pod_reason(item) if state["phase"] != "Running" else "Running"),
    ]
    lines += [_field(name.capitalize(), state[name]) for name in ("reason", "message") if state.get(name)]
    lines.append(_field("IP", state.get("podIP") or "<none>"))
    if owners:
        lines.append(_field("Controlled By", owners[0]))
    lines.append("Containers:")
    statuses = {container["name"]: container for container in state.get("containerStatuses", ())}
    for container in spec["containers"]:
        lines += _container(container, statuses.get(container["name"]))
    lines.append("Conditions:")
    lines += [f"  {condition['type']:<18} {condition['status']}" for condition in state.get("conditions", ())]
    lines += _pairs("Node-Selectors", spec.get("nodeSelector"))
    name = f"pod/{item['metadata']['namespace']}/{item['metadata']['name']}"
    return lines + _events(seen, [name], now)


def _container(container: Object, state: Object | None) -> Lines:
    ports = ", ".join(f"{port['containerPort']}/{port.get('protocol', 'TCP')}" for port in container.get("ports") or ())
    lines = [f"  {container['name']}:"]
    if state and state["containerID"]:
        lines.append(_field("Container ID", state["containerID"], 2))
    lines.append(_field("Image", container["image"], 2))
    if state and state["imageID"]:
        lines.append(_field("Image ID", state["imageID"], 2))
    lines.append(_field("Port", ports or "<none>", 2))
    for name in ("command", "args"):
        if container.get(name):
            lines.append(f"    {name.capitalize()}:")
            lines += [f"      {line}" for word in container[name] for line in word.split("\n")]
    if state:
        lines += _container_state("State", state["state"])
        if state.get("lastState"):
            lines += _container_state("Last State", state["lastState"])
        lines += [_field("Ready", state["ready"], 2), _field("Restart Count", state["restartCount"], 2)]
    for kind in ("limits", "requests"):
        values = (container.get("resources") or {}).get(kind)
        if values:
            lines.append(f"    {kind.capitalize()}:")
            lines += [_field(name, value, 3) for name, value in sorted(values.items())]
    environment = [_field(entry["name"], entry.get("value", ""), 3) for entry in container.get("env") or ()]
    lines += ["    Environment:", *environment] if environment else [_field("Environment", "<none>", 2)]
    mounts = [f"      {mount['mountPath']} from {mount['name']}" for mount in container.get("volumeMounts") or ()]
    return lines + (["    Mounts:", *mounts] if mounts else [_field("Mounts", "<none>", 2)])


def _container_state(name: str, state: Object) -> Lines:
    if "running" in state:
        return [_field(name, "Running", 2), _field("Started", state["running"]["startedAt"], 3)]
    if "terminated" in state:
        ended = state["terminated"]
        lines = [
            _field(name, "Terminated", 2),
            _field("Reason", ended["reason"], 3),
            _field("Exit Code", ended["exitCode"], 3),
        ]
        if ended.get("message"):
            lines.append(_field("Message", ended["message"], 3))
        return [*lines, _field("Finished", ended.get("finishedAt", ""), 3)]
    waiting = state.get("waiting") or {"reason": "ContainerCreating"}
    lines = [_field(name, "Waiting", 2), _field("Reason", waiting["reason"], 3)]
    return [*lines, _field("Message", waiting["message"], 3)] if waiting.get("message") else lines


def _node(item: Object, seen: objects.Seen, now: datetime.datetime) -> Lines:
    state, name = item["status"], item["metadata"]["name"]
    rows = [
        ["Type", "Status", "LastHeartbeatTime", "Reason", "Message"],
        ["----", "------", "-----------------", "------", "-------"],
    ]
    heartbeat = seen.nodes[name].since
    for condition in state["conditions"]:
        rows.append(
            [
                condition["type"],
                condition["status"],
                condition.get("lastHeartbeatTime", heartbeat),
                condition.get("reason", ""),
                condition.get("message", ""),
            ]
        )
    lines = [
        *_head(item),
        _field("Unschedulable", str(item["spec"].get("unschedulable", False)).lower()),
        "Conditions:",
        *(f"  {line}" for line in printers.table(rows).splitlines()),
        "Addresses:",
        *(_field(address["type"], address["address"], 1) for address in state["addresses"]),
    ]
    for kind in ("capacity", "allocatable"):
        lines.append(f"{kind.capitalize()}:")
        lines += [_field(key, value, 1) for key, value in sorted(state.get(kind, {}).items())]
    info = state.get("nodeInfo", {})
    lines += [
        "System Info:",
        *(
            _field(name, info.get(key, "<unknown>"), 1)
            for name, key in (
                ("Boot Time", "bootTime"),
                ("Kernel Version", "kernelVersion"),
                ("OS Image", "osImage"),
                ("Architecture", "architecture"),
                ("Runtime", "containerRuntimeVersion"),
                ("skatelet", "kubeletVersion"),
            )
        ),
        _field("PodCIDR", item["spec"]["podCIDR"]),
        _field("Generation", f"{state.get('generationSeen', 0)} seen, {state.get('generationReached', 0)} reached"),
    ]
    for rejection in state.get("rejected", ()):
        which = rejection.get("generation", "?")
        lines.append(_field("Rejected", f"generation {which}: {rejection['reason']}: {rejection['message']}"))
    mine = [pod for pod in objects.pods(seen) if pod["spec"]["nodeName"] == name]
    rows = [["Namespace", "Name", "Status"], ["---------", "----", "------"]]
    rows += [[pod["metadata"]["namespace"], pod["metadata"]["name"], printers.pod_reason(pod)] for pod in mine]
    lines += [
        f"Pods:              ({len(mine)} in total)",
        *(f"  {line}" for line in printers.table(rows).splitlines()),
    ]
    said = seen.nodes[name].status
    bundles = {event.object for event in (said.events if said else ()) if event.object.startswith("bundle/")}
    return lines + _events(seen, {f"node/{name}", *bundles}, now, only_node=name)


def _deployment(item: Object, seen: objects.Seen, now: datetime.datetime) -> Lines:
    spec, state, metadata = item["spec"], item["status"], item["metadata"]
    desired = spec.get("replicas")
    mine = [
        pod
        for pod in objects.pods(seen)
        if pod["metadata"].get("namespace") == metadata["namespace"]
        and any(ref["name"] == metadata["name"] for ref in pod["metadata"].get("ownerReferences", ()))
    ]
    lines = [
        *_head(item),
        _field("CreationTimestamp", metadata.get("creationTimestamp", "<unknown>")),
        _field("Selector", printers.selector_text(spec.get("selector"))),
        _field(
            "Replicas",
            f"{1 if desired is None else desired} desired | {state['updatedReplicas']} updated | {state['replicas']} total"
            f" | {state['availableReplicas']} available | {state['unavailableReplicas']} unavailable",
        ),
        _field("StrategyType", (spec.get("strategy") or {}).get("type", "RollingUpdate")),
        "Pod Template:",
        *(f"  {line}" for line in _pairs("Labels", spec["template"].get("metadata", {}).get("labels"))),
        "  Containers:",
    ]
    for container in spec["template"]["spec"]["containers"]:
        lines += [f"  {line}" for line in _container(container, None)]
    rows = [["Name", "Node", "Status"], ["----", "----", "------"]]
    rows += [[pod["metadata"]["name"], pod["spec"]["nodeName"], printers.pod_reason(pod)] for pod in mine]
    lines += ["Pods:", *(f"  {line}" for line in printers.table(rows).splitlines())]
    names = [f"pod/{metadata['namespace']}/{pod['metadata']['name']}" for pod in mine]
    return lines + _events(seen, names, now)


def _namespace(item: Object, seen: objects.Seen, now: datetime.datetime) -> Lines:
    name = item["metadata"]["name"]
    inside = sorted(key for key in seen.catalogue.objects if key[1] == name)
    lines = [*_head(item), _field("Status", item["status"]["phase"]), "Objects:"]
    return [*lines, *(f"  {kind.lower()}/{object_name}" for kind, _, object_name in inside)]


def _service(item: Object, seen: objects.Seen, now: datetime.datetime) -> Lines:
    fields = [_field(name, value) for name, value in netdescriptions.service(item, seen)]
    return [*_head(item), *fields, *_events_of(item, seen, now)]


def _ingress(item: Object, seen: objects.Seen, now: datetime.datetime) -> Lines:
    return [
        *_without_annotations(item),
        *_lines(netdescriptions.ingress(item, seen)),
        *_pairs("Annotations", item["metadata"].get("annotations"), ": "),
        *_events_of(item, seen, now),
    ]


def _secret(item: Object, seen: objects.Seen, now: datetime.datetime) -> Lines:
    return [*_head(item), *_lines(netdescriptions.secret(item))]


def _cluster_issuer(item: Object, seen: objects.Seen, now: datetime.datetime) -> Lines:
    return [*_head(item), *_lines(netdescriptions.cluster_issuer(item)), *_events_of(item, seen, now)]


def _without_annotations(item: Object) -> Lines:
    return _head({"metadata": {**item["metadata"], "annotations": None}})[: -len(_pairs("", None))]


def _lines(parts: Iterable[str | netdescriptions.Field]) -> Lines:
    return [part if isinstance(part, str) else _field(*part) for part in parts]


def _events_of(item: Object, seen: objects.Seen, now: datetime.datetime) -> Lines:
    metadata = item["metadata"]
    parts = [item["kind"].lower(), metadata.get("namespace", ""), metadata["name"]]
    return _events(seen, ["/".join(part for part in parts if part)], now)
