"""`skatelet status`: the status file in words, for somebody who stands at the node at night."""

from __future__ import annotations

import json
import time

import click
from pydantic import ValidationError

from skatelet.contract import status
from skatelet.paths import Paths


def show(paths: Paths) -> int:
    """Print the status; the exit code is 0 when the node and all its pods are ready, else 1."""
    try:
        raw = paths.status.read_bytes()
        age = time.time() - paths.status.stat().st_mtime
        found = status.Status.model_validate(json.loads(raw))
    except FileNotFoundError:
        click.echo("There is no status yet: skatelet has not run. See: systemctl status skatelet.timer", err=True)
        return 1
    except (OSError, ValueError, ValidationError) as error:
        click.echo(f"error: {paths.status}: {str(error).splitlines()[0]}", err=True)
        click.echo("hint: systemctl start skatelet.service writes it anew", err=True)
        return 1
    click.echo(f"Node {found.node} of cluster {found.cluster}, confirmed {age:.0f} s ago")
    click.echo(f"Generation {found.generation_seen}, reached {found.generation_reached}")
    for condition in found.conditions:
        words = " ".join(word for word in (condition.reason, condition.message) if word)
        click.echo(f"  {condition.type:<10} {condition.status:<7} {words}")
    _show_pods(found.instances)
    if found.rejected:
        click.echo("\nRefused bundles")
        for item in found.rejected:
            click.echo(f"  {item.time}  {item.generation or '-'}  {item.reason}: {item.message}")
    if found.events:
        click.echo("\nLast events")
        for event in found.events[-20:]:
            count = f" (x{event.count})" if event.count > 1 else ""
            click.echo(f"  {event.time}  {event.type:<7} {event.reason:<16} {event.object}: {event.message}{count}")
    return 0 if all(item.status == "True" for item in found.conditions) else 1


def _show_pods(instances: list[status.InstanceStatus]) -> None:
    if not instances:
        click.echo("\nNo pods")
        return
    click.echo("\nPods")
    for item in instances:
        ready = sum(1 for container in item.containers if container.ready)
        restarts = sum(container.restarts for container in item.containers)
        leaving = "" if item.desired else ", on its way out"
        click.echo(
            f"  {item.namespace}/{item.name}  {ready}/{len(item.containers)}  {word(item)}"
            f"  {restarts} restarts  {item.address or '-'}{leaving}"
        )
        message = item.message or next((_message(c) for c in item.containers if _message(c)), "")
        if message:
            click.echo(f"      {message}")


def word(item: status.InstanceStatus) -> str:
    """What kubectl shows in the column STATUS."""
    for container in item.containers:
        if container.state.waiting and container.state.waiting.reason != "ContainerCreating":
            return container.state.waiting.reason
        if container.state.terminated and item.phase != "Running":
            return container.state.terminated.reason
    if item.reason:
        return item.reason
    if any(container.state.waiting for container in item.containers):
        return "ContainerCreating"
    return item.phase


def _message(container: status.ContainerStatus) -> str:
    return container.state.waiting.message if container.state.waiting else ""
