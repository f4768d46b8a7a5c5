"""The distribution's nginx, and the unit of ours that runs it. The host's own nginx files and unit are never touched."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from skatelet.system import command

UNIT = "skatelet-ingress.service"
NOT_LOADED = 5
_VERSION = re.compile(r"nginx/(\d+)\.(\d+)\.(\d+)")
_EMERGENCY = re.compile(r"\[emerg\] (?:\d+#\d+: )?(.*?)(?: in /\S+:\d+)?$", re.MULTILINE)
_PROCESS = re.compile(r'\("([^"]+)",pid=(\d+)')


@dataclass(frozen=True, kw_only=True, order=True)
class Listener:
    """A process that listens on a port."""

    port: int
    process: str
    pid: int
    """0 where it is not known."""


class NginxError(Exception):
    """nginx, or its unit, that did not do what it was told to; the message is nginx's own."""


def version(binary: Path) -> tuple[int, ...] | None:
    """nginx's version; None where it is not installed. Raises NginxError."""
    try:
        done = subprocess.run([str(binary), "-v"], capture_output=True, text=True, timeout=30, check=False)
    except FileNotFoundError:
        return None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NginxError(f"nginx cannot be run: {error}") from error
    found = parsed_version(done.stderr + done.stdout)
    if found is None:
        raise NginxError("nginx does not say its version")
    return found


def parsed_version(text: str) -> tuple[int, ...] | None:
    """The version in what `nginx -v` prints. Pure."""
    found = _VERSION.search(text)
    return tuple(int(part) for part in found.groups()) if found else None


def refusal(binary: Path, *, prefix: Path, configuration: Path, pid: Path) -> str:
    """Why nginx would not take `configuration`; empty where it would. Listens on nothing, and leaves what runs alone.

    Raises NginxError when nginx cannot be asked.
    """
    argv = [str(binary), "-t", "-q", "-p", f"{prefix}/", "-c", str(configuration), "-g", f"pid {pid};"]
    try:
        command.run(argv)
    except command.CommandError as error:
        if error.exit_code < 0:
            raise NginxError(str(error)) from error
        return reason(error.stderr)
    return ""


def reason(text: str) -> str:
    """Why nginx refused, out of what it printed: without process numbers and paths, which are others each time. Pure."""
    found = _EMERGENCY.search(text)
    return found[1] if found else "nginx refused the configuration, and did not say why"


def start() -> None:
    """Start the unit, also one that has failed before. Raises NginxError."""
    _systemctl("reset-failed", fails=False)
    _systemctl("start")


def reload() -> None:
    """Have nginx read its configuration again. Raises NginxError."""
    _systemctl("reload")


def stop() -> None:
    """Stop the unit. Raises NginxError."""
    _systemctl("stop")


def listeners(ports: tuple[int, ...]) -> list[Listener]:
    """Who listens on `ports`. Raises NginxError."""
    condition = " or ".join(f"sport = :{port}" for port in ports)
    try:
        text = command.run(["ss", "-H", "-l", "-t", "-n", "-p", f"( {condition} )"])
    except command.CommandError as error:
        raise NginxError(str(error)) from error
    return listening(text)


def listening(text: str) -> list[Listener]:
    """What `ss -Hltnp` printed, as `listeners` gives it. Pure."""
    found = set()
    for line in text.splitlines():
        fields = line.split()
        port = fields[3].rpartition(":")[2] if len(fields) > 3 else ""
        for name, pid in _PROCESS.findall(line) or [("an unknown process", "0")]:
            if port.isdecimal():
                found.add(Listener(port=int(port), process=name, pid=int(pid)))
    return sorted(found)


def _systemctl(verb: str, *, fails: bool = True) -> None:
    try:
        command.run(["systemctl", verb, UNIT], timeout=60)
    except command.CommandError as error:
        if fails and not (verb == "stop" and error.exit_code == NOT_LOADED):
            raise NginxError(f"systemctl {verb} {UNIT}: {error}") from error
