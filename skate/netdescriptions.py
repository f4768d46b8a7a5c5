"""`kubectl describe` of what has no instances: Services, Ingresses, Secrets and ClusterIssuers. Pure.

Each gives the lines that are the kind's own; name, labels and events are put around them by `descriptions`.
"""

from __future__ import annotations

from skate import exposure, objects, printers

Object = objects.Object
Field = tuple[str, str]
"""A name and a value; a value of several lines stays in its column."""


def service(item: Object, seen: objects.Seen) -> list[Field]:
    """What kubectl tells of a Service, with the ready pods behind each port."""
    spec = item.get("spec") or {}
    external = spec.get("type") == "ExternalName"
    pods = objects.pods(seen)
    fields = [
        ("Selector", printers.pairs_text(None if external else spec.get("selector"))),
        ("Type", spec.get("type") or "ClusterIP"),
    ]
    fields.append(("External Name", str(spec.get("externalName"))) if external else ("IP", "None"))
    for port in spec.get("ports") or ():
        protocol = port.get("protocol") or "TCP"
        fields.append(("Port", f"{port.get('name') or '<unset>'}  {port['port']}/{protocol}"))
        fields.append(("TargetPort", f"{port.get('targetPort') or port['port']}/{protocol}"))
        if not external:
            found = exposure.service_endpoints(item, port, pods)
            fields.append(("Endpoints", exposure.endpoints_text(found)))
    return [*fields, ("Session Affinity", "None")]


def ingress(item: Object, seen: objects.Seen) -> list[str | Field]:
    """What kubectl tells of an Ingress: rules with their backends, and who stands behind those."""
    spec, namespace = item.get("spec") or {}, item["metadata"].get("namespace", "")
    pods = objects.pods(seen)
    default = spec.get("defaultBackend")
    lines: list[str | Field] = [
        ("Address", printers.ingress_addresses(item)),
        ("Ingress Class", spec.get("ingressClassName") or "<none>"),
        ("Default backend", exposure.backend_text(default, namespace, seen, pods) if default else "<default>"),
    ]
    if spec.get("tls"):
        lines.append("TLS:")
    for entry in spec.get("tls") or ():
        hosts = ",".join(entry.get("hosts") or ())
        name = entry.get("secretName")
        lines.append(f"  {name} terminates {hosts}" if name else f"  SNI routes {hosts}")
    rows = [["Host", "Path", "Backends"], ["----", "----", "--------"]]
    for rule in spec.get("rules") or ():
        if rule.get("http"):
            rows.append([rule.get("host") or "*", "", ""])
            rows += [
                ["", path.get("path") or "", exposure.backend_text(path["backend"], namespace, seen, pods)]
                for path in rule["http"]["paths"]
            ]
    if len(rows) == 2:
        rows.append(["*", "*", "<default>"])
    return [*lines, "Rules:", *(f"  {line}" for line in printers.table(rows).splitlines())]


def secret(item: Object) -> list[str | Field]:
    """The names of the values, and nothing of what is in them: whoever reads the cluster cannot know it."""
    keys = item["sealed"]["keys"]
    return ["", ("Type", item["type"]), "", "Data", "====", *(f"{key}:  sealed" for key in keys)]


def cluster_issuer(item: Object) -> list[str | Field]:
    """Who is asked for certificates, and with which account."""
    acme = (item.get("spec") or {}).get("acme") or {}
    (condition,) = item["status"]["conditions"]
    return [
        ("Server", str(acme.get("server"))),
        ("Email", str(acme.get("email") or "<none>")),
        ("Account Key", str((acme.get("privateKeySecretRef") or {}).get("name"))),
        ("Ready", f"{condition['status']} ({condition['reason']}): {condition['message']}"),
    ]
