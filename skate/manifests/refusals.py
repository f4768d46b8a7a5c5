"""Fields that are known and not done, where there is more to say than that: why, or what to use instead."""

from __future__ import annotations

_PORTS = "skate opens no ports on nodes for a Service: use an Ingress for HTTP, or hostPort in the pod"
_ISSUERS = "skate only does acme"
_ANSWERS = "the nodes answer HTTP-01 challenges, and no others"

REASONS: dict[tuple[str, str], str] = {
    ("ACMEChallengeSolver", "dns01"): _ANSWERS,
    ("ACMEChallengeSolver", "selector"): "every certificate of this issuer is asked for in the same way",
    ("ACMEChallengeSolverHTTP01", "gatewayHTTPRoute"): "skate has no gateways",
    ("ACMEIssuer", "skipTLSVerify"): "the server's certificate is always checked",
    ("IngressBackend", "resource"): "name a Service",
    ("IssuerSpec", "ca"): _ISSUERS,
    ("IssuerSpec", "selfSigned"): _ISSUERS,
    ("IssuerSpec", "vault"): _ISSUERS,
    ("IssuerSpec", "venafi"): _ISSUERS,
    ("ServicePort", "nodePort"): _PORTS,
    ("ServiceSpec", "externalIPs"): _PORTS,
    ("ServiceSpec", "externalTrafficPolicy"): _PORTS,
    ("ServiceSpec", "healthCheckNodePort"): _PORTS,
    ("ServiceSpec", "loadBalancerClass"): _PORTS,
    ("ServiceSpec", "loadBalancerIP"): _PORTS,
    ("ServiceSpec", "loadBalancerSourceRanges"): _PORTS,
    ("ServiceSpec", "internalTrafficPolicy"): "a Service gives out the pods of all nodes",
    ("ServiceSpec", "publishNotReadyAddresses"): "a Service gives out the pods that are ready, and no others",
    ("ServiceSpec", "sessionAffinity"): "clients are given the addresses of all pods, and choose",
}
"""By the name of the type and the field."""

INSTEAD: dict[tuple[str, str], str] = {
    ("ACMEChallengeSolver", "dns01"): "http01",
    ("ACMEChallengeSolverHTTP01", "gatewayHTTPRoute"): "ingress",
    ("IngressBackend", "resource"): "service",
    ("IssuerSpec", "ca"): "acme",
    ("IssuerSpec", "selfSigned"): "acme",
    ("IssuerSpec", "vault"): "acme",
    ("IssuerSpec", "venafi"): "acme",
    ("ObjectMeta", "generateName"): "name",
}
"""The field that one of these stands in for: where it is missing, that has been said already."""
CERT_MANAGER = ("ACME", "ClusterIssuer", "IssuerSpec", "cert-manager.")
"""How the names of cert-manager's own types begin."""


def message(kubernetes_type: str, field: str) -> str:
    """What is said of a field that is known and not done."""
    knows = "cert-manager" if kubernetes_type.startswith(CERT_MANAGER) else "Kubernetes"
    why = REASONS.get((kubernetes_type, field), "")
    return f"{knows} knows this field, skate does not do it{f': {why}' if why else ''}"
