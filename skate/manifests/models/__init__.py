"""Kubernetes' types as skate does them: strict, frozen, with Kubernetes' defaults.

A class is named as Kubernetes names the type. `KINDS` holds the three kinds that can be applied. To do a new field, add it
to its model; to do a new kind, add it here.
"""

from __future__ import annotations

from skate.manifests.models.container import (
    Capabilities,
    Container,
    ContainerPort,
    EnvVar,
    ResourceList,
    ResourceRequirements,
    SecurityContext,
    VolumeMount,
)
from skate.manifests.models.deployment import Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment
from skate.manifests.models.meta import LabelSelector, LabelSelectorRequirement, NamespaceMeta, ObjectMeta, TemplateMeta
from skate.manifests.models.namespace import Namespace
from skate.manifests.models.pod import (
    EmptyDirVolumeSource,
    HostAlias,
    HostPathVolumeSource,
    Pod,
    PodSpec,
    PodTemplateSpec,
    Volume,
)
from skate.manifests.models.scalars import Model

Object = Pod | Deployment | Namespace
KINDS: dict[str, type[Pod] | type[Deployment] | type[Namespace]] = {
    "Pod": Pod,
    "Deployment": Deployment,
    "Namespace": Namespace,
}
CLUSTER_WIDE = frozenset({"Namespace"})
"""Kinds that lie in no namespace."""

__all__ = [
    "CLUSTER_WIDE",
    "KINDS",
    "Capabilities",
    "Container",
    "ContainerPort",
    "Deployment",
    "DeploymentSpec",
    "DeploymentStrategy",
    "EmptyDirVolumeSource",
    "EnvVar",
    "HostAlias",
    "HostPathVolumeSource",
    "LabelSelector",
    "LabelSelectorRequirement",
    "Model",
    "Namespace",
    "NamespaceMeta",
    "Object",
    "ObjectMeta",
    "Pod",
    "PodSpec",
    "PodTemplateSpec",
    "ResourceList",
    "ResourceRequirements",
    "RollingUpdateDeployment",
    "SecurityContext",
    "TemplateMeta",
    "Volume",
    "VolumeMount",
]
