"""Container and what hangs on it
(https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#Container)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from skate import quantity
from skate.manifests import problems
from skate.manifests.models import scalars

PullPolicy = Literal["Always", "IfNotPresent", "Never"]


class EnvVar(scalars.Model):
    name: scalars.EnvName
    value: scalars.Text = ""


class ContainerPort(scalars.Model):
    container_port: scalars.Port
    host_port: scalars.OptionalPort = 0
    host_ip: scalars.OptionalIpAddress = Field(default="", alias="hostIP")
    protocol: Literal["SCTP", "TCP", "UDP"] = "TCP"
    name: scalars.OptionalPortName = ""


class ResourceList(scalars.Model):
    cpu: scalars.Quantity | None = None
    memory: scalars.Quantity | None = None


class ResourceRequirements(scalars.Model):
    limits: ResourceList = Field(default_factory=ResourceList)
    requests: ResourceList = Field(default_factory=ResourceList)

    @model_validator(mode="after")
    def _requests_lie_within_limits(self) -> ResourceRequirements:
        wrong: list[problems.Problem] = []
        for name in ("cpu", "memory"):
            request, limit = getattr(self.requests, name), getattr(self.limits, name)
            if request is not None and limit is not None and quantity.parse(request) > quantity.parse(limit):
                sentence = f"must be less than or equal to {name} limit of {limit}"
                wrong.append(problems.invalid(("requests", name), request, sentence))
        if wrong:
            raise problems.errors(*wrong)
        return self

    def cpu_millis(self) -> int:
        """What the scheduler counts, in millicores: the request, the limit where there is none, else 0."""
        raw = self.requests.cpu if self.requests.cpu is not None else self.limits.cpu
        return 0 if raw is None else quantity.parse_cpu_millis(raw)

    def memory_bytes(self) -> int:
        """What the scheduler counts, in bytes: the request, the limit where there is none, else 0."""
        raw = self.requests.memory if self.requests.memory is not None else self.limits.memory
        return 0 if raw is None else quantity.parse_bytes(raw)


class VolumeMount(scalars.Model):
    name: scalars.DnsLabel
    mount_path: scalars.AbsolutePath
    read_only: bool = False


class Capabilities(scalars.Model):
    add: list[scalars.Text] = Field(default_factory=list)
    drop: list[scalars.Text] = Field(default_factory=list)


class SecurityContext(scalars.Model):
    privileged: bool | None = None
    run_as_user: scalars.Id | None = None
    run_as_group: scalars.Id | None = None
    read_only_root_filesystem: bool | None = None
    allow_privilege_escalation: bool | None = None
    capabilities: Capabilities = Field(default_factory=Capabilities)

    @model_validator(mode="after")
    def _escalation_is_not_both_given_and_denied(self) -> SecurityContext:
        if self.allow_privilege_escalation is False and self.privileged:
            sentence = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            raise problems.errors(problems.invalid(("allowPrivilegeEscalation",), False, sentence))
        return self


class Container(scalars.Model):
    name: scalars.DnsLabel
    image: scalars.Image
    command: list[scalars.Text] = Field(default_factory=list)
    args: list[scalars.Text] = Field(default_factory=list)
    working_dir: scalars.OptionalAbsolutePath = ""
    env: list[EnvVar] = Field(default_factory=list)
    ports: list[ContainerPort] = Field(default_factory=list)
    resources: ResourceRequirements = Field(default_factory=ResourceRequirements)
    volume_mounts: list[VolumeMount] = Field(default_factory=list)
    image_pull_policy: PullPolicy | None = None
    security_context: SecurityContext = Field(default_factory=SecurityContext)
    tty: bool = False

    @model_validator(mode="after")
    def _names_and_paths_are_unique(self) -> Container:
        wrong = _repeated(("ports",), "name", [port.name for port in self.ports])
        paths = [mount.mount_path for mount in self.volume_mounts]
        for index, path in enumerate(paths):
            if path in paths[:index]:
                wrong.append(problems.invalid(("volumeMounts", index, "mountPath"), path, "must be unique"))
        if wrong:
            raise problems.errors(*wrong)
        return self

    def pull_policy(self) -> PullPolicy:
        """The policy that holds: the one given, else Always for the tag latest or none, else IfNotPresent.

        https://kubernetes.io/docs/concepts/containers/images/#imagepullpolicy-defaulting
        """
        if self.image_pull_policy is not None:
            return self.image_pull_policy
        if "@" in self.image:
            return "IfNotPresent"
        _, colon, tag = self.image.rpartition("/")[2].partition(":")
        return "Always" if not colon or tag == "latest" else "IfNotPresent"


def _repeated(path: problems.Path, field: str, values: list[str]) -> list[problems.Problem]:
    return [
        problems.duplicate((*path, index, field), value)
        for index, value in enumerate(values)
        if value and value in values[:index]
    ]
