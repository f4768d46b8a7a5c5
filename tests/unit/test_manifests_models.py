"""The models: Kubernetes' defaults, and the tables that they are compared with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from skate import manifests
from skate.manifests import harmless, known_fields, known_kinds, models

CONTAINER = {"name": "web", "image": "nginx:1.27"}


def pod(**spec: Any) -> models.Pod:
    data = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [CONTAINER], **spec}}
    model = manifests.parse(data).model
    assert isinstance(model, models.Pod)
    return model


def deployment(**spec: Any) -> models.Deployment:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [CONTAINER]}}
    whole = {"selector": {"matchLabels": {"app": "web"}}, "template": template, **spec}
    data = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": whole}
    model = manifests.parse(data).model
    assert isinstance(model, models.Deployment)
    return model


def every_model(model: type[models.Model] = models.Model) -> Iterator[type[models.Model]]:
    for inner in model.__subclasses__():
        yield inner
        yield from every_model(inner)


def test_a_pod_has_kubernetes_defaults() -> None:
    model = pod()
    assert model.metadata.namespace == "default"
    assert model.spec.restart_policy == "Always"
    assert model.spec.termination_grace_period_seconds == 30
    assert not model.spec.host_network
    assert models.ContainerPort(container_port=80).protocol == "TCP"


def test_a_deployment_has_kubernetes_defaults() -> None:
    spec = deployment().spec
    assert (spec.replicas, spec.revision_history_limit, spec.progress_deadline_seconds, spec.min_ready_seconds) == (
        1,
        10,
        600,
        0,
    )
    assert spec.strategy.type == "RollingUpdate"
    assert (spec.strategy.rolling().max_unavailable, spec.strategy.rolling().max_surge) == ("25%", "25%")


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.27", "IfNotPresent"),
        ("registry.example:5000/nginx", "Always"),
        ("registry.example:5000/nginx:1.27", "IfNotPresent"),
        ("nginx@sha256:" + "0" * 64, "IfNotPresent"),
    ],
)
def test_the_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    assert models.Container(name="web", image=image).pull_policy() == policy


def test_a_pull_policy_that_is_given_holds() -> None:
    assert models.Container(name="web", image="nginx", image_pull_policy="Never").pull_policy() == "Never"


@pytest.mark.parametrize(
    ("unavailable", "surge", "replicas", "expected"),
    [
        ("25%", "25%", 4, (1, 1)),
        ("25%", "25%", 3, (0, 1)),
        ("25%", "25%", 1, (0, 1)),
        (1, 0, 3, (1, 0)),
        ("1%", 0, 3, (1, 0)),
        ("100%", "100%", 3, (3, 3)),
        (10, 10, 3, (3, 10)),
    ],
)
def test_a_rollout_rounds_surge_up_and_unavailable_down(
    unavailable: int | str, surge: int | str, replicas: int, expected: tuple[int, int]
) -> None:
    rolling = models.RollingUpdateDeployment(max_unavailable=unavailable, max_surge=surge)
    assert (rolling.unavailable(replicas), rolling.surge(replicas)) == expected


def test_requests_count_and_limits_where_there_are_none() -> None:
    first = {**CONTAINER, "resources": {"requests": {"cpu": "250m"}, "limits": {"cpu": 1, "memory": "64Mi"}}}
    second = {**CONTAINER, "name": "side", "resources": {"limits": {"cpu": "0.5"}}}
    spec = pod(containers=[first, second, {**CONTAINER, "name": "none"}]).spec
    assert (spec.cpu_millis(), spec.memory_bytes()) == (750, 64 * 2**20)


def test_a_pod_takes_its_host_ports_and_with_host_network_all_of_them() -> None:
    ports = [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 53, "protocol": "UDP"}]
    assert pod(containers=[{**CONTAINER, "ports": ports}]).spec.host_ports() == {("TCP", "", 8080)}
    ports[0]["hostPort"] = 80
    on_host = pod(containers=[{**CONTAINER, "ports": ports}], hostNetwork=True)
    assert on_host.spec.host_ports() == {("TCP", "", 80), ("UDP", "", 53)}


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"app": "web", "tier": "front"}, True),
        ({"app": "web"}, False),
        ({"app": "api", "tier": "front"}, False),
        ({"app": "web", "tier": "front", "old": ""}, False),
        ({"app": "web", "tier": "front", "track": "canary"}, False),
    ],
)
def test_a_selector_asks_for_everything_it_says(labels: dict[str, str], expected: bool) -> None:
    asked = [
        ("tier", "In", ["front"]),
        ("track", "NotIn", ["canary"]),
        ("app", "Exists", []),
        ("old", "DoesNotExist", []),
    ]
    expressions = [
        models.LabelSelectorRequirement(key=key, operator=word, values=values) for key, word, values in asked
    ]  # type: ignore[arg-type]
    selector = models.LabelSelector(match_labels={"app": "web"}, match_expressions=expressions)
    assert selector.matches(labels) is expected


def test_every_field_of_every_model_is_one_that_kubernetes_knows() -> None:
    invented = {
        f"{model.__name__}.{field.alias}"
        for model in every_model()
        for field in model.model_fields.values()
        if field.alias not in known_fields.FIELDS[model.kubernetes_type()]
    }
    assert invented == set()


def test_what_is_called_harmless_is_known_and_not_done() -> None:
    done = {(model.kubernetes_type(), field.alias) for model in every_model() for field in model.model_fields.values()}
    listed = {(name, field) for name, fields in harmless.FIELDS.items() for field in fields}
    assert {item for item in listed if item[1] not in known_fields.FIELDS[item[0]]} == set()
    assert listed & done == set()


def test_every_kind_is_in_the_table_with_its_version() -> None:
    for kind, model in models.KINDS.items():
        assert model.model_fields["api_version"].annotation.__args__ == (known_kinds.API_VERSIONS[kind],)  # type: ignore[union-attr]


def test_the_documentation_names_every_field_that_is_done() -> None:
    text = (Path(__file__).parents[2] / "docs" / "manifests.md").read_text()
    words = {word for part in text.split("`")[1::2] for word in part.split()}
    written = [model for model in every_model() if model not in (models.Sealed, models.SealedSecret)]
    fields = {field.alias or "" for model in written for field in model.model_fields.values()}
    # What every document has, and the parts of small types that are explained by their example.
    assert (
        fields - words - {"apiVersion", "kind", "ip", "hostnames", "key", "operator", "values", "type", "rollingUpdate"}
        == set()
    )
