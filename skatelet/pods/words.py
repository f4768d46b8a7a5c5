"""Actions on pods, in words."""

from __future__ import annotations

from skatelet.pods import memory, model


def outcome(result: memory.Result) -> str:
    """What came of an action, for the journal."""
    if result.failure is not None:
        return result.failure.reason
    if result.replay:
        return "it is to be made anew"
    failed = [item.name for item in result.started if item.error]
    return f"did not start: {', '.join(failed)}" if failed else "done"


def about(action: model.Action) -> str:
    """The pod an action is on, as events name it."""
    if isinstance(action, model.Remove):
        return f"pod/{action.pod.namespace}/{action.pod.instance}"
    return f"pod/{action.pod.namespace}/{action.pod.name}"
