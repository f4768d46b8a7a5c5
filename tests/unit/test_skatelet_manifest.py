"""What podman is given to play, and how images are named."""

from __future__ import annotations

from typing import Any

import pytest

from skatelet.contract import bundle, canonical
from skatelet.pods import desired, images, manifest


def played(spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    instance = bundle.Instance(
        name="web",
        namespace="shop",
        owner=bundle.Owner(kind="Deployment", name="web"),
        address="10.66.1.7",
        hash="abc",
        pod={"metadata": {"name": "web", **metadata}, "spec": spec},
    )
    found: dict[str, Any] = canonical.load(manifest.play_manifest(desired.desired_pod(instance)))
    return found


def test_only_host_ports_are_published() -> None:
    ports = [{"containerPort": 80}, {"containerPort": 81, "hostPort": 8081}]
    found = played(
        {
            "containers": [
                {"name": "a", "image": "x:1", "ports": ports},
                {"name": "b", "image": "x:1", "ports": ports[:1]},
            ]
        }
    )
    first, second = found["spec"]["containers"]
    assert first["ports"] == ports[1:]
    assert "ports" not in second


def test_podman_neither_restarts_nor_pulls() -> None:
    found = played(
        {"containers": [{"name": "a", "image": "nginx", "imagePullPolicy": "Always"}], "restartPolicy": "Always"}
    )
    assert found["spec"]["restartPolicy"] == "Never"
    assert found["spec"]["containers"][0]["imagePullPolicy"] == "Never"
    assert found["spec"]["containers"][0]["image"] == "docker.io/library/nginx:latest"


def test_each_pod_has_empty_dirs_of_its_own() -> None:
    found = played({"containers": [], "volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory"}}]})
    assert found["spec"]["volumes"] == [{"name": "tmp", "persistentVolumeClaim": {"claimName": "web.shop_tmp"}}]


def test_the_pods_name_and_labels_say_whose_it_is_and_the_users_labels_stay() -> None:
    found = played({"containers": []}, labels={"app": "web", "cluster.skate/managed": "false"})
    assert found["metadata"]["name"] == "web.shop"
    assert found["metadata"]["labels"]["app"] == "web"
    assert found["metadata"]["labels"]["cluster.skate/managed"] == "true"
    assert found["metadata"]["labels"]["cluster.skate/owner"] == "Deployment/web"
    assert found["metadata"]["annotations"]["cluster.skate/instance"] == "shop/web"
    assert found["spec"]["hostname"] == "web"


@pytest.mark.parametrize(
    ("written", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        ("traefik/whoami", "docker.io/traefik/whoami:latest"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/a/b:1", "docker.io/a/b:1"),
        ("ghcr.io/a/b/c:1", "ghcr.io/a/b/c:1"),
        ("localhost/mine", "localhost/mine:latest"),
        ("registry:5000/a", "registry:5000/a:latest"),
        ("10.0.0.1:5000/a:2", "10.0.0.1:5000/a:2"),
        (f"nginx:1@sha256:{'a' * 64}", f"docker.io/library/nginx@sha256:{'a' * 64}"),
    ],
)
def test_image_names_are_completed_as_in_kubernetes(written: str, full: str) -> None:
    assert images.full_name(written) == full


@pytest.mark.parametrize("written", ["", "UPPER", "a b", "nginx:", "nginx@sha256:short", "a//b", "-x", "nginx:ta g"])
def test_what_is_no_image_name_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        images.full_name(written)


def test_the_default_pull_policy_is_kubernetes_own() -> None:
    assert images.default_policy(images.full_name("nginx")) == "Always"
    assert images.default_policy(images.full_name("nginx:1")) == "IfNotPresent"
    assert images.default_policy(images.full_name(f"nginx@sha256:{'a' * 64}")) == "IfNotPresent"
