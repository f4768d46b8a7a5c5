"""Kubernetes' types as skate does them: strict, frozen, with Kubernetes' defaults.

A class is named as Kubernetes names the type. `KINDS` holds the kinds that can be applied. To do a new field, add it
to its model; to do a new kind, add it here.
"""

from __future__ import annotations

from skate.manifests.models.clusterissuer import (
    ACMEChallengeSolver,
    ACMEChallengeSolverHTTP01,
    ACMEIssuer,
    ClusterIssuer,
    IssuerSpec,
)
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
from skate.manifests.models.ingress import (
    HTTPIngressPath,
    Ingress,
    IngressBackend,
    IngressRule,
    IngressServiceBackend,
    IngressSpec,
    IngressTLS,
)
from skate.manifests.models.meta import (
    ClusterMeta,
    IngressMeta,
    LabelSelector,
    LabelSelectorRequirement,
    NamespaceMeta,
    ObjectMeta,
    SecretMeta,
    ServiceMeta,
    TemplateMeta,
)
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
from skate.manifests.models.secret import Sealed, SealedSecret, Secret
from skate.manifests.models.service import Service, ServicePort, ServiceSpec

Object = Pod | Deployment | Namespace | Service | Ingress | Secret | SealedSecret | ClusterIssuer
KINDS: dict[str, type[Object]] = {
    "Pod": Pod,
    "Deployment": Deployment,
    "Service": Service,
    "Ingress": Ingress,
    "Secret": Secret,
    "ClusterIssuer": ClusterIssuer,
    "Namespace": Namespace,
}
CLUSTER_WIDE = frozenset({"ClusterIssuer", "Namespace"})
"""Kinds that lie in no namespace."""

__all__ = [
    "CLUSTER_WIDE",
    "KINDS",
    "ACMEChallengeSolver",
    "ACMEChallengeSolverHTTP01",
    "ACMEIssuer",
    "Capabilities",
    "ClusterIssuer",
    "ClusterMeta",
    "Container",
    "ContainerPort",
    "Deployment",
    "DeploymentSpec",
    "DeploymentStrategy",
    "EmptyDirVolumeSource",
    "EnvVar",
    "HTTPIngressPath",
    "HostAlias",
    "HostPathVolumeSource",
    "Ingress",
    "IngressBackend",
    "IngressMeta",
    "IngressRule",
    "IngressServiceBackend",
    "IngressSpec",
    "IngressTLS",
    "IssuerSpec",
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
    "Sealed",
    "SealedSecret",
    "Secret",
    "SecretMeta",
    "SecurityContext",
    "Service",
    "ServiceMeta",
    "ServicePort",
    "ServiceSpec",
    "TemplateMeta",
    "Volume",
    "VolumeMount",
]
