"""Containers that podman calls running for ever though nothing of them runs.

Beside each container stands `conmon`, which tells podman of its end. When conmon itself was killed, by the kernel when memory was
short or by hand, the container runs on; but when it ends later, podman 4.3 and 5.4 do not notice and start nothing in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skatelet.paths import Paths
from skatelet.system.podman import Podman, PodmanError


def is_lost(container: Mapping[str, Any], *, paths: Paths, podman: Podman) -> bool:
    """Whether `container`, running by podman's list, has ended unseen. Asks podman only when its process is gone."""
    if _lives(paths, container.get("Pid")):
        return False
    try:
        state = podman.container(str(container["Id"])).get("State") or {}
    except PodmanError:
        return False
    # An end that is just being noted has its conmon until it is noted.
    return (
        bool(state.get("Running")) and not _lives(paths, state.get("Pid")) and not _lives(paths, state.get("ConmonPid"))
    )


def _lives(paths: Paths, process: Any) -> bool:
    """Unknown numbers count as living."""
    return not process or paths.proc(str(int(process))).exists()
