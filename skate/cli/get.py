"""`skate get`: kubectl's tables, read from the nodes' own statuses."""

from __future__ import annotations

from typing import Any

import click

from skate import exposure, kinds, objects, outputs, printers, selectors, terminal
from skate.cli import reading
from skate.cli.main import Globals
from skate.errors import NotFoundError, SkateError

COLLECTORS = {
    "Pod": objects.pods,
    "Node": objects.nodes,
    "Deployment": objects.deployments,
    "Service": exposure.services,
    "Ingress": exposure.ingresses,
    "Secret": exposure.secrets,
    "ClusterIssuer": exposure.cluster_issuers,
    "Namespace": objects.namespaces,
}


@click.command()
@click.argument("targets", nargs=-1, metavar="TYPE [NAME…] | TYPE/NAME…")
@click.option("-n", "--namespace", default="default", show_default=True, help="The namespace to look in.")
@click.option("-A", "--all-namespaces", is_flag=True, help="Look in all namespaces.")
@click.option("-l", "--selector", default="", help="Only what has these labels, such as app=web,tier!=old.")
@click.option("-o", "--output", type=click.Choice(["wide", "yaml", "json", "name"]), help="How to print it.")
@click.option("--show-labels", is_flag=True, help="Add a column with the labels.")
@click.option("--no-headers", is_flag=True, help="Leave the heading out.")
@click.option("--ignore-not-found", is_flag=True, help="Names that are not there are no error.")
@click.pass_obj
def get(
    flags: Globals,
    targets: tuple[str, ...],
    namespace: str,
    all_namespaces: bool,
    selector: str,
    output: str | None,
    show_labels: bool,
    no_headers: bool,
    ignore_not_found: bool,
) -> None:
    """Show nodes, pods, services and whatever else there is, as the nodes report it."""
    wanted = kinds.parse_targets(list(targets))
    requirements = selectors.parse(selector)
    if all_namespaces and any(names for _, names in wanted):
        raise SkateError("a resource cannot be retrieved by name across all namespaces", hint="pass -n NAMESPACE")
    found = reading.seen(flags)
    reading.warn_about_nodes(found)
    missing: list[str] = []
    chosen: list[tuple[kinds.Kind, list[objects.Object]]] = []
    for kind, names in wanted:
        every = COLLECTORS[kind.kind](found)
        items = [item for item in every if is_in(item, kind, namespace, all_namespaces)]
        items = [item for item in items if selectors.matches(requirements, item["metadata"].get("labels"))]
        if names:
            by_name = {item["metadata"]["name"]: item for item in items}
            missing += [f'{kind.qualified_plural} "{name}" not found' for name in names if name not in by_name]
            items = [by_name[name] for name in names if name in by_name]
        chosen.append((kind, items))
    _print(chosen, output, all_namespaces, show_labels, not no_headers, single=_is_single(wanted))
    if missing and not ignore_not_found:
        raise NotFoundError(missing)
    reading.require_any(found, wanted)
    if not any(items for _, items in chosen) and not missing and output in (None, "wide"):
        say_none_found(wanted, namespace, all_namespaces)


def say_none_found(wanted: list[tuple[kinds.Kind, list[str]]], namespace: str, all_namespaces: bool) -> None:
    cluster_wide = all_namespaces or not any(kind.namespaced for kind, _ in wanted)
    terminal.say("No resources found" if cluster_wide else f"No resources found in {namespace} namespace.", err=True)


def is_in(item: objects.Object, kind: kinds.Kind, namespace: str, all_namespaces: bool) -> bool:
    return all_namespaces or not kind.namespaced or item["metadata"].get("namespace") == namespace


def _is_single(wanted: list[tuple[kinds.Kind, list[str]]]) -> bool:
    return len(wanted) == 1 and len(wanted[0][1]) == 1


def _print(
    chosen: list[tuple[kinds.Kind, list[objects.Object]]],
    output: str | None,
    all_namespaces: bool,
    show_labels: bool,
    headers: bool,
    *,
    single: bool,
) -> None:
    every = [item for _, items in chosen for item in items]
    if output == "name":
        for kind, items in chosen:
            for item in items:
                terminal.say(f"{kind.qualified}/{item['metadata']['name']}")
        return
    if output in ("yaml", "json"):
        if single and not every:
            return
        data: Any = every[0] if single else {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": every}
        terminal.say(outputs.as_json(data) if output == "json" else outputs.as_yaml(data))
        return
    tables = [
        printers.print_objects(
            kind.kind,
            items,
            wide=output == "wide",
            namespaces=all_namespaces and kind.namespaced,
            labels=show_labels,
            headers=headers,
            now=reading.now(),
            prefix=f"{kind.qualified}/" if len(chosen) > 1 else "",
        )
        for kind, items in chosen
        if items
    ]
    if tables:
        terminal.say("\n\n".join(tables))
