"""podman's REST API (libpod) over its socket: one method a call we need, one error type.

The API is versioned in the path; v4.0.0 is answered alike by podman 4.3 to 5.4. The service is activated by systemd through
the socket and leaves 5 s after the last request, so nothing stays in memory. Each call has a connection of its own, so that
calls may run side by side in threads.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

API = "/v4.0.0/libpod"
CALL_SECONDS = 60.0
PULL_SECONDS = 1800.0
_LOG_LINE = re.compile(r'time="[^"]*" level=\w+ msg="(?:[^"\\]|\\.)*"(?: \w+="(?:[^"\\]|\\.)*")*:? ?')


class PodmanError(Exception):
    """A call that failed. `status` is HTTP's, 0 when podman did not answer at all; `cause` is podman's own word for it."""

    def __init__(self, message: str, *, status: int = 0, cause: str = "") -> None:
        self.message = tidy(message)
        self.status = status
        self.cause = cause
        super().__init__(self.message)

    @property
    def unreachable(self) -> bool:
        return self.status == 0


def tidy(message: str) -> str:
    """One line of at most 1000 characters, without the runtime's own log lines that podman leaves in its errors."""
    return " ".join(_LOG_LINE.sub("", message).split())[:1000]


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("podman", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Podman:
    """podman on this node, by the socket at `path`. Every method raises PodmanError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def version(self) -> str:
        return str(self._json("GET", "/version")["Version"])

    def containers(self) -> list[dict[str, Any]]:
        """Every container on the node, foreign ones and infra containers included."""
        answer: list[dict[str, Any]] = self._json("GET", "/containers/json", {"all": "true"}) or []
        return answer

    def pods(self) -> list[dict[str, Any]]:
        """Every pod on the node, with its labels: also one that has no container of its own."""
        answer: list[dict[str, Any]] = self._json("GET", "/pods/json") or []
        return answer

    def pod(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._json("GET", f"/pods/{_part(name)}/json")
        return answer

    def container(self, identity: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._json("GET", f"/containers/{_part(identity)}/json")
        return answer

    def play(self, manifest: bytes, *, network: str = "") -> dict[str, Any]:
        """Play one pod; `network` as `name:ip=address`, empty with hostNetwork. The report may hold ContainerErrors."""
        query = {"start": "true"} | ({"network": network} if network else {})
        answer: dict[str, Any] = self._json(
            "POST", "/play/kube", query, body=manifest, content_type="application/yaml", timeout=4 * CALL_SECONDS
        )
        return answer

    def start(self, identity: str) -> None:
        """Start a container, and its pod's infra container with it if that is down."""
        self._json("POST", f"/containers/{_part(identity)}/start", timeout=2 * CALL_SECONDS)

    def stop(self, identity: str, *, grace: int) -> None:
        """SIGTERM to a container, SIGKILL after `grace` seconds.

        Not the pod's own stop: podman answers 304 and stops nothing when one container of the pod has ended before.
        """
        query = {"timeout": str(grace), "t": str(grace)}
        self._json("POST", f"/containers/{_part(identity)}/stop", query, timeout=CALL_SECONDS + 2 * grace)

    def remove_pod(self, name: str) -> None:
        self._json("DELETE", f"/pods/{_part(name)}", {"force": "true"}, timeout=2 * CALL_SECONDS)

    def image_exists(self, reference: str) -> bool:
        try:
            self._json("GET", f"/images/{quote(reference, safe='/:@')}/exists")
        except PodmanError as error:
            if error.status == http.client.NOT_FOUND:
                return False
            raise
        return True

    def pull(self, reference: str) -> None:
        """Fetch the image from its registry, whether it is here already or not."""
        query = {"reference": reference, "policy": "always", "quiet": "true"}
        raw = self._call("POST", "/images/pull", query, timeout=PULL_SECONDS)
        # The answer is 200 even when the registry refuses: the error is in the stream of reports.
        for line in raw.splitlines():
            report = _parse(line)
            if isinstance(report, dict) and report.get("error"):
                raise PodmanError(str(report["error"]), status=http.client.OK, cause="pull")

    def volumes(self, label: str) -> list[dict[str, Any]]:
        """The volumes that carry `label` (`key=value`)."""
        answer: list[dict[str, Any]] = (
            self._json("GET", "/volumes/json", {"filters": json.dumps({"label": [label]})}) or []
        )
        return answer

    def create_volume(self, name: str, *, labels: Mapping[str, str], options: Mapping[str, str]) -> dict[str, Any]:
        # 4.3 reads the labels as `Label`, later versions as `Labels` too.
        body = {"Name": name, "Label": dict(labels), "Labels": dict(labels), "Options": dict(options)}
        answer: dict[str, Any] = self._json("POST", "/volumes/create", body=json.dumps(body).encode())
        return answer

    def remove_volume(self, name: str) -> None:
        self._json("DELETE", f"/volumes/{_part(name)}")

    def network(self, name: str) -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = self._json("GET", f"/networks/{_part(name)}/json")
        except PodmanError as error:
            if error.status == http.client.NOT_FOUND:
                return None
            raise
        return answer

    def create_network(self, definition: Mapping[str, Any]) -> None:
        self._json("POST", "/networks/create", body=json.dumps(definition).encode())

    def remove_network(self, name: str) -> None:
        self._json("DELETE", f"/networks/{_part(name)}")

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: bytes | None = None,
        content_type: str = "application/json",
        timeout: float = CALL_SECONDS,
    ) -> Any:
        raw = self._call(method, path, query, body=body, content_type=content_type, timeout=timeout)
        return _parse(raw) if raw.strip() else None

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: bytes | None = None,
        content_type: str = "application/json",
        timeout: float = CALL_SECONDS,
    ) -> bytes:
        connection = _Connection(self._path, timeout)
        target = API + path + (f"?{urlencode(query)}" if query else "")
        try:
            connection.request(method, target, body, {"Content-Type": content_type} if body else {})
            response = connection.getresponse()
            raw = response.read()
        except TimeoutError as error:
            raise PodmanError(f"podman did not answer {method} {path} within {timeout:g} s") from error
        except (OSError, http.client.HTTPException) as error:
            raise PodmanError(f"podman cannot be reached at {self._path}: {error}") from error
        finally:
            connection.close()
        if response.status >= http.client.BAD_REQUEST:
            raise _error(response.status, raw)
        return raw


def _part(text: str) -> str:
    return quote(text, safe="")


def _parse(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError as error:
        raise PodmanError("podman's answer is no JSON", status=http.client.OK) from error


def _error(status: int, raw: bytes) -> PodmanError:
    try:
        data = json.loads(raw)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        return PodmanError(raw.decode("utf-8", "replace") or f"HTTP {status}", status=status)
    return PodmanError(str(data.get("message", f"HTTP {status}")), status=status, cause=str(data.get("cause", "")))
