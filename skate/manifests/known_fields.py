"""Every field of every type below the kinds that skate does, as Kubernetes 1.32 and cert-manager 1.16 know them, done or not.

This is what tells `Kubernetes knows this field, skate does not do it` from a field that exists nowhere. Taken from the published
OpenAPI description of Kubernetes 1.32 (https://kubernetes.io/docs/reference/kubernetes-api/), plus ResourceList, which
that description leaves open, and from cert-manager's (https://cert-manager.io/docs/reference/api-docs/); Sealed and
SealedSecret are skate's own. What skate does is not written here: the models say it, and the screen compares the two.
"""

from __future__ import annotations

_TEXT = {
    "ACMEChallengeSolver": "dns01 http01 selector",
    "ACMEChallengeSolverHTTP01": "gatewayHTTPRoute ingress",
    "ACMEChallengeSolverHTTP01Ingress": "class ingressClassName ingressTemplate name podTemplate serviceType",
    "ACMEIssuer": (
        "caBundle disableAccountKeyGeneration email enableDurationFeature externalAccountBinding "
        "preferredChain privateKeySecretRef server skipTLSVerify solvers"
    ),
    "AWSElasticBlockStoreVolumeSource": "fsType partition readOnly volumeID",
    "Affinity": "nodeAffinity podAffinity podAntiAffinity",
    "AppArmorProfile": "localhostProfile type",
    "AzureDiskVolumeSource": "cachingMode diskName diskURI fsType kind readOnly",
    "AzureFileVolumeSource": "readOnly secretName shareName",
    "CSIVolumeSource": "driver fsType nodePublishSecretRef readOnly volumeAttributes",
    "Capabilities": "add drop",
    "CephFSVolumeSource": "monitors path readOnly secretFile secretRef user",
    "CinderVolumeSource": "fsType readOnly secretRef volumeID",
    "ClusterIssuer": "apiVersion kind metadata spec status",
    "ClusterTrustBundleProjection": "labelSelector name optional path signerName",
    "ConfigMapEnvSource": "name optional",
    "ConfigMapKeySelector": "key name optional",
    "ConfigMapProjection": "items name optional",
    "ConfigMapVolumeSource": "defaultMode items name optional",
    "Container": (
        "args command env envFrom image imagePullPolicy lifecycle livenessProbe name ports readinessProbe "
        "resizePolicy resources restartPolicy securityContext startupProbe stdin stdinOnce terminationMessagePath "
        "terminationMessagePolicy tty volumeDevices volumeMounts workingDir"
    ),
    "ContainerPort": "containerPort hostIP hostPort name protocol",
    "ContainerResizePolicy": "resourceName restartPolicy",
    "ContainerUser": "linux",
    "Deployment": "apiVersion kind metadata spec status",
    "DeploymentSpec": (
        "minReadySeconds paused progressDeadlineSeconds replicas revisionHistoryLimit selector strategy template"
    ),
    "DeploymentStrategy": "rollingUpdate type",
    "DownwardAPIProjection": "items",
    "DownwardAPIVolumeFile": "fieldRef mode path resourceFieldRef",
    "DownwardAPIVolumeSource": "defaultMode items",
    "EmptyDirVolumeSource": "medium sizeLimit",
    "EnvFromSource": "configMapRef prefix secretRef",
    "EnvVar": "name value valueFrom",
    "EnvVarSource": "configMapKeyRef fieldRef resourceFieldRef secretKeyRef",
    "EphemeralContainer": (
        "args command env envFrom image imagePullPolicy lifecycle livenessProbe name ports readinessProbe "
        "resizePolicy resources restartPolicy securityContext startupProbe stdin stdinOnce targetContainerName "
        "terminationMessagePath terminationMessagePolicy tty volumeDevices volumeMounts workingDir"
    ),
    "EphemeralVolumeSource": "volumeClaimTemplate",
    "ExecAction": "command",
    "FCVolumeSource": "fsType lun readOnly targetWWNs wwids",
    "FlexVolumeSource": "driver fsType options readOnly secretRef",
    "FlockerVolumeSource": "datasetName datasetUUID",
    "GCEPersistentDiskVolumeSource": "fsType partition pdName readOnly",
    "GRPCAction": "port service",
    "GitRepoVolumeSource": "directory repository revision",
    "GlusterfsVolumeSource": "endpoints path readOnly",
    "HTTPGetAction": "host httpHeaders path port scheme",
    "HTTPHeader": "name value",
    "HTTPIngressPath": "backend path pathType",
    "HTTPIngressRuleValue": "paths",
    "HostAlias": "hostnames ip",
    "HostIP": "ip",
    "HostPathVolumeSource": "path type",
    "ISCSIVolumeSource": (
        "chapAuthDiscovery chapAuthSession fsType initiatorName iqn iscsiInterface lun portals readOnly secretRef "
        "targetPortal"
    ),
    "ImageVolumeSource": "pullPolicy reference",
    "Ingress": "apiVersion kind metadata spec status",
    "IngressBackend": "resource service",
    "IngressRule": "host http",
    "IngressServiceBackend": "name port",
    "IngressSpec": "defaultBackend ingressClassName rules tls",
    "IngressTLS": "hosts secretName",
    "IssuerSpec": "acme ca selfSigned vault venafi",
    "KeyToPath": "key mode path",
    "LabelSelector": "matchExpressions matchLabels",
    "LabelSelectorRequirement": "key operator values",
    "Lifecycle": "postStart preStop",
    "LifecycleHandler": "exec httpGet sleep tcpSocket",
    "LinuxContainerUser": "gid supplementalGroups uid",
    "LocalObjectReference": "name",
    "ManagedFieldsEntry": "apiVersion fieldsType fieldsV1 manager operation subresource time",
    "NFSVolumeSource": "path readOnly server",
    "Namespace": "apiVersion kind metadata spec status",
    "NamespaceSpec": "finalizers",
    "NodeAffinity": "preferredDuringSchedulingIgnoredDuringExecution requiredDuringSchedulingIgnoredDuringExecution",
    "NodeSelector": "nodeSelectorTerms",
    "NodeSelectorRequirement": "key operator values",
    "NodeSelectorTerm": "matchExpressions matchFields",
    "ObjectFieldSelector": "apiVersion fieldPath",
    "ObjectMeta": (
        "annotations creationTimestamp deletionGracePeriodSeconds deletionTimestamp finalizers generateName "
        "generation labels managedFields name namespace ownerReferences resourceVersion selfLink uid"
    ),
    "OwnerReference": "apiVersion blockOwnerDeletion controller kind name uid",
    "PersistentVolumeClaimSpec": (
        "accessModes dataSource dataSourceRef resources selector storageClassName volumeAttributesClassName "
        "volumeMode volumeName"
    ),
    "PersistentVolumeClaimTemplate": "metadata spec",
    "PersistentVolumeClaimVolumeSource": "claimName readOnly",
    "PhotonPersistentDiskVolumeSource": "fsType pdID",
    "Pod": "apiVersion kind metadata spec status",
    "PodAffinity": "preferredDuringSchedulingIgnoredDuringExecution requiredDuringSchedulingIgnoredDuringExecution",
    "PodAffinityTerm": "labelSelector matchLabelKeys mismatchLabelKeys namespaceSelector namespaces topologyKey",
    "PodAntiAffinity": "preferredDuringSchedulingIgnoredDuringExecution requiredDuringSchedulingIgnoredDuringExecution",
    "PodDNSConfig": "nameservers options searches",
    "PodDNSConfigOption": "name value",
    "PodIP": "ip",
    "PodOS": "name",
    "PodReadinessGate": "conditionType",
    "PodResourceClaim": "name resourceClaimName resourceClaimTemplateName",
    "PodSchedulingGate": "name",
    "PodSecurityContext": (
        "appArmorProfile fsGroup fsGroupChangePolicy runAsGroup runAsNonRoot runAsUser seLinuxChangePolicy "
        "seLinuxOptions seccompProfile supplementalGroups supplementalGroupsPolicy sysctls windowsOptions"
    ),
    "PodSpec": (
        "activeDeadlineSeconds affinity automountServiceAccountToken containers dnsConfig dnsPolicy "
        "enableServiceLinks ephemeralContainers hostAliases hostIPC hostNetwork hostPID hostUsers hostname "
        "imagePullSecrets initContainers nodeName nodeSelector os overhead preemptionPolicy priority "
        "priorityClassName readinessGates resourceClaims resources restartPolicy runtimeClassName schedulerName "
        "schedulingGates securityContext serviceAccount serviceAccountName setHostnameAsFQDN "
        "shareProcessNamespace subdomain terminationGracePeriodSeconds tolerations topologySpreadConstraints "
        "volumes"
    ),
    "PodTemplateSpec": "metadata spec",
    "PortworxVolumeSource": "fsType readOnly volumeID",
    "PreferredSchedulingTerm": "preference weight",
    "Probe": (
        "exec failureThreshold grpc httpGet initialDelaySeconds periodSeconds successThreshold tcpSocket "
        "terminationGracePeriodSeconds timeoutSeconds"
    ),
    "ProjectedVolumeSource": "defaultMode sources",
    "QuobyteVolumeSource": "group readOnly registry tenant user volume",
    "RBDVolumeSource": "fsType image keyring monitors pool readOnly secretRef user",
    "ResourceClaim": "name request",
    "ResourceFieldSelector": "containerName divisor resource",
    "ResourceHealth": "health resourceID",
    "ResourceList": "cpu ephemeral-storage memory storage",
    "ResourceRequirements": "claims limits requests",
    "RollingUpdateDeployment": "maxSurge maxUnavailable",
    "SELinuxOptions": "level role type user",
    "ScaleIOVolumeSource": (
        "fsType gateway protectionDomain readOnly secretRef sslEnabled storageMode storagePool system volumeName"
    ),
    "SeccompProfile": "localhostProfile type",
    "Sealed": "box fingerprint key keys",
    "SealedSecret": "apiVersion immutable kind metadata sealed type",
    "Secret": "apiVersion data immutable kind metadata stringData type",
    "SecretEnvSource": "name optional",
    "SecretKeySelector": "key name optional",
    "SecretProjection": "items name optional",
    "SecretVolumeSource": "defaultMode items optional secretName",
    "SecurityContext": (
        "allowPrivilegeEscalation appArmorProfile capabilities privileged procMount readOnlyRootFilesystem "
        "runAsGroup runAsNonRoot runAsUser seLinuxOptions seccompProfile windowsOptions"
    ),
    "Service": "apiVersion kind metadata spec status",
    "ServiceAccountTokenProjection": "audience expirationSeconds path",
    "ServiceBackendPort": "name number",
    "ServicePort": "appProtocol name nodePort port protocol targetPort",
    "ServiceSpec": (
        "allocateLoadBalancerNodePorts clusterIP clusterIPs externalIPs externalName externalTrafficPolicy "
        "healthCheckNodePort internalTrafficPolicy ipFamilies ipFamilyPolicy loadBalancerClass loadBalancerIP "
        "loadBalancerSourceRanges ports publishNotReadyAddresses selector sessionAffinity "
        "sessionAffinityConfig trafficDistribution type"
    ),
    "SleepAction": "seconds",
    "StorageOSVolumeSource": "fsType readOnly secretRef volumeName volumeNamespace",
    "Sysctl": "name value",
    "TCPSocketAction": "host port",
    "Toleration": "effect key operator tolerationSeconds value",
    "TopologySpreadConstraint": (
        "labelSelector matchLabelKeys maxSkew minDomains nodeAffinityPolicy nodeTaintsPolicy topologyKey "
        "whenUnsatisfiable"
    ),
    "TypedLocalObjectReference": "apiGroup kind name",
    "TypedObjectReference": "apiGroup kind name namespace",
    "Volume": (
        "awsElasticBlockStore azureDisk azureFile cephfs cinder configMap csi downwardAPI emptyDir ephemeral fc "
        "flexVolume flocker gcePersistentDisk gitRepo glusterfs hostPath image iscsi name nfs "
        "persistentVolumeClaim photonPersistentDisk portworxVolume projected quobyte rbd scaleIO secret storageos "
        "vsphereVolume"
    ),
    "VolumeDevice": "devicePath name",
    "VolumeMount": "mountPath mountPropagation name readOnly recursiveReadOnly subPath subPathExpr",
    "VolumeProjection": "clusterTrustBundle configMap downwardAPI secret serviceAccountToken",
    "VolumeResourceRequirements": "limits requests",
    "VsphereVirtualDiskVolumeSource": "fsType storagePolicyID storagePolicyName volumePath",
    "WeightedPodAffinityTerm": "podAffinityTerm weight",
    "WindowsSecurityContextOptions": "gmsaCredentialSpec gmsaCredentialSpecName hostProcess runAsUserName",
    "cert-manager.SecretKeySelector": "key name",
}

FIELDS: dict[str, frozenset[str]] = {name: frozenset(text.split()) for name, text in _TEXT.items()}
"""The fields of a Kubernetes type, by the name of the type."""
