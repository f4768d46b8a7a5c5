"""Pod, PodSpec and volumes (https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/).

Only what `podman kube play` and the scheduler do today is here. A field added to a model is a field that skate does: nothing
else has to be told. Tried with podman 4.3 and 5.4, and left out of a container for it: `stdin` (neither opens it) and
`volumeMounts.subPath` (4.3 mounts the whole volume without a word).
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, model_validator

from skate.manifests import formats, problems
from skate.manifests.models import meta, scalars
from skate.manifests.models.container import Container

HostPathType = Literal[
    "", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"
]
MAX_NAMESERVERS = 3
MAX_SEARCHES = 32
MAX_SEARCH_TEXT = 2048
_OPTION = re.compile(r"[A-Za-z0-9._/-]+")


class EmptyDirVolumeSource(scalars.Model):
    medium: Literal["", "Memory"] = ""
    size_limit: scalars.Quantity | None = None


class HostPathVolumeSource(scalars.Model):
    path: scalars.AbsolutePath
    type: HostPathType = ""


class Volume(scalars.Model):
    """A volume has exactly one source; every field here but `name` is one."""

    name: scalars.DnsLabel
    empty_dir: EmptyDirVolumeSource | None = None
    host_path: HostPathVolumeSource | None = None

    @model_validator(mode="after")
    def _has_exactly_one_source(self) -> Volume:
        sources = [
            field.alias or name
            for name, field in type(self).model_fields.items()
            if name != "name" and getattr(self, name) is not None
        ]
        if not sources:
            raise problems.errors(problems.required((), "must specify a volume type"))
        if len(sources) > 1:
            sentence = "Forbidden: may not specify more than 1 volume type"
            raise problems.errors(*[problems.Problem((name,), sentence) for name in sources[1:]])
        return self


class HostAlias(scalars.Model):
    ip: scalars.IpAddress
    hostnames: list[scalars.DnsSubdomain] = Field(default_factory=list)


class PodDNSConfigOption(scalars.Model):
    name: scalars.Text = ""
    value: scalars.Text | None = None

    @model_validator(mode="after")
    def _stands_in_one_line(self) -> PodDNSConfigOption:
        wrong = [] if self.name else [problems.required(("name",), "must not be empty")]
        for field, text in (("name", self.name), ("value", self.value or "")):
            if text and not _OPTION.fullmatch(text):
                sentence = "must consist of letters, digits, '-', '_', '.' or '/', to stand in resolv.conf"
                wrong.append(problems.invalid((field,), text, sentence))
        if wrong:
            raise problems.errors(*wrong)
        return self


class PodDNSConfig(scalars.Model):
    nameservers: list[scalars.IpAddress] = Field(default_factory=list)
    searches: list[scalars.Text] = Field(default_factory=list)
    options: list[PodDNSConfigOption] = Field(default_factory=list)

    @model_validator(mode="after")
    def _fits_into_resolv_conf(self) -> PodDNSConfig:
        wrong = []
        if len(self.nameservers) > MAX_NAMESERVERS:
            sentence = f"must not have more than {MAX_NAMESERVERS} nameservers"
            wrong.append(problems.invalid(("nameservers",), self.nameservers, sentence))
        if len(self.searches) > MAX_SEARCHES:
            sentence = f"must not have more than {MAX_SEARCHES} search paths"
            wrong.append(problems.invalid(("searches",), self.searches, sentence))
        if len(" ".join(self.searches)) > MAX_SEARCH_TEXT:
            sentence = f"must not have more than {MAX_SEARCH_TEXT} characters (including spaces) in the search list"
            wrong.append(problems.invalid(("searches",), self.searches, sentence))
        wrong += [
            problems.invalid(("searches", index), name, sentence)
            for index, name in enumerate(self.searches)
            for sentence in formats.dns_subdomain(name.removesuffix("."))
        ]
        if wrong:
            raise problems.errors(*wrong)
        return self


class PodSpec(scalars.Model):
    containers: list[Container]
    volumes: list[Volume] = Field(default_factory=list)
    restart_policy: Literal["Always", "OnFailure", "Never"] = "Always"
    termination_grace_period_seconds: scalars.Seconds = 30
    node_name: scalars.OptionalDnsSubdomain = ""
    node_selector: scalars.SelectorLabels = Field(default_factory=dict)
    host_network: bool = False
    dns_policy: Literal["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"] = "ClusterFirst"
    dns_config: PodDNSConfig | None = None
    hostname: scalars.OptionalDnsLabel = ""
    host_aliases: list[HostAlias] = Field(default_factory=list)

    @model_validator(mode="after")
    def _parts_fit_together(self) -> PodSpec:
        wrong = [] if self.containers else [problems.required(("containers",))]
        wrong += self._repeated_names("containers", [container.name for container in self.containers])
        wrong += self._repeated_names("volumes", [volume.name for volume in self.volumes])
        wrong += self._mounts_without_volume() + self._host_port_conflicts() + self._nobody_to_ask()
        if wrong:
            raise problems.errors(*wrong)
        return self

    def cpu_millis(self) -> int:
        """What the scheduler counts for the whole pod, in millicores."""
        return sum(container.resources.cpu_millis() for container in self.containers)

    def memory_bytes(self) -> int:
        """What the scheduler counts for the whole pod, in bytes."""
        return sum(container.resources.memory_bytes() for container in self.containers)

    def host_ports(self) -> set[tuple[str, str, int]]:
        """Every (protocol, host address or "", port) that the pod takes on its node."""
        taken: set[tuple[str, str, int]] = set()
        for container in self.containers:
            for port in container.ports:
                number = port.host_port or (port.container_port if self.host_network else 0)
                if number:
                    taken.add((port.protocol, port.host_ip, number))
        return taken

    @staticmethod
    def _repeated_names(field: str, names: list[str]) -> list[problems.Problem]:
        return [
            problems.duplicate((field, index, "name"), name)
            for index, name in enumerate(names)
            if name in names[:index]
        ]

    def _mounts_without_volume(self) -> list[problems.Problem]:
        volumes = {volume.name for volume in self.volumes}
        return [
            problems.Problem(
                ("containers", index, "volumeMounts", position, "name"), f"Not found: {problems.show(mount.name)}"
            )
            for index, container in enumerate(self.containers)
            for position, mount in enumerate(container.volume_mounts)
            if mount.name not in volumes
        ]

    def _nobody_to_ask(self) -> list[problems.Problem]:
        if self.dns_policy != "None":
            return []
        if self.dns_config is None:
            return [problems.required(("dnsConfig",), "must provide `dnsConfig` when `dnsPolicy` is None")]
        if not self.dns_config.nameservers:
            sentence = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            return [problems.required(("dnsConfig", "nameservers"), sentence)]
        return []

    def _host_port_conflicts(self) -> list[problems.Problem]:
        wrong: list[problems.Problem] = []
        taken: set[str] = set()
        for index, container in enumerate(self.containers):
            for position, port in enumerate(container.ports):
                path: problems.Path = ("containers", index, "ports", position)
                if self.host_network and port.host_port not in (0, port.container_port):
                    sentence = "must match `hostPort` when `hostNetwork` is true"
                    wrong.append(problems.invalid((*path, "containerPort"), port.container_port, sentence))
                if not port.host_port:
                    continue
                slot = f"{port.protocol}/{port.host_ip}/{port.host_port}"
                if slot in taken:
                    wrong.append(problems.duplicate((*path, "hostPort"), slot))
                taken.add(slot)
        return wrong


class PodTemplateSpec(scalars.Model):
    metadata: meta.TemplateMeta = Field(default_factory=meta.TemplateMeta)
    spec: PodSpec


class Pod(scalars.Model):
    api_version: Literal["v1"]
    kind: Literal["Pod"]
    metadata: meta.ObjectMeta
    spec: PodSpec
