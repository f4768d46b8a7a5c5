"""What is remembered about pods between looks, and how it changes. Pure: each function gives back a new memory.

podman plays with restartPolicy Never, so that restarts are counted and delayed here as kubelet does
(https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy): the first restart at once, then after
10 s, 20 s, 40 s … up to five minutes, and afresh after ten minutes of running well.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from skatelet.pods import model

FIRST_DELAY = 10.0
LONGEST_DELAY = 300.0
RUN_WELL_SECONDS = 600
CUT = -1
"""`noted` of a container whose end nobody saw."""
_UNSEEN_ENDS = {
    "cut": "the node went down while it ran",
    "lost": "podman's watcher beside it (conmon) had died, so nobody saw it end",
}
START_ERROR_CODE = 128


@dataclass(frozen=True, kw_only=True)
class Started:
    """What came of starting one container; `error` is empty when it started."""

    name: str
    id: str
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of an action: a failure of the pod as a whole, or what became of each container that was started."""

    failure: model.Failure | None = None
    """Its `times` and `due` are filled in here."""
    started: tuple[Started, ...] = ()
    replay: bool = False


def restart_delay(crashes: int) -> float:
    """Seconds between the exit and the restart after the `crashes`-th exit in a row."""
    if crashes <= 1:
        return 0.0
    return min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(crashes - 2, 10))


def retry_delay(times: int) -> float:
    """Seconds until a pod that could not be made for the `times`-th time is tried again."""
    return min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(times - 1, 10))


def note(memory: model.PodMemory, desired: model.DesiredPod, seen: model.SeenPod | None, now: float) -> model.PodMemory:
    """The memory after a look at the pod: exits are counted once, and fix when the container is due again."""
    if memory.hash != desired.hash:
        memory = model.PodMemory(hash=desired.hash)
    if seen is None or not seen.is_as(desired):
        return memory
    containers = dict(memory.containers)
    for item in desired.containers:
        container = seen.container(item.name)
        if container is not None:
            containers[item.name] = _note_container(containers.get(item.name, model.ContainerMemory()), container, now)
    up = [seen.container(item.name) for item in desired.containers]
    ran = all(item is not None and (item.running or (item.state == "exited" and not item.exit_code)) for item in up)
    failure = None if ran else memory.failure
    return dataclasses.replace(memory, containers=containers, ran=memory.ran or ran, failure=failure)


def _note_container(memory: model.ContainerMemory, seen: model.SeenContainer, now: float) -> model.ContainerMemory:
    if seen.id != memory.id:
        memory = dataclasses.replace(memory, id=seen.id, noted=0, restarts=memory.restarts + (1 if memory.id else 0))
    if seen.state in _UNSEEN_ENDS and memory.noted != CUT:
        last = model.Exit(exit_code=255, reason="Unknown", message=_UNSEEN_ENDS[seen.state], started=seen.started)
        return dataclasses.replace(memory, noted=CUT, crashes=0, due=0.0, last=last)
    if seen.state != "exited" or memory.noted == max(1, seen.finished):
        return memory
    well = seen.finished - seen.started >= RUN_WELL_SECONDS
    crashes = 1 if well else memory.crashes + 1
    return dataclasses.replace(
        memory,
        noted=max(1, seen.finished),
        crashes=crashes,
        due=min(float(seen.finished), now) + restart_delay(crashes),
        last=model.Exit(
            exit_code=seen.exit_code,
            reason="Error" if seen.exit_code else "Completed",
            started=seen.started,
            finished=seen.finished,
        ),
    )


def apply(memory: model.PodMemory, action: model.Action, result: Result, now: float) -> model.PodMemory:
    """The memory after `action` has been done with `result`."""
    if result.failure is not None:
        times = memory.failure.times + 1 if memory.failure else 1
        failure = dataclasses.replace(
            result.failure, times=times, due=now + retry_delay(times), removal=isinstance(action, model.Remove)
        )
        # An image may have gone since it was fetched: what could not be played is fetched again.
        return dataclasses.replace(memory, failure=failure, images_ready=False)
    match action:
        case model.Fetch():
            # A play that failed goes on counting its tries; the fetch before each is none of its own.
            failed_play = memory.failure if memory.failure and not memory.failure.container else None
            return dataclasses.replace(memory, failure=failed_play, images_ready=True)
        case model.Remove():
            other = memory.failure if memory.failure and not memory.failure.removal else None
            return dataclasses.replace(memory, failure=other, replay=False)
        case model.Play():
            memory = dataclasses.replace(memory, failure=None, images_ready=False, replay=False)
            counted = False
        case model.Start():
            memory = dataclasses.replace(memory, replay=result.replay)
            counted = True
    containers = dict(memory.containers)
    for item in result.started:
        containers[item.name] = _started(
            containers.get(item.name, model.ContainerMemory()), item, counted=counted, now=now
        )
    return dataclasses.replace(memory, containers=containers)


def _started(memory: model.ContainerMemory, item: Started, *, counted: bool, now: float) -> model.ContainerMemory:
    again = counted or (bool(memory.id) and memory.id != item.id)
    memory = dataclasses.replace(memory, id=item.id, noted=0, restarts=memory.restarts + (1 if again else 0))
    if not item.error:
        return memory
    crashes = memory.crashes + 1
    last = model.Exit(exit_code=START_ERROR_CODE, reason="StartError", message=item.error, finished=int(now))
    return dataclasses.replace(memory, crashes=crashes, due=now + restart_delay(crashes), last=last)


def to_data(memory: model.Memory) -> dict[str, Any]:
    """Plain data for the state file."""
    return {name: dataclasses.asdict(item) for name, item in sorted(memory.items())}


def from_data(data: Mapping[str, Any]) -> dict[str, model.PodMemory]:
    """The memory in `data`. Raises KeyError, TypeError or ValueError when it was not written by to_data."""
    found = {}
    for name, item in data.items():
        containers = {
            key: model.ContainerMemory(**{**value, "last": model.Exit(**value["last"]) if value["last"] else None})
            for key, value in item["containers"].items()
        }
        failure = model.Failure(**item["failure"]) if item["failure"] else None
        found[name] = model.PodMemory(**{**item, "containers": containers, "failure": failure})
    return found
