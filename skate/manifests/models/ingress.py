"""Ingress (https://kubernetes.io/docs/reference/kubernetes-api/service-resources/ingress-v1/)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from skate.manifests import ingress_annotations, problems
from skate.manifests.models import meta, scalars


def _path_type(value: str) -> str:
    if value not in ("Exact", "ImplementationSpecific", "Prefix"):
        raise problems.errors(problems.unsupported((), value, ["Exact", "ImplementationSpecific", "Prefix"]))
    return value


def _class(value: str) -> str:
    if wrong := ingress_annotations.class_problems(value):
        raise problems.errors(*[problems.invalid((), value, sentence) for sentence in wrong])
    return value


class ServiceBackendPort(scalars.Model):
    name: scalars.OptionalPortName = ""
    number: scalars.OptionalPort = 0


class IngressServiceBackend(scalars.Model):
    name: scalars.Text = ""
    port: ServiceBackendPort = Field(default_factory=ServiceBackendPort)

    @model_validator(mode="after")
    def _names_one_port_of_one_service(self) -> IngressServiceBackend:
        wrong: list[problems.Problem] = []
        if not self.name:
            wrong.append(problems.required(("name",)))
        else:
            sentences = ingress_annotations.backend_name_problems(self.name)
            wrong += [problems.invalid(("name",), self.name, sentence) for sentence in sentences]
        if self.port.name and self.port.number:
            wrong.append(problems.Problem(("port",), "Invalid value: cannot set both port name & port number"))
        elif not self.port.name and not self.port.number:
            wrong.append(problems.required(("port",), "port name or number is required"))
        if wrong:
            raise problems.errors(*wrong)
        return self


class IngressBackend(scalars.Model):
    service: IngressServiceBackend


class HTTPIngressPath(scalars.Model):
    path: scalars.Text = ""
    path_type: Annotated[scalars.Text, AfterValidator(_path_type)]
    backend: IngressBackend


class HTTPIngressRuleValue(scalars.Model):
    paths: list[HTTPIngressPath]

    @model_validator(mode="after")
    def _has_paths(self) -> HTTPIngressRuleValue:
        if not self.paths:
            raise problems.errors(problems.required(("paths",)))
        return self


class IngressRule(scalars.Model):
    host: scalars.OptionalHostName = ""
    """Empty: every host that no other rule names."""
    http: HTTPIngressRuleValue | None = None


class IngressTLS(scalars.Model):
    hosts: list[scalars.HostName] = Field(default_factory=list)
    secret_name: scalars.OptionalDnsSubdomain = ""


class IngressSpec(scalars.Model):
    ingress_class_name: Annotated[scalars.Text, AfterValidator(_class)] = ""
    default_backend: IngressBackend | None = None
    rules: list[IngressRule] = Field(default_factory=list)
    tls: list[IngressTLS] = Field(default_factory=list)

    @model_validator(mode="after")
    def _leads_somewhere(self) -> IngressSpec:
        if not self.rules and self.default_backend is None:
            sentence = "either `defaultBackend` or `rules` must be specified"
            raise problems.errors(problems.invalid((), {}, sentence))
        return self


class Ingress(scalars.Model):
    api_version: Literal["networking.k8s.io/v1"]
    kind: Literal["Ingress"]
    metadata: meta.IngressMeta
    spec: IngressSpec

    @model_validator(mode="after")
    def _paths_and_annotations_fit_together(self) -> Ingress:
        annotations = self.metadata.annotations
        wrong: list[problems.Problem] = []
        if self.spec.ingress_class_name and ingress_annotations.CLASS in annotations:
            path: problems.Path = ("metadata", "annotations", ingress_annotations.CLASS)
            value = annotations[ingress_annotations.CLASS]
            wrong.append(problems.invalid(path, value, "can not be set when the class field is also set"))
        patterns = ingress_annotations.has_patterns(annotations)
        for index, rule in enumerate(self.spec.rules):
            for position, item in enumerate(rule.http.paths if rule.http else ()):
                place: problems.Path = ("spec", "rules", index, "http", "paths", position, "path")
                sentences = ingress_annotations.path_problems(item.path, item.path_type, patterns=patterns)
                wrong += [problems.invalid(place, item.path, sentence) for sentence in sentences]
        if wrong:
            raise problems.errors(*wrong)
        return self
