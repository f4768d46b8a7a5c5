"""Deployment (https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/deployment-v1/)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from skate.manifests import problems
from skate.manifests.models import meta, pod, scalars


class RollingUpdateDeployment(scalars.Model):
    max_unavailable: scalars.IntOrPercent = "25%"
    max_surge: scalars.IntOrPercent = "25%"

    @model_validator(mode="after")
    def _can_make_progress(self) -> RollingUpdateDeployment:
        wrong: list[problems.Problem] = []
        if isinstance(self.max_unavailable, str) and int(self.max_unavailable[:-1]) > 100:
            wrong.append(problems.invalid(("maxUnavailable",), self.max_unavailable, "must not be greater than 100%"))
        if _share(self.max_unavailable, 100) == 0 and _share(self.max_surge, 100) == 0:
            sentence = "may not be 0 when `maxSurge` is 0"
            wrong.append(problems.invalid(("maxUnavailable",), self.max_unavailable, sentence))
        if wrong:
            raise problems.errors(*wrong)
        return self

    def unavailable(self, replicas: int) -> int:
        """How many of `replicas` may be missing during a rollout: rounded down, but one where nothing could move."""
        count = _share(self.max_unavailable, replicas)
        return 1 if count == 0 and self.surge(replicas) == 0 else min(count, replicas)

    def surge(self, replicas: int) -> int:
        """How many more than `replicas` there may be during a rollout: rounded up."""
        return _share(self.max_surge, replicas, up=True)


class DeploymentStrategy(scalars.Model):
    type: Literal["Recreate", "RollingUpdate"] = "RollingUpdate"
    rolling_update: RollingUpdateDeployment | None = None
    """None where it is left out; `rolling` says what holds then."""

    @model_validator(mode="after")
    def _recreate_does_not_roll(self) -> DeploymentStrategy:
        if self.type == "Recreate" and self.rolling_update is not None:
            sentence = "Forbidden: may not be specified when strategy `type` is 'Recreate'"
            raise problems.errors(problems.Problem(("rollingUpdate",), sentence))
        return self

    def rolling(self) -> RollingUpdateDeployment:
        return self.rolling_update or RollingUpdateDeployment()


class DeploymentSpec(scalars.Model):
    replicas: scalars.Count = 1
    selector: meta.LabelSelector
    template: pod.PodTemplateSpec
    strategy: DeploymentStrategy = Field(default_factory=DeploymentStrategy)
    min_ready_seconds: scalars.Count = 0
    revision_history_limit: scalars.Count = 10
    progress_deadline_seconds: scalars.Count = 600

    @model_validator(mode="after")
    def _selects_its_own_pods_and_keeps_them_running(self) -> DeploymentSpec:
        wrong: list[problems.Problem] = []
        labels = self.template.metadata.labels
        if self.selector.is_empty():
            wrong.append(problems.invalid(("selector",), {}, "empty selector is invalid for deployment"))
        elif not self.selector.matches(labels):
            sentence = "`selector` does not match template `labels`"
            wrong.append(problems.invalid(("template", "metadata", "labels"), labels, sentence))
        restart = self.template.spec.restart_policy
        if restart != "Always":
            wrong.append(problems.unsupported(("template", "spec", "restartPolicy"), restart, ["Always"]))
        if self.progress_deadline_seconds <= self.min_ready_seconds:
            sentence = "must be greater than minReadySeconds"
            wrong.append(problems.invalid(("progressDeadlineSeconds",), self.progress_deadline_seconds, sentence))
        if wrong:
            raise problems.errors(*wrong)
        return self


class Deployment(scalars.Model):
    api_version: Literal["apps/v1"]
    kind: Literal["Deployment"]
    metadata: meta.ObjectMeta
    spec: DeploymentSpec


def _share(value: int | str, whole: int, *, up: bool = False) -> int:
    if isinstance(value, int):
        return value
    percent = int(value[:-1]) * whole
    return -(-percent // 100) if up else percent // 100
