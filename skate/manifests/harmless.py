"""Fields that are known, that skate does not do, and that change nothing: they are left out with a warning.

A field stands here with the values at which it is harmless: either because the value is what happens anyway (hostPID false,
preemptionPolicy PreemptLowerPriority), or because what the field asks for has no meaning without a control plane, or because
the API server sets it and refuses to take it from users (uid, status). `kubectl get -o yaml` prints most of them, and people
apply what it prints.
"""

from __future__ import annotations

from typing import Any

_ANY = object()
_SERVER = "set by the server"
_DEFAULT = "has no effect"

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""What kubectl writes down of an object as it was applied, and of a Secret with all that is in it."""

FIELDS: dict[str, dict[str, tuple[str, tuple[Any, ...]]]] = {
    "ObjectMeta": {
        "creationTimestamp": (_SERVER, (_ANY,)),
        "deletionGracePeriodSeconds": (_SERVER, (_ANY,)),
        "deletionTimestamp": (_SERVER, (_ANY,)),
        "generation": (_SERVER, (_ANY,)),
        "managedFields": (_SERVER, (_ANY,)),
        "resourceVersion": (_SERVER, (_ANY,)),
        "selfLink": (_SERVER, (_ANY,)),
        "uid": (_SERVER, (_ANY,)),
    },
    "Pod": {"status": (_SERVER, (_ANY,))},
    "Deployment": {"status": (_SERVER, (_ANY,))},
    "Service": {"status": (_SERVER, (_ANY,))},
    "Ingress": {"status": (_SERVER, (_ANY,))},
    "ClusterIssuer": {"status": (_SERVER, (_ANY,))},
    "ServiceSpec": {
        "allocateLoadBalancerNodePorts": (_DEFAULT, (_ANY,)),
        "clusterIPs": (_DEFAULT, (_ANY,)),
        "internalTrafficPolicy": (_DEFAULT, ("Cluster",)),
        "ipFamilies": (_DEFAULT, (["IPv4"],)),
        "ipFamilyPolicy": (_DEFAULT, ("SingleStack", "PreferDualStack")),
        "publishNotReadyAddresses": (_DEFAULT, (False,)),
        "sessionAffinity": (_DEFAULT, ("None",)),
        "trafficDistribution": (_DEFAULT, (_ANY,)),
    },
    "ServicePort": {"nodePort": (_DEFAULT, (0,))},
    "ACMEIssuer": {
        "disableAccountKeyGeneration": (_DEFAULT, (False,)),
        "enableDurationFeature": (_DEFAULT, (False,)),
        "skipTLSVerify": (_DEFAULT, (False,)),
    },
    "ACMEChallengeSolverHTTP01Ingress": {
        "ingressTemplate": (_DEFAULT, (_ANY,)),
        "name": (_DEFAULT, (_ANY,)),
        "podTemplate": (_DEFAULT, (_ANY,)),
        "serviceType": (_DEFAULT, (_ANY,)),
    },
    "cert-manager.SecretKeySelector": {"key": (_DEFAULT, (_ANY,))},
    "Namespace": {"status": (_SERVER, (_ANY,)), "spec": (_DEFAULT, ({"finalizers": ["kubernetes"]},))},
    "DeploymentSpec": {"paused": (_DEFAULT, (False,))},
    "PodSpec": {
        "automountServiceAccountToken": (_DEFAULT, (_ANY,)),
        "enableServiceLinks": (_DEFAULT, (_ANY,)),
        "hostIPC": (_DEFAULT, (False,)),
        "hostPID": (_DEFAULT, (False,)),
        "hostUsers": (_DEFAULT, (True,)),
        "preemptionPolicy": (_DEFAULT, ("PreemptLowerPriority",)),
        "priority": (_DEFAULT, (0,)),
        "schedulerName": (_DEFAULT, ("default-scheduler",)),
        "serviceAccount": (_DEFAULT, ("default",)),
        "serviceAccountName": (_DEFAULT, ("default",)),
        "setHostnameAsFQDN": (_DEFAULT, (False,)),
        "shareProcessNamespace": (_DEFAULT, (False,)),
    },
    "Container": {
        "stdin": (_DEFAULT, (False,)),
        "stdinOnce": (_DEFAULT, (False,)),
        "terminationMessagePath": (_DEFAULT, (_ANY,)),
        "terminationMessagePolicy": (_DEFAULT, (_ANY,)),
    },
    "SecurityContext": {"procMount": (_DEFAULT, ("Default",)), "runAsNonRoot": (_DEFAULT, (False,))},
    "VolumeMount": {
        "mountPropagation": (_DEFAULT, ("None",)),
        "recursiveReadOnly": (_DEFAULT, ("Disabled",)),
    },
}
"""By Kubernetes type and field: why, and the values at which it is so."""

TEMPLATE_FIELDS = frozenset({"generateName", "name", "namespace"})
"""What Kubernetes lets stand in the metadata of a pod template, and ignores."""


def reason(kubernetes_type: str, field: str, value: Any) -> str:
    """Why `field` may be left out at this `value`; empty when it may not."""
    entry = FIELDS.get(kubernetes_type, {}).get(field)
    if entry is not None:
        why, values = entry
        if value is None or any(item is _ANY or (item == value and type(item) is type(value)) for item in values):
            return why
    if value is None or value == [] or value == {} or value == "":
        return "empty"
    return ""
