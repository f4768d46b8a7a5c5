"""Namespace (https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/namespace-v1/)."""

from __future__ import annotations

from typing import Literal

from skate.manifests.models import meta, scalars


class Namespace(scalars.Model):
    api_version: Literal["v1"]
    kind: Literal["Namespace"]
    metadata: meta.NamespaceMeta
