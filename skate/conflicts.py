"""What only shows when the whole catalogue is looked at: who claims the same, and what leads to nobody. Pure.

Two Ingresses for one host and path are refused, since one would be without effect. What is missing may yet come, as in
Kubernetes, and is only said: of the objects that are applied, not of what stands there since long.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from skate import backends, catalogue
from skate.errors import ManifestError
from skatelet.contract import apps, issuing

Objects = Mapping[catalogue.Key, Mapping[str, Any]]
"""Manifests by key."""
_AUTH = "nginx.ingress.kubernetes.io/auth-"


def check(after: catalogue.Catalogue, applied: Collection[catalogue.Key]) -> tuple[list[str], list[str]]:
    """Warnings, and notes, about `applied` in the catalogue `after`. Raises ManifestError where two claim the same."""
    objects = {key: item.manifest for key, item in after.objects.items()}
    _refuse_rivals(objects, set(applied))
    warnings: list[str] = []
    for key in sorted(set(applied) & objects.keys()):
        manifest = objects[key]
        if key[0] == "Ingress":
            warnings += [f"{_title(key)}: {text}" for text in _about_ingress(manifest, objects)]
        elif key[0] == "Service":
            warnings += [f"{_title(key)}: {text}" for text in _about_service(manifest, objects)]
        elif backends.template_of(manifest):
            warnings += [f"{_title(key)}: {text}" for text in _about_workload(manifest, objects)]
    doubts, notes = _about_certificates(objects, applied)
    return warnings + doubts, notes


def _refuse_rivals(objects: Objects, applied: set[catalogue.Key]) -> None:
    from skate.manifests import claims, problems

    # What stands there already comes first: it is the newcomer that is refused.
    ingresses = sorted((key for key in objects if key[0] == "Ingress"), key=lambda key: (key in applied, key))
    titles = {_title(key): key for key in ingresses}
    late = claims.rivals((title, claims.of(objects[key])) for title, key in titles.items())
    mistakes = []
    for title, claim, first in late:
        if titles[title] in applied or titles[first] in applied:
            rival = "another rule of it" if first == title else f"{first}, which is applied"
            mistakes.append(f"{title}: {problems.Problem(claim.place, claim.sentence(rival))}")
    if mistakes:
        count = "one mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        raise ManifestError(
            f"{count} in the manifests", details=mistakes, hint="nothing has been changed; delete the other one first"
        )


def _about_ingress(manifest: Mapping[str, Any], objects: Objects) -> Iterable[str]:
    namespace = manifest["metadata"]["namespace"]
    for path, backend in backends.all_backends(manifest):
        if trouble := _trouble(backend, namespace, objects):
            yield f"{_shown(path)}: {trouble}: answers 503 until it is there"
    annotations = manifest["metadata"].get("annotations") or {}
    if secret := annotations.get(f"{_AUTH}secret"):
        name = secret.rpartition("/")[2]
        if "auth" not in _secret_keys(objects.get(("Secret", namespace, name)), default=()):
            yield f'secrets "{name}" with users in its key auth not found: answers 503 until it is there'
    others = [
        key
        for key, item in objects.items()
        if key[0] == "Ingress" and item is not manifest and (item.get("spec") or {}).get("defaultBackend")
    ]
    if others and manifest["spec"].get("defaultBackend"):
        yield f"spec.defaultBackend: {_title(min(others))} has one, too: that of the older Ingress holds"


def _trouble(backend: Mapping[str, Any], namespace: str, objects: Objects) -> str:
    """Why a backend leads to nobody by what the catalogue says; empty where it leads somewhere."""
    name, wanted = backends.named(str(backend["name"]), namespace), backend.get("port") or {}
    service = objects.get(("Service", name.namespace, name.name))
    port = wanted.get("name") or wanted.get("number")
    if service is None and not name.implicit:
        hint = (
            f"; {name.name}.{name.namespace}{backends.DOMAIN} names the pods of that app"
            if _apps(name, objects)
            else ""
        )
        return f'services "{name.name}" not found in namespace {name.namespace}{hint}'
    if service is None:
        pods = _apps(name, objects)
        if not pods:
            return f"no app and no Service {name.name} in namespace {name.namespace}"
        if wanted.get("name") and not any(backends.container_port(pod, str(port)) for pod in pods):
            return f"the pods of app {name.name} have no port named {port}"
        return ""
    external = (service.get("spec") or {}).get("type") == "ExternalName"
    known = backends.port_of(service, wanted) is not None
    if known or ((name.implicit or external) and isinstance(port, int)):
        return ""
    return f'services "{name.name}" in namespace {name.namespace} has no port {port}'


def _about_service(manifest: Mapping[str, Any], objects: Objects) -> Iterable[str]:
    metadata = manifest["metadata"]
    name = backends.Name(namespace=metadata["namespace"], name=metadata["name"], implicit=True)
    hidden = [pod for pod in _apps(name, objects) if not backends.selects(manifest, backends.labels_of(pod))]
    if hidden:
        yield f"takes the name of the app {name.name}, whose pods it does not select: they cannot be found by it"
    selected = [pod for pod in _pods(name.namespace, objects) if backends.selects(manifest, backends.labels_of(pod))]
    for port in (manifest.get("spec") or {}).get("ports") or ():
        if selected and not any(backends.target_of(port, pod) for pod in selected):
            yield f"port {port['port']}: no pod that it selects has a port named {port['targetPort']}"


def _about_workload(manifest: Mapping[str, Any], objects: Objects) -> Iterable[str]:
    labels, namespace = backends.labels_of(backends.template_of(manifest)), manifest["metadata"]["namespace"]
    app = apps.app_of(labels)
    service = objects.get(("Service", namespace, app))
    if app and service is not None and not backends.selects(service, labels):
        yield f"the Service {namespace}/{app} has the name of this app and does not select its pods: they cannot be found by it"


def _about_certificates(objects: Objects, applied: Collection[catalogue.Key]) -> tuple[list[str], list[str]]:
    issuers = [issuing.issuer_of(manifest) for key, manifest in objects.items() if key[0] == "ClusterIssuer"]
    warnings: list[str] = []
    notes: list[str] = []
    for request in issuing.requests(manifest for key, manifest in objects.items() if key[0] == "Ingress"):
        concerned = [name for name in request.ingresses if ("Ingress", request.namespace, name) in applied]
        if not concerned:
            continue
        title = f"Ingress {request.namespace}/{concerned[0]}"
        secret = objects.get(("Secret", request.namespace, request.secret))
        if secret is not None:
            missing = sorted({"tls.crt", "tls.key"} - set(_secret_keys(secret, default=("tls.crt", "tls.key"))))
            if missing:
                warnings.append(
                    f'{title}: spec.tls: secrets "{request.secret}" has no {" and ".join(missing)}:'
                    " a self-signed certificate is shown"
                )
            continue
        issuer = issuing.choose(request, issuers)
        named = ", ".join(request.hosts)
        if not request.hosts:
            warnings.append(
                f'{title}: spec.tls: secrets "{request.secret}" not found, and no host to ask a certificate for'
            )
        elif any(host.startswith("*.") for host in request.hosts):
            warnings.append(
                f'{title}: spec.tls: secrets "{request.secret}" not found, and HTTP-01 proves no wildcard: make the'
                f" certificate for {named} yourself; a self-signed one is shown"
            )
        elif isinstance(issuer, str):
            warnings.append(f"{title}: spec.tls: {issuer}: a self-signed certificate is shown")
        else:
            notes.append(
                f'{title}: secrets "{request.secret}" not found: a certificate for {named} will be asked for from'
                f" {issuer.server}"
            )
    return warnings, notes


def _secret_keys(manifest: Mapping[str, Any] | None, *, default: Collection[str]) -> Collection[str]:
    """The names of a Secret's values; `default` where it is sealed in a way that does not tell."""
    if manifest is None:
        return ()
    sealed = manifest.get("sealed")
    if sealed is None:
        return {*(manifest.get("data") or ()), *(manifest.get("stringData") or ())}
    keys = sealed.get("keys")
    return default if keys is None else list(keys)


def _apps(name: backends.Name, objects: Objects) -> list[Mapping[str, Any]]:
    """The pods, as their workloads describe them, that answer to the name of an app."""
    return [pod for pod in _pods(name.namespace, objects) if apps.app_of(backends.labels_of(pod)) == name.name]


def _pods(namespace: str, objects: Objects) -> list[Mapping[str, Any]]:
    templates = (backends.template_of(manifest) for key, manifest in objects.items() if key[1] == namespace)
    return [template for template in templates if template]


def _shown(path: tuple[str | int, ...]) -> str:
    from skate.manifests import problems

    return problems.show_path(path)


def _title(key: catalogue.Key) -> str:
    return f"{key[0]} {key[1]}/{key[2]}" if key[1] else f"{key[0]} {key[2]}"
