"""What is accepted, and likely not what was meant: warnings, in kubectl's words where it warns of the same."""

from __future__ import annotations

import re

from skate import quantity
from skate.manifests import ingress_annotations, models, problems
from skatelet.contract import apps


def find(model: models.Object) -> list[problems.Problem]:
    """Every caution about an object that is valid."""
    if isinstance(model, models.Pod):
        return _nameless(model.metadata, ("metadata",)) + _of_pod(model.spec, ("spec",))
    if isinstance(model, models.Deployment):
        template: problems.Path = ("spec", "template")
        metadata = model.spec.template.metadata
        return _nameless(metadata, (*template, "metadata")) + _of_pod(model.spec.template.spec, (*template, "spec"))
    if isinstance(model, models.Service):
        return _of_service(model.spec)
    if isinstance(model, models.Ingress):
        return _of_ingress(model)
    return []


def _nameless(metadata: models.TemplateMeta, path: problems.Path) -> list[problems.Problem]:
    label = apps.label(metadata.labels)
    if not label or apps.app_of(metadata.labels):
        return []
    sentence = (
        f"{problems.show(metadata.labels[label])} cannot stand in a name of DNS: only a Service can name these pods"
    )
    return [problems.Problem((*path, "labels", label), sentence)]


def _of_service(spec: models.ServiceSpec) -> list[problems.Problem]:
    found: list[problems.Problem] = []
    if spec.type == "ExternalName":
        return found
    if spec.cluster_ip not in ("", "None"):
        sentence = "a Service has no address of its own: its name gives those of its pods"
        found.append(problems.Problem(("spec", "clusterIP"), sentence))
    if spec.external_name:
        found.append(problems.Problem(("spec", "externalName"), "has no effect but with type ExternalName"))
    if not spec.selector:
        sentence = "without one the Service stands for no pods: skate has no Endpoints"
        found.append(problems.Problem(("spec", "selector"), sentence))
    for index, port in enumerate(spec.ports):
        if isinstance(port.target_port, int) and port.target_port != port.port:
            sentence = (
                f"only Ingress knows it: by the Service's name pods are reached at their own port {port.target_port}"
            )
            found.append(problems.Problem(("spec", "ports", index, "port"), sentence))
    return found


def _of_ingress(model: models.Ingress) -> list[problems.Problem]:
    """Groups that rewrite-target asks for and a path has not: nginx puts nothing in their place."""
    target = model.metadata.annotations.get(f"{ingress_annotations.NGINX}rewrite-target", "")
    highest = max(map(int, re.findall(r"\$([1-9])", target)), default=0)
    found: list[problems.Problem] = []
    for index, rule in enumerate(model.spec.rules):
        for position, item in enumerate(rule.http.paths if rule.http else ()):
            groups = re.compile(item.path).groups if ingress_annotations.is_pattern(item.path) else 0
            if groups < highest and item.path_type != "Exact":
                place: problems.Path = ("spec", "rules", index, "http", "paths", position, "path")
                sentence = f"has {groups} groups, and rewrite-target asks for ${highest}, which will be empty"
                found.append(problems.Problem(place, sentence))
    return found


def _of_pod(spec: models.PodSpec, path: problems.Path) -> list[problems.Problem]:
    found: list[problems.Problem] = []
    for index, container in enumerate(spec.containers):
        here: problems.Path = (*path, "containers", index)
        found += _fractional_bytes(container.resources, here) + _hidden_variables(container.env, here)
    for index, volume in enumerate(spec.volumes):
        if volume.empty_dir is not None:
            found += _unenforced(volume.empty_dir, (*path, "volumes", index, "emptyDir"))
    return found


def _fractional_bytes(resources: models.ResourceRequirements, path: problems.Path) -> list[problems.Problem]:
    found: list[problems.Problem] = []
    for name, amounts in (("requests", resources.requests), ("limits", resources.limits)):
        memory = amounts.memory
        if memory is not None and quantity.parse(memory).denominator != 1:
            sentence = (
                f"fractional byte value {problems.show(memory)} is invalid, must be an integer (m is a thousandth)"
            )
            found.append(problems.Problem((*path, "resources", name, "memory"), sentence))
    return found


def _hidden_variables(env: list[models.EnvVar], path: problems.Path) -> list[problems.Problem]:
    names = [variable.name for variable in env]
    return [
        problems.Problem((*path, "env", index, "name"), f"hides previous definition of {problems.show(name)}")
        for index, name in enumerate(names)
        if name in names[:index]
    ]


def _unenforced(source: models.EmptyDirVolumeSource, path: problems.Path) -> list[problems.Problem]:
    found: list[problems.Problem] = []
    if source.medium == "Memory":
        # podman pull request 21524 (5.0) and issue 24930.
        sentence = (
            "podman before 5.0 keeps this volume on disk; from 5.0 on each container of the pod has one of its own"
        )
        found.append(problems.Problem((*path, "medium"), sentence))
    if source.size_limit is not None:
        # podman issue 19490.
        found.append(problems.Problem((*path, "sizeLimit"), "podman does not enforce it"))
    return found
