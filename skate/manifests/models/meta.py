"""ObjectMeta and LabelSelector (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from skate.manifests import ingress_annotations, problems
from skate.manifests.models import scalars


class TemplateMeta(scalars.Model):
    """The metadata of a pod template: nothing but labels and annotations means anything there."""

    labels: scalars.Labels = Field(default_factory=dict)
    annotations: scalars.Annotations = Field(default_factory=dict)

    @classmethod
    def kubernetes_type(cls) -> str:
        return "ObjectMeta"


class ObjectMeta(TemplateMeta):
    """The metadata of an object that lies in a namespace."""

    name: scalars.DnsSubdomain
    namespace: scalars.DnsLabel = "default"


class ServiceMeta(ObjectMeta):
    """The metadata of a Service, whose name is a label in DNS."""

    name: scalars.Dns1035Label


class IngressMeta(ObjectMeta):
    """The metadata of an Ingress, whose annotations mean something."""

    @model_validator(mode="after")
    def _annotations_mean_what_is_done(self) -> IngressMeta:
        found = ingress_annotations.check(self.annotations, self.namespace)
        if found:
            raise problems.errors(*[problems.Problem(("annotations", *item.path), item.message) for item in found])
        return self


class SecretMeta(ObjectMeta):
    """The metadata of a Secret, in which kubectl leaves the values behind."""


class ClusterMeta(TemplateMeta):
    """The metadata of an object that lies in no namespace."""

    name: scalars.DnsSubdomain


class NamespaceMeta(TemplateMeta):
    """The metadata of a Namespace, which lies in none and whose name is a part of other names."""

    name: scalars.DnsLabel


class LabelSelectorRequirement(scalars.Model):
    key: scalars.LabelKey
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: list[scalars.Text] = Field(default_factory=list)

    @model_validator(mode="after")
    def _values_fit_the_operator(self) -> LabelSelectorRequirement:
        if self.operator in ("In", "NotIn") and not self.values:
            sentence = "must be specified when `operator` is 'In' or 'NotIn'"
            raise problems.errors(problems.required(("values",), sentence))
        if self.operator in ("Exists", "DoesNotExist") and self.values:
            sentence = "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            raise problems.errors(problems.Problem(("values",), sentence))
        return self

    def matches(self, labels: dict[str, str]) -> bool:
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels


class LabelSelector(scalars.Model):
    match_labels: scalars.SelectorLabels = Field(default_factory=dict)
    match_expressions: list[LabelSelectorRequirement] = Field(default_factory=list)

    def matches(self, labels: dict[str, str]) -> bool:
        """Whether `labels` satisfy everything that is asked; an empty selector asks nothing."""
        asked = all(labels.get(key) == value for key, value in self.match_labels.items())
        return asked and all(requirement.matches(labels) for requirement in self.match_expressions)

    def is_empty(self) -> bool:
        return not self.match_labels and not self.match_expressions
