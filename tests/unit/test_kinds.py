"""TYPE, NAME and TYPE/NAME on the command line, as kubectl reads them."""

from __future__ import annotations

import pytest

from skate import kinds
from skate.errors import SkateError


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["pods"], [("Pod", [])]),
        (["po", "a", "b", "a"], [("Pod", ["a", "b"])]),
        (["po,deploy,pods"], [("Pod", []), ("Deployment", [])]),
        (["all"], [("Pod", []), ("Service", []), ("Deployment", [])]),
        (["nodes,all"], [("Node", []), ("Pod", []), ("Service", []), ("Deployment", [])]),
        (["svc,ing,secrets"], [("Service", []), ("Ingress", []), ("Secret", [])]),
        (["ingresses.networking.k8s.io", "web"], [("Ingress", ["web"])]),
        (["ingress.v1.networking.k8s.io/web"], [("Ingress", ["web"])]),
        (["clusterissuers.cert-manager.io"], [("ClusterIssuer", [])]),
        (
            ["deploy/web", "no/n1", "deployment.apps/web", "deployments/api"],
            [("Deployment", ["web", "api"]), ("Node", ["n1"])],
        ),
        (["Deployments.apps", "web"], [("Deployment", ["web"])]),
    ],
)
def test_targets_are_read_as_kubectl_reads_them(arguments: list[str], wanted: list[tuple[str, list[str]]]) -> None:
    assert [(kind.kind, names) for kind, names in kinds.parse_targets(arguments)] == wanted


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ([], "You must specify the type of resource", "skate get pods"),
        (["xyz"], 'the server doesn\'t have a resource type "xyz"', "skate has pods, nodes"),
        (["deploymnt"], 'the server doesn\'t have a resource type "deploymnt"', 'did you mean "deployment"?'),
        (["node,ns", "x"], "you must specify only one resource", "TYPE/NAME"),
        (["pods", "pod/x"], "there is no need to specify a resource type as a separate argument", ""),
        (["pod/"], "must have a single resource and name", ""),
        (["pod/a/b"], "must have a single resource and name", ""),
    ],
)
def test_what_cannot_be_meant_is_refused_in_kubectls_words(arguments: list[str], message: str, hint: str) -> None:
    with pytest.raises(SkateError) as caught:
        kinds.parse_targets(arguments)
    assert message in caught.value.message
    assert hint in caught.value.hint
