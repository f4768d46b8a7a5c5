"""When an apply is over: what each status means for each instance."""

from __future__ import annotations

from typing import Any

import pytest

from skate import waiting
from skatelet.contract import bundle, status

PLACEMENT = bundle.Placement(instance="web-1", node="n1", address="10.66.1.2", hash="h1")
INFO = status.NodeInfo(
    capacity=status.Resources(cpu_millis=1, memory_bytes=1, pods=1),
    allocatable=status.Resources(cpu_millis=1, memory_bytes=1, pods=1),
    os_image="",
    kernel="",
    architecture="amd64",
    podman_version="",
    skatelet_version="",
    boot_time="",
)


def said(*instances: status.InstanceStatus, seen: int = 5, **more: Any) -> dict[str, status.Status]:
    return {
        "n1": status.Status(
            cluster="c", node="n1", time="", generation_seen=seen, info=INFO, instances=list(instances), **more
        )
    }


def instance(
    phase: str = "Running",
    ready: bool = True,
    hash: str = "h1",
    restarts: int = 0,
    reason: str = "",
    address: str = "10.66.1.2",
    desired: bool = True,
    **state: Any,
) -> status.InstanceStatus:
    container = status.ContainerStatus(
        name="a", image="i", ready=ready, restarts=restarts, state=status.ContainerState(**state)
    )
    return status.InstanceStatus(
        name="web-1",
        namespace="default",
        owner=bundle.Owner(kind="Deployment", name="web"),
        hash=hash,
        address=address,
        desired=desired,
        phase=phase,
        ready=ready,
        reason=reason,
        containers=[container],
    )


UP = {"running": status.Running(started_at="")}


def waits_for(reason: str) -> dict[str, Any]:
    return {"phase": "Pending", "ready": False, "waiting": status.Waiting(reason=reason, message="because")}


@pytest.mark.parametrize(
    ("statuses", "verdict", "reason"),
    [
        (said(instance(**UP)), "running", "Running"),
        (said(), "waiting", "Pending"),
        (said(instance(**UP), seen=4), "waiting", "Pending"),
        (said(instance(hash="old", **UP)), "waiting", "Pending"),
        (said(instance(address="10.66.1.9", **UP)), "waiting", "Pending"),
        (said(instance(desired=False, **UP)), "waiting", "Pending"),
        (said(instance(**waits_for("ContainerCreating"))), "waiting", "ContainerCreating"),
        (said(instance(**waits_for("ErrImagePull"))), "failed", "ErrImagePull"),
        (said(instance(**waits_for("CrashLoopBackOff"))), "failed", "CrashLoopBackOff"),
        (said(instance(phase="Succeeded", ready=False)), "running", "Completed"),
        (said(instance(phase="Failed", ready=False)), "failed", "Failed"),
        (said(instance(phase="Pending", ready=False, reason="PortInUse")), "failed", "PortInUse"),
        (
            said(seen=4, rejected=[status.Rejection(time="", generation=5, reason="Altered", message="m")]),
            "failed",
            "BundleAltered",
        ),
        (
            said(seen=4, rejected=[status.Rejection(time="", generation=4, reason="Altered", message="m")]),
            "waiting",
            "Pending",
        ),
    ],
)
def test_an_instance_is_judged_by_what_its_node_says(
    statuses: dict[str, status.Status], verdict: str, reason: str
) -> None:
    (judged,) = waiting.judge(wanted=[("default", PLACEMENT)], statuses=statuses, generation=5)
    assert (judged.verdict.value, judged.reason) == (verdict, reason)


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [(said(), "running"), (said(instance(**UP)), "waiting"), (said(seen=4), "waiting")],
)
def test_what_was_deleted_is_waited_for_until_it_is_gone(statuses: dict[str, status.Status], verdict: str) -> None:
    (judged,) = waiting.judge(wanted=[], gone=[("default", PLACEMENT)], statuses=statuses, generation=5)
    assert judged.verdict.value == verdict


def test_nothing_is_said_of_a_node_that_does_not_answer() -> None:
    assert waiting.judge(wanted=[("default", PLACEMENT)], statuses={}, generation=5) == []


def test_what_was_refused_before_does_not_concern_what_is_dropped_again() -> None:
    old = status.Rejection(time="t1", generation=5, reason="StorageFailed", message="no space")
    new = old.model_copy(update={"time": "t2"})
    (said_now,) = said(seen=4, rejected=[old, new]).values()
    assert waiting.without_refusals(said_now, [old]).rejected == [new]
    assert waiting.without_refusals(said_now, []).rejected == [old, new]
