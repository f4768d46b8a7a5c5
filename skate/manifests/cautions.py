"""What is accepted, and likely not what was meant: warnings, in kubectl's words where it warns of the same."""

from __future__ import annotations

from skate import quantity
from skate.manifests import models, problems


def find(model: models.Object) -> list[problems.Problem]:
    """Every caution about an object that is valid."""
    if isinstance(model, models.Pod):
        return _of_pod(model.spec, ("spec",))
    if isinstance(model, models.Deployment):
        return _of_pod(model.spec.template.spec, ("spec", "template", "spec"))
    return []


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
