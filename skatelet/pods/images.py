"""Image names and pull policies, as Kubernetes has them.

`nginx` means `docker.io/library/nginx:latest`, whatever the host's registries.conf says: a manifest means the same on every
node and in every cluster (https://kubernetes.io/docs/concepts/containers/images/#image-names). An image that was built on the
node is named in full, `localhost/name:tag`.
"""

from __future__ import annotations

import re

_NAME = re.compile(r"^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$")
_DOMAIN = re.compile(r"^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?$|^\[[0-9a-fA-F:]+\](?::[0-9]+)?$")
_TAG = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")
_DIGEST = re.compile(r"^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}$")


def full_name(image: str) -> str:
    """`image` with registry, repository and tag or digest. Raises ValueError when it is no image name."""
    rest, has_digest, digest = image.partition("@")
    if has_digest and not _DIGEST.match(digest):
        raise ValueError(f"{digest!r} is no digest")
    path, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        path, tag = rest, ""
    elif not _TAG.match(tag):
        raise ValueError(f"{tag!r} is no tag")
    first, slash, remainder = path.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost" or first != first.lower()):
        domain, repository = first, remainder
    else:
        domain, repository = "docker.io", path if slash else f"library/{path}"
    if domain == "index.docker.io":
        domain = "docker.io"
    if domain == "docker.io" and "/" not in repository:
        repository = f"library/{repository}"
    if not _DOMAIN.match(domain) or not all(_NAME.match(part) for part in repository.split("/")):
        raise ValueError("invalid reference format")
    if has_digest:
        # podman takes a tag or a digest, not both; the digest is what decides.
        return f"{domain}/{repository}@{digest}"
    return f"{domain}/{repository}:{tag or 'latest'}"


def default_policy(image: str) -> str:
    """Always for `:latest` and for no tag at all, else IfNotPresent; `image` is a full name."""
    return "Always" if "@" not in image and image.endswith(":latest") else "IfNotPresent"
