"""Do one action on one pod, through podman. Failures come back as results, in Kubernetes' reasons; nothing is raised for them.

Actions on different pods run side by side in threads; the same image is never fetched twice at once.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

from skatelet import durable
from skatelet.pods import manifest, model
from skatelet.pods.memory import Result, Started
from skatelet.pods.resolving import Resolving
from skatelet.system.podman import Podman, PodmanError, tidy

NETWORK = "skate"
START_TRIES = 4
START_PAUSE_SECONDS = 0.25
_STARTING = re.compile(r"starting container ([0-9a-f]{64}): ?")

Say = Callable[[str, str, str], None]
"""Called with an event's type (Normal, Warning), reason and message."""


class Actor:
    """Does actions on pods. Safe to call from several threads at once, for different pods.

    `resolving` says how names are resolved on this node; it is asked before each play.
    """

    def __init__(self, podman: Podman, *, resolving: Callable[[], Resolving] = Resolving) -> None:
        self._podman = podman
        self._resolving = resolving
        self._guard = threading.Lock()
        self._image_locks: dict[str, threading.Lock] = {}

    def act(self, action: model.Action, say: Say) -> Result:
        """Do `action`, telling what happens through `say`."""
        match action:
            case model.Play():
                return self._play(action.pod, say)
            case model.Fetch():
                return Result(failure=self._fetch(action.pod, say))
            case model.Start():
                return self._start(action, say)
            case model.Remove():
                return self._remove(action, say)

    def _play(self, pod: model.DesiredPod, say: Say) -> Result:
        try:
            self._prepare_volumes(pod)
            report = self._play_once(pod)
        except PodmanError as error:
            self._clear(pod.pod_name)
            failure = _play_failure(pod, error)
            say("Warning", "Failed", f"Error: {failure.reason}: {failure.message}")
            return Result(failure=failure)
        return self._judge(pod, report, say)

    def _play_once(self, pod: model.DesiredPod) -> dict[str, Any]:
        network = f"{NETWORK}:ip={pod.address}" if pod.address else ""
        settings = manifest.dns(pod, self._resolving())
        if settings is not None and settings.file is not None:
            durable.write(settings.file, settings.text().encode(), mode=0o644)
        text = manifest.play_manifest(pod, settings)
        try:
            return self._podman.play(text, network=network)
        except PodmanError as error:
            # A play that was cut short may have left the bare pod, which podman's container list does not show.
            if "pod already exists" not in error.message or not self._clear(pod.pod_name):
                raise
        return self._podman.play(text, network=network)

    def _judge(self, pod: model.DesiredPod, report: dict[str, Any], say: Say) -> Result:
        """podman answers 200 also when containers did not start: read what it reports."""
        played = (report.get("Pods") or [{}])[0]
        errors: dict[str, str] = {}
        for text in played.get("ContainerErrors") or []:
            match = _STARTING.match(text)
            errors.setdefault(match[1] if match else "", tidy(_STARTING.sub("", text)))
        identities = [str(item) for item in played.get("Containers") or []]
        foreign = [text for identity, text in errors.items() if identity not in identities]
        if foreign:
            # Its infra container did not start: no container of it can.
            self._clear(pod.pod_name)
            failure = _sandbox_failure(pod, foreign[0])
            say("Warning", failure.reason, failure.message)
            return Result(failure=failure)
        names = self._names(pod, identities)
        for name in names.values():
            say("Normal", "Created", f"Created container {name}")
        started = [Started(name=name, id=identity, error=errors.get(identity, "")) for identity, name in names.items()]
        _say_started(started, say)
        return Result(started=tuple(started))

    def _names(self, pod: model.DesiredPod, identities: list[str]) -> dict[str, str]:
        """podman reports containers in the order of the manifest, init containers apart."""
        return dict(zip(identities, (item.name for item in pod.containers), strict=False))

    def _start(self, action: model.Start, say: Say) -> Result:
        started, replay = [], False
        for container in action.containers:
            try:
                self._start_patiently(container.id)
            except PodmanError as error:
                # What the OCI runtime says is about this container; all else about the pod it stands in.
                if "OCI runtime" not in error.message:
                    replay = True
                    continue
                started.append(Started(name=container.name, id=container.id, error=error.message))
            else:
                started.append(Started(name=container.name, id=container.id))
        _say_started(started, say)
        return Result(started=tuple(started), replay=replay)

    def _start_patiently(self, identity: str) -> None:
        """Start a container. One that has just ended may meet podman still taking its pod down ("internal libpod error")."""
        for _ in range(START_TRIES - 1):
            try:
                return self._podman.start(identity)
            except PodmanError as error:
                if error.status != http.client.INTERNAL_SERVER_ERROR or "OCI runtime" in error.message:
                    raise
            time.sleep(START_PAUSE_SECONDS)
        return self._podman.start(identity)

    def _remove(self, action: model.Remove, say: Say) -> Result:
        running = [item for item in action.pod.containers if item.running]
        for item in running:
            say("Normal", "Killing", f"Stopping container {item.name}")
        try:
            self._stop_all(running, action.pod.grace)
            self._remove_pod(action.pod.id)
            if not action.keep_volumes:
                self._remove_volumes(action.pod.name)
                self._remove_file(action.pod.name)
        except PodmanError as error:
            say("Warning", "FailedKillPod", error.message)
            return Result(failure=model.Failure(reason="FailedKillPod", message=error.message))
        return Result()

    def _stop_all(self, containers: list[model.SeenContainer], grace: int) -> None:
        if not containers:
            return

        def stop(container: model.SeenContainer) -> None:
            try:
                self._podman.stop(container.id, grace=grace)
            except PodmanError as error:
                if error.unreachable:
                    raise
                # It may have ended by itself; the removal that follows is what counts.

        with futures.ThreadPoolExecutor(max_workers=min(8, len(containers))) as pool:
            list(pool.map(stop, containers))

    def _remove_pod(self, identity: str) -> None:
        try:
            self._podman.remove_pod(identity)
        except PodmanError as error:
            if error.status != http.client.NOT_FOUND:
                raise

    def _clear(self, name: str) -> bool:
        """Remove the pod `name` if it is skate's; whether it was."""
        with contextlib.suppress(PodmanError):
            found = self._podman.pod(name)
            if (found.get("Labels") or {}).get(model.MANAGED) == "true":
                self._podman.remove_pod(str(found["Id"]))
                return True
        return False

    def _prepare_volumes(self, pod: model.DesiredPod) -> None:
        """A volume for each emptyDir. One of the same pod's earlier life stays, one of another version goes."""
        wanted = manifest.empty_dirs(pod)
        if not wanted:
            return
        kept = set()
        for volume in self._podman.volumes(f"{model.POD}={pod.pod_name}"):
            if (volume.get("Labels") or {}).get(model.HASH) == pod.hash:
                kept.add(str(volume["Name"]))
            else:
                self._podman.remove_volume(str(volume["Name"]))
        labels = {model.MANAGED: "true", model.POD: pod.pod_name, model.HASH: pod.hash}
        for name, options in wanted.items():
            if name not in kept:
                made = self._podman.create_volume(name, labels=labels, options=options)
                # Kubernetes lets every user write to an emptyDir.
                with contextlib.suppress(OSError):
                    Path(str(made["Mountpoint"])).chmod(0o777)

    def _remove_volumes(self, name: str) -> None:
        for volume in self._podman.volumes(f"{model.POD}={name}"):
            self._podman.remove_volume(str(volume["Name"]))

    def _remove_file(self, name: str) -> None:
        directory = self._resolving().directory
        if directory is not None:
            (directory / name).unlink(missing_ok=True)

    def _fetch(self, pod: model.DesiredPod, say: Say) -> model.Failure | None:
        """See that every image of `pod` is on the node, by its pull policy."""
        for container in pod.containers:
            failure = self._fetch_one(container, say)
            if failure is not None:
                return failure
        return None

    def _fetch_one(self, container: model.DesiredContainer, say: Say) -> model.Failure | None:
        image = container.image
        if container.invalid_image:
            message = f'Failed to apply default image tag "{image}": invalid reference format'
            say("Warning", "InspectFailed", message)
            return model.Failure(reason="InvalidImageName", message=message, container=container.name)
        try:
            with self._fetching(image):
                if container.pull != "Always" and self._podman.image_exists(image):
                    say("Normal", "Pulled", f'Container image "{image}" already present on machine')
                    return None
                if container.pull == "Never":
                    message = f'Container image "{image}" is not present with pull policy of Never'
                    say("Warning", "ErrImageNeverPull", message)
                    return model.Failure(reason="ErrImageNeverPull", message=message, container=container.name)
                say("Normal", "Pulling", f'Pulling image "{image}"')
                self._podman.pull(image)
        except PodmanError as error:
            message = f'Failed to pull image "{image}": {error.message}'
            say("Warning", "Failed", message)
            return model.Failure(reason="ErrImagePull", message=message, container=container.name)
        say("Normal", "Pulled", f'Successfully pulled image "{image}"')
        return None

    @contextlib.contextmanager
    def _fetching(self, image: str) -> Iterator[None]:
        with self._guard:
            lock = self._image_locks.setdefault(image, threading.Lock())
        with lock:
            yield


def _say_started(started: list[Started], say: Say) -> None:
    for item in started:
        if item.error:
            say("Warning", "Failed", f"Error: failed to start container {item.name}: {item.error}")
        else:
            say("Normal", "Started", f"Started container {item.name}")


def _play_failure(pod: model.DesiredPod, error: PodmanError) -> model.Failure:
    message = error.message.removeprefix("playing YAML file: ")
    if "pod already exists" in message:
        return model.Failure(
            reason="NameTaken", message=f"a pod named {pod.pod_name} that is not skate's stands on the node"
        )
    if "container name" in message and "already in use" in message:
        return model.Failure(reason="NameTaken", message=message)
    if "failed to create volume" in message or "HostPath" in message or "no such volume" in message:
        return model.Failure(reason="FailedMount", message=message)
    if error.unreachable:
        return model.Failure(reason="PodmanUnavailable", message=message)
    return model.Failure(reason="CreateContainerError", message=message)


def _sandbox_failure(pod: model.DesiredPod, message: str) -> model.Failure:
    if "address already in use" in message or "cannot listen on" in message:
        ports = ", ".join(pod.host_ports)
        taken = re.search(r":(\d+): bind", message)
        which = f"host port {taken[1]}" if taken else f"one of the host ports {ports}"
        return model.Failure(reason="HostPortConflict", message=f"{which} is taken on this node: {message}")
    if "IPAM error" in message:
        return model.Failure(reason="AddressTaken", message=message)
    return model.Failure(reason="FailedCreatePodSandBox", message=message)
