"""The one exception tree of the developer's side. Only the CLI turns it into words and an exit code.

Every error says what is wrong, where, and what to do next (`hint`). Several mistakes found at once travel together in
one `SkateError` with `details`.
"""

from __future__ import annotations

from collections.abc import Sequence


class SkateError(Exception):
    """What a user did, or the world is, wrong. `details` are further lines; `hint` says what to do next."""

    exit_code = 1

    def __init__(self, message: str, *, details: Sequence[str] = (), hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.details = list(details)
        self.hint = hint


class ManifestError(SkateError):
    """Manifests that cannot be accepted; one detail a mistake, each with file, document, line and field."""


class ScheduleError(SkateError):
    """Instances that fit nowhere; one detail an instance, in kube-scheduler's words."""


class ConfigError(SkateError):
    """The registry (`~/.skate/config.yaml`) is missing something or cannot be read."""


class NodeError(SkateError):
    """A node cannot be reached, or is not fit to be one."""


class NotFoundError(SkateError):
    """Objects that are not there, one text each in kubectl's words: `pods "web" not found`."""

    def __init__(self, missing: Sequence[str], *, hint: str = "") -> None:
        super().__init__("; ".join(missing), hint=hint)
        self.missing = list(missing)


class ConflictError(SkateError):
    """Somebody else published first."""
