"""kubectl's tables, cell by cell."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from skate import printers

NOW = datetime.datetime(2030, 1, 1, 12, tzinfo=datetime.UTC)


def ago(seconds: float) -> str:
    return (NOW - datetime.timedelta(seconds=seconds)).isoformat()


# The cases of k8s.io/apimachinery's own duration_test.go.
@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "1s"),
        (70, "70s"),
        (190, "3m10s"),
        (180, "3m"),
        (47 * 60, "47m"),
        (70 * 60, "70m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 11 * 60, "3h11m"),
        (8 * 3600 + 20 * 60, "8h"),
        (49 * 3600, "2d1h"),
        (48 * 3600, "2d"),
        (8 * 86400, "8d"),
        (365 * 2 * 86400 - 1, "729d"),
        (365 * 2 * 86400, "2y"),
        (3 * 365 * 86400, "3y"),
        (7 * 365 * 86400 + 86400 * 20, "7y20d"),
        (9 * 365 * 86400, "9y"),
        (-5, "<invalid>"),
    ],
)
def test_ages_are_written_as_kubectl_writes_them(seconds: int, text: str) -> None:
    assert printers.human_duration(seconds) == text


def pod(*containers: dict[str, Any], phase: str = "Running", **status: Any) -> dict[str, Any]:
    return {
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default", "creationTimestamp": ago(60)},
        "spec": {"containers": [{"name": "a"}] * max(1, len(containers)), "nodeName": "n1"},
        "status": {"phase": phase, "containerStatuses": list(containers), **status},
    }


def container(
    ready: bool = False, restarts: int = 0, last: dict[str, Any] | None = None, **state: Any
) -> dict[str, Any]:
    result = {"name": "a", "ready": ready, "restartCount": restarts, "state": state}
    return result | ({"lastState": last} if last else {})


RUNNING = container(ready=True, running={"startedAt": ago(10)})
ENDED = {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": ago(300)}}


@pytest.mark.parametrize(
    ("item", "cells"),
    [
        (pod(RUNNING), ["web", "1/1", "Running", "0", "60s"]),
        (pod(phase="Pending"), ["web", "0/1", "Pending", "0", "60s"]),
        (
            pod(container(waiting={"reason": "ImagePullBackOff"}), phase="Pending"),
            ["web", "0/1", "ImagePullBackOff", "0", "60s"],
        ),
        (
            pod(container(restarts=3, last=ENDED, waiting={"reason": "CrashLoopBackOff"})),
            ["web", "0/1", "CrashLoopBackOff", "3 (5m ago)", "60s"],
        ),
        (
            pod(container(terminated={"exitCode": 0, "reason": "Completed"}), phase="Succeeded"),
            ["web", "0/1", "Completed", "0", "60s"],
        ),
        (
            pod(RUNNING, container(terminated={"exitCode": 0, "reason": "Completed"})),
            ["web", "1/2", "NotReady", "0", "60s"],
        ),
        (
            pod(container(terminated={"exitCode": 3, "reason": ""}), phase="Failed"),
            ["web", "0/1", "ExitCode:3", "0", "60s"],
        ),
        (pod(RUNNING, phase="Unknown", reason="NodeLost"), ["web", "1/1", "Unknown", "0", "60s"]),
        (pod(phase="Failed", reason="PortInUse"), ["web", "0/1", "PortInUse", "0", "60s"]),
    ],
)
def test_a_pod_is_shown_as_kubectl_shows_it(item: dict[str, Any], cells: list[str]) -> None:
    assert printers.PRINTERS["Pod"].row(item, NOW)[0] == cells


def test_a_pod_on_its_way_out_is_terminating() -> None:
    item = pod(RUNNING)
    item["metadata"]["deletionTimestamp"] = ago(1)
    assert printers.pod_reason(item) == "Terminating"


def test_columns_are_as_wide_as_their_widest_cell_with_three_blanks_between() -> None:
    text = printers.print_objects(
        "Pod", [pod(RUNNING)], wide=False, namespaces=True, labels=False, headers=True, now=NOW
    )
    assert text == (
        "NAMESPACE   NAME   READY   STATUS    RESTARTS   AGE\ndefault     web    1/1     Running   0          60s"
    )


def test_selectors_are_written_as_kubectl_writes_them() -> None:
    selector = {
        "matchLabels": {"b": "2", "a": "1"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["y", "x"]},
            {"key": "old", "operator": "DoesNotExist"},
        ],
    }
    assert printers.selector_text(selector) == "a=1,b=2,tier in (x,y),!old"
