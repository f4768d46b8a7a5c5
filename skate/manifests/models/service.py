"""Service (https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/).

There are no virtual addresses: a Service is a name, and what stands behind it are the addresses of its ready pods. So ClusterIP
and headless are the same, and NodePort and LoadBalancer have nothing to stand on: Ingress and hostPort do their work.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from skate.manifests import formats, problems
from skate.manifests.models import meta, scalars

_INSTEAD = "skate opens no ports on nodes for a Service: use an Ingress for HTTP, or hostPort in the pod for the rest"


def _type(value: str) -> str:
    if value in ("NodePort", "LoadBalancer"):
        raise problems.errors(problems.Problem((), f"Unsupported value: {problems.show(value)}: {_INSTEAD}"))
    if value not in ("ClusterIP", "ExternalName"):
        raise problems.errors(problems.unsupported((), value, ["ClusterIP", "ExternalName"]))
    return value


def _cluster_ip(value: str) -> str:
    if value not in ("", "None") and formats.ip_address(value):
        sentence = "must be empty, 'None', or a valid IP address"
        raise problems.errors(problems.invalid((), value, sentence))
    return value


class ServicePort(scalars.Model):
    name: scalars.OptionalDnsLabel = ""
    port: scalars.Port
    target_port: scalars.PortOrName | None = None
    """None: the same as `port`."""
    protocol: Literal["SCTP", "TCP", "UDP"] = "TCP"
    app_protocol: scalars.OptionalQualifiedName = ""


class ServiceSpec(scalars.Model):
    type: Annotated[scalars.Text, AfterValidator(_type)] = "ClusterIP"
    selector: scalars.SelectorLabels = Field(default_factory=dict)
    ports: list[ServicePort] = Field(default_factory=list)
    cluster_ip: Annotated[scalars.Text, AfterValidator(_cluster_ip)] = Field(default="", alias="clusterIP")
    """Nothing comes of it, whatever it is."""
    external_name: scalars.Text = ""

    @model_validator(mode="after")
    def _parts_fit_together(self) -> ServiceSpec:
        wrong = self._external() if self.type == "ExternalName" else []
        if self.type == "ClusterIP" and self.cluster_ip != "None" and not self.ports:
            wrong.append(problems.required(("ports",)))
        names = [port.name for port in self.ports]
        slots = [(port.protocol, port.port) for port in self.ports]
        for index, port in enumerate(self.ports):
            if not port.name and len(self.ports) > 1:
                wrong.append(problems.required(("ports", index, "name")))
            if port.name and port.name in names[:index]:
                wrong.append(problems.duplicate(("ports", index, "name"), port.name))
            if slots[index] in slots[:index]:
                wrong.append(problems.duplicate(("ports", index), f"{port.port}/{port.protocol}"))
        if wrong:
            raise problems.errors(*wrong)
        return self

    def _external(self) -> list[problems.Problem]:
        if self.cluster_ip:
            return [problems.Problem(("clusterIP",), "Forbidden: may not be set for ExternalName services")]
        name = self.external_name.removesuffix(".")
        if not name:
            return [problems.required(("externalName",))]
        wrong = formats.dns_subdomain(name)
        try:
            ipaddress.ip_address(name)
        except ValueError:
            pass
        else:
            wrong.append("must be a DNS name, not an IP address")
        return [problems.invalid(("externalName",), self.external_name, sentence) for sentence in wrong]


class Service(scalars.Model):
    api_version: Literal["v1"]
    kind: Literal["Service"]
    metadata: meta.ServiceMeta
    spec: ServiceSpec
