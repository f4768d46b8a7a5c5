"""The little that skatelet asks of systemd itself: to be started again at a later time.

A crash-looping container is restarted minutes later. Rather than wait in memory, skatelet leaves a transient timer in PID 1.
It has one fixed name, so there is never more than one, and it vanishes once it has elapsed.
"""

from __future__ import annotations

import math

from skatelet.system import command

UNIT = "skatelet-again"
NOT_LOADED = 5
"""systemctl's exit code when there is no such unit, which here is as good as stopped."""


def start_again_in(seconds: float) -> None:
    """Have systemd start skatelet.service in `seconds`, in place of any earlier such request. Raises CommandError."""
    cancel()
    command.run(
        [
            "systemd-run",
            "--quiet",
            "--collect",
            f"--unit={UNIT}",
            f"--on-active={max(1, math.ceil(seconds))}s",
            "--timer-property=AccuracySec=1s",
            "--description=Wake skatelet for a restart that is due",
            "systemctl",
            "start",
            "--no-block",
            "skatelet.service",
        ]
    )


def cancel() -> None:
    """Forget the earlier request, if there is one. Raises CommandError."""
    try:
        command.run(["systemctl", "stop", "--quiet", f"{UNIT}.timer", f"{UNIT}.service"])
    except command.CommandError as error:
        if error.exit_code != NOT_LOADED:
            raise
