"""podman as skatelet knows it, in memory: pods, containers, volumes, images, one network. Counts the calls.

Only what a real podman (4.3.1 and 5.4.2) was seen to do is imitated, with its words.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skatelet.contract import canonical
from skatelet.system.podman import Podman, PodmanError

NEVER = -62135596800


class FakePodman(Podman):
    """Images present are in `images`; a container whose command starts with /missing does not start."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"))
        self.calls: list[str] = []
        self.images = {"docker.io/library/app:1"}
        self.registry: set[str] = set()
        self.stored: dict[str, dict[str, Any]] = {}
        self.kept_volumes: dict[str, dict[str, Any]] = {}
        self.networks: dict[str, Mapping[str, Any]] = {}
        self.down = False
        self.now = 1000
        self.played: list[dict[str, Any]] = []
        self._serial = 0
        self._lock = threading.RLock()

    def _called(self, name: str) -> None:
        with self._lock:
            self.calls.append(name)
        if self.down:
            raise PodmanError("podman cannot be reached")

    def version(self) -> str:
        self._called("version")
        return "4.9.3"

    def containers(self) -> list[dict[str, Any]]:
        self._called("containers")
        with self._lock:
            return [dict(item) for pod in self.stored.values() for item in pod["containers"]]

    def pods(self) -> list[dict[str, Any]]:
        self._called("pods")
        with self._lock:
            return [
                {"Id": pod["id"], "Name": name, "Labels": pod["labels"], "Containers": pod["containers"]}
                for name, pod in self.stored.items()
            ]

    def pod(self, name: str) -> dict[str, Any]:
        self._called("pod")
        if name not in self.stored:
            raise PodmanError("no such pod", status=404)
        return {"Id": self.stored[name]["id"], "Labels": self.stored[name]["labels"]}

    def container(self, identity: str) -> dict[str, Any]:
        self._called("container")
        return {"State": {"OOMKilled": self.find(identity).get("oom", False)}}

    def play(self, manifest: bytes, *, network: str = "") -> dict[str, Any]:
        self._called("play")
        data = canonical.load(manifest)
        name = data["metadata"]["name"]
        with self._lock:
            if name in self.stored:
                raise PodmanError(f'playing YAML file: name "{name}" is in use: pod already exists', status=500)
            self.played.append({"manifest": data, "network": network})
            return self._make(name, data)

    def _make(self, name: str, data: dict[str, Any]) -> dict[str, Any]:
        ports = {
            port["hostPort"]
            for item in data["spec"]["containers"]
            for port in item.get("ports", [])
            if "hostPort" in port
        }
        taken = {port for pod in self.stored.values() for port in pod["ports"]}
        pod: dict[str, Any] = {
            "id": self._id(),
            "labels": data["metadata"]["labels"],
            "ports": ports,
            "containers": [],
            "name": name,
        }
        infra = self._container(pod, f"{pod['id'][:12]}-infra", infra=True)
        errors = []
        self.stored[name] = pod
        clash = ports & taken
        if clash:
            infra["State"] = "created"
            errors.append(
                f"starting container {infra['Id']}: cannot listen on the TCP port: listen tcp4 :{min(clash)}: bind:"
                " address already in use"
            )
        identities = []
        for item in data["spec"]["containers"]:
            container = self._container(pod, f"{name}-{item['name']}", command=item.get("command", []))
            identities.append(container["Id"])
            if clash:
                container["State"] = "created"
                errors.append(
                    f"starting container {container['Id']}: a dependency of container {container['Id']} failed to"
                    " start: container state improper"
                )
            elif item.get("command", [""])[0].startswith("/missing"):
                container["State"] = "created"
                container["StartedAt"] = NEVER
                errors.append(f"starting container {container['Id']}: {self._not_found()}")
        return {"Pods": [{"ID": pod["id"], "Containers": identities, "ContainerErrors": errors or None}]}

    def _not_found(self) -> str:
        return (
            "crun: executable file `/missing` not found: OCI runtime attempted to invoke a command that was not found"
        )

    def _container(self, pod: dict[str, Any], name: str, *, infra: bool = False, command: Any = ()) -> dict[str, Any]:
        made = {
            "Id": self._id(),
            "Names": [name],
            "IsInfra": infra,
            "Pod": pod["id"],
            "PodName": pod["name"],
            "Labels": {} if infra else pod["labels"],
            "State": "running",
            "ExitCode": 0,
            "StartedAt": self.now,
            "ExitedAt": NEVER,
            "Image": "docker.io/library/app:1",
            "ImageID": "sha",
            "command": list(command),
        }
        pod["containers"].append(made)
        return made

    def _id(self) -> str:
        self._serial += 1
        return hashlib.sha256(str(self._serial).encode()).hexdigest()

    def start(self, identity: str) -> None:
        self._called("start")
        found = self.find(identity)
        if found["command"] and found["command"][0].startswith("/missing"):
            raise PodmanError(self._not_found(), status=500)
        for item in self.stored[found["PodName"]]["containers"]:
            if item is found or item["IsInfra"]:
                item.update(State="running", StartedAt=self.now, ExitedAt=NEVER)

    def stop(self, identity: str, *, grace: int) -> None:
        self._called(f"stop {grace}")

    def remove_pod(self, name: str) -> None:
        self._called("remove")
        with self._lock:
            for key, pod in list(self.stored.items()):
                if name in (key, pod["id"]):
                    del self.stored[key]
                    return
        raise PodmanError("no such pod", status=404)

    def image_exists(self, reference: str) -> bool:
        self._called("exists")
        return reference in self.images

    def pull(self, reference: str) -> None:
        self._called("pull")
        if reference not in self.registry:
            raise PodmanError("manifest unknown", status=200)
        self.images.add(reference)

    def volumes(self, label: str) -> list[dict[str, Any]]:
        self._called("volumes")
        key, _, value = label.partition("=")
        return [item for item in self.kept_volumes.values() if item["Labels"].get(key) == value]

    def create_volume(self, name: str, *, labels: Mapping[str, str], options: Mapping[str, str]) -> dict[str, Any]:
        self._called("create volume")
        self.kept_volumes[name] = {"Name": name, "Labels": dict(labels), "Mountpoint": "/nowhere"}
        return self.kept_volumes[name]

    def remove_volume(self, name: str) -> None:
        self._called("remove volume")
        if self.kept_volumes.pop(name, None) is None:
            raise PodmanError("no such volume", status=404)

    def network(self, name: str) -> dict[str, Any] | None:
        self._called("network")
        found = self.networks.get(name)
        return dict(found) if found is not None else None

    def create_network(self, definition: Mapping[str, Any]) -> None:
        self._called("create network")
        self.networks[str(definition["name"])] = definition

    def remove_network(self, name: str) -> None:
        self._called("remove network")
        del self.networks[name]

    def find(self, identity: str) -> dict[str, Any]:
        """The container with this id or name."""
        for pod in self.stored.values():
            for item in pod["containers"]:
                if identity in (item["Id"], item["Names"][0]):
                    found: dict[str, Any] = item
                    return found
        raise PodmanError(f"no container with name or ID {identity!r} found: no such container", status=404)

    def end(self, name: str, code: int = 137) -> None:
        """A container ends by itself; when it was the last, the infra container ends too."""
        found = self.find(name)
        found.update(State="exited", ExitCode=code, ExitedAt=self.now)
        members = self.stored[found["PodName"]]["containers"]
        if not any(item["State"] == "running" for item in members if not item["IsInfra"]):
            for item in members:
                if item["IsInfra"]:
                    item.update(State="exited", ExitedAt=self.now)

    def cut_power(self) -> None:
        """What podman 5.4 shows of running containers after the machine went down."""
        for pod in self.stored.values():
            for item in pod["containers"]:
                if item["State"] == "running":
                    item.update(State="exited", ExitedAt=NEVER)
