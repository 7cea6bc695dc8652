"""How the server's own code holds a pod's or claim's spec, where a refusal shows that.

The real server validates not what a client sends but its own form of it: fields have Go's names and
order, what is not set is there as null, empty or false, and the host namespaces of a pod stand in
its security context. Users see it in two refusals: the template of a Job may not change (the value
is shown) and the spec of a pod or claim may not change (the difference is shown, as a diff of the
two in indented JSON).

A table gives for each struct its fields in order: `Name` is a text, `Name?` is null where unset,
`Name#` is a number, `Name!` a flag, `Name:Struct` a struct of this table; `*` before a struct makes
it null where unset, `[]` a list of it. Structs that are not in the table are shown as they are,
with their fields' names in Go's spelling.

In Kubernetes: pkg/apis/core/types.go, k8s.io/apimachinery/pkg/util/diff.
"""

from __future__ import annotations

import difflib
import json
from typing import Any

from kubelab.api.objects import EMPTY

_STRUCTS: dict[str, str] = {
    "PodSpec": "Volumes:[]Volume InitContainers:[]Container Containers:[]Container "
    "EphemeralContainers:[]EphemeralContainer RestartPolicy TerminationGracePeriodSeconds? "
    "ActiveDeadlineSeconds? DNSPolicy NodeSelector? ServiceAccountName "
    "AutomountServiceAccountToken? NodeName SecurityContext:*PodSecurityContext "
    "ImagePullSecrets:[]LocalObjectReference Hostname Subdomain SetHostnameAsFQDN? "
    "Affinity:*Affinity SchedulerName Tolerations:[]Toleration HostAliases:[]HostAlias "
    "PriorityClassName Priority? PreemptionPolicy? DNSConfig:*PodDNSConfig ReadinessGates? "
    "RuntimeClassName? Overhead? EnableServiceLinks? "
    "TopologySpreadConstraints:[]TopologySpreadConstraint OS? SchedulingGates? ResourceClaims? "
    "Resources:*Resources HostnameOverride? SchedulingGroup?",
    "PodSecurityContext": "HostNetwork! HostPID! HostIPC! ShareProcessNamespace? HostUsers? "
    "SELinuxOptions? WindowsOptions? RunAsUser? RunAsGroup? RunAsNonRoot? SupplementalGroups? "
    "SupplementalGroupsPolicy? FSGroup? FSGroupChangePolicy? Sysctls? SeccompProfile? "
    "AppArmorProfile? SELinuxChangePolicy?",
    "Container": "Name Image Command? Args? WorkingDir Ports:[]ContainerPort EnvFrom:[]EnvFrom "
    "Env:[]EnvVar Resources:Resources ResizePolicy? RestartPolicy? RestartPolicyRules? "
    "VolumeMounts:[]VolumeMount VolumeDevices? LivenessProbe:*Probe ReadinessProbe:*Probe "
    "StartupProbe:*Probe Lifecycle:*Lifecycle TerminationMessagePath TerminationMessagePolicy "
    "ImagePullPolicy SecurityContext:*SecurityContext Stdin! StdinOnce! TTY!",
    "EphemeralContainer": "Name Image Command? Args? WorkingDir Ports:[]ContainerPort "
    "EnvFrom:[]EnvFrom Env:[]EnvVar Resources:Resources ResizePolicy? RestartPolicy? "
    "RestartPolicyRules? VolumeMounts:[]VolumeMount VolumeDevices? LivenessProbe:*Probe "
    "ReadinessProbe:*Probe StartupProbe:*Probe Lifecycle:*Lifecycle TerminationMessagePath "
    "TerminationMessagePolicy ImagePullPolicy SecurityContext:*SecurityContext Stdin! StdinOnce! "
    "TTY! TargetContainerName",
    "SecurityContext": "Capabilities? Privileged? SELinuxOptions? WindowsOptions? RunAsUser? "
    "RunAsGroup? RunAsNonRoot? ReadOnlyRootFilesystem? AllowPrivilegeEscalation? ProcMount? "
    "SeccompProfile? AppArmorProfile?",
    "ContainerPort": "Name HostPort# ContainerPort# Protocol HostIP",
    "EnvFrom": "Prefix ConfigMapRef? SecretRef?",
    "EnvVar": "Name Value ValueFrom:*EnvVarSource",
    "EnvVarSource": "FieldRef:*FieldSelector ResourceFieldRef:*ResourceSelector "
    "ConfigMapKeyRef:*KeySelector SecretKeyRef:*KeySelector FileKeyRef?",
    "FieldSelector": "APIVersion FieldPath",
    "ResourceSelector": "ContainerName Resource Divisor",
    "KeySelector": "Name Key Optional?",
    "Resources": "Limits? Requests? Claims?",
    "VolumeMount": "Name ReadOnly! RecursiveReadOnly? MountPath SubPath MountPropagation? "
    "SubPathExpr",
    "Probe": "Exec? HTTPGet:*HTTPGet TCPSocket:*TCPSocket GRPC:*GRPC InitialDelaySeconds# "
    "TimeoutSeconds# PeriodSeconds# SuccessThreshold# FailureThreshold# "
    "TerminationGracePeriodSeconds?",
    "HTTPGet": "Path Port Host Scheme HTTPHeaders?",
    "TCPSocket": "Port Host",
    "GRPC": "Port# Service?",
    "Handler": "Exec? HTTPGet:*HTTPGet TCPSocket:*TCPSocket Sleep?",
    "Lifecycle": "PostStart:*Handler PreStop:*Handler StopSignal?",
    "LocalObjectReference": "Name",
    "Toleration": "Key Operator Value Effect TolerationSeconds?",
    "HostAlias": "IP Hostnames?",
    "PodDNSConfig": "Nameservers? Searches? Options?",
    "TopologySpreadConstraint": "MaxSkew# TopologyKey WhenUnsatisfiable LabelSelector?v1 "
    "MinDomains? NodeAffinityPolicy? NodeTaintsPolicy? MatchLabelKeys?",
    "Affinity": "NodeAffinity? PodAffinity? PodAntiAffinity?",
    "Volume": "Name HostPath:*HostPath EmptyDir:*EmptyDir GCEPersistentDisk? "
    "AWSElasticBlockStore? GitRepo? Secret:*SecretVolume NFS:*NFS ISCSI? Glusterfs? "
    "PersistentVolumeClaim:*ClaimVolume RBD? Quobyte? FlexVolume? Cinder? CephFS? Flocker? "
    "DownwardAPI:*DownwardVolume FC? AzureFile? ConfigMap:*MapVolume VsphereVolume? AzureDisk? "
    "PhotonPersistentDisk? Projected:*Projected PortworxVolume? ScaleIO? StorageOS? CSI? "
    "Ephemeral? Image?",
    "HostPath": "Path Type?",
    "EmptyDir": "Medium SizeLimit?",
    "NFS": "Server Path ReadOnly!",
    "ClaimVolume": "ClaimName ReadOnly!",
    "SecretVolume": "SecretName Items:[]KeyToPath DefaultMode? Optional?",
    "MapVolume": "Name Items:[]KeyToPath DefaultMode? Optional?",
    "DownwardVolume": "Items:[]DownwardFile DefaultMode?",
    "KeyToPath": "Key Path Mode?",
    "DownwardFile": "Path FieldRef:*FieldSelector ResourceFieldRef:*ResourceSelector Mode?",
    "Projected": "Sources:[]Projection DefaultMode?",
    "Projection": "Secret:*MapProjection DownwardAPI:*DownwardProjection "
    "ConfigMap:*MapProjection ServiceAccountToken:*TokenProjection ClusterTrustBundle? "
    "PodCertificate?",
    "MapProjection": "Name Items:[]KeyToPath Optional?",
    "DownwardProjection": "Items:[]DownwardFile",
    "TokenProjection": "Audience ExpirationSeconds# Path",
    "PersistentVolumeClaimSpec": "AccessModes? Selector?v1 Resources:VolumeResources VolumeName "
    "StorageClassName? VolumeMode? DataSource? DataSourceRef? VolumeAttributesClassName?",
    "VolumeResources": "Limits? Requests?",
}
# Where the name in JSON is not Go's with a small first letter.
_NAMES = {
    "DNSPolicy": "dnsPolicy", "DNSConfig": "dnsConfig", "OS": "os", "TTY": "tty", "IP": "ip",
    "SELinuxOptions": "seLinuxOptions", "SELinuxChangePolicy": "seLinuxChangePolicy",
    "FSGroup": "fsGroup", "FSGroupChangePolicy": "fsGroupChangePolicy", "HTTPGet": "httpGet",
    "TCPSocket": "tcpSocket", "GRPC": "grpc", "HTTPHeaders": "httpHeaders", "NFS": "nfs",
    "GCEPersistentDisk": "gcePersistentDisk", "AWSElasticBlockStore": "awsElasticBlockStore",
    "ISCSI": "iscsi", "RBD": "rbd", "CephFS": "cephfs", "FC": "fc", "CSI": "csi",
    "APIVersion": "apiVersion", "StorageOS": "storageos",
}  # fmt: skip
_GO = {name: go for go, name in _NAMES.items()}
_HOST = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers")
_PLAIN_MAPS = ("NodeSelector", "Overhead", "Limits", "Requests")


def pod_spec(spec: Any) -> dict[str, Any]:
    """A PodSpec in the server's own form."""
    security = {**(spec.get("securityContext") or EMPTY)}
    security |= {name: spec[name] for name in _HOST if name in spec}
    return _struct("PodSpec", {**spec, "securityContext": security})


def claim_spec(spec: Any) -> dict[str, Any]:
    """The spec of a PersistentVolumeClaim in the server's own form."""
    return _struct("PersistentVolumeClaimSpec", spec)


def difference(before: Any, after: Any) -> str:
    """What differs between two values of the server's own form, as the lines of a unified diff."""
    old, new = (json.dumps(value, indent=1, ensure_ascii=False).splitlines(keepends=True)
                for value in (before, after))  # fmt: skip
    lines = list(difflib.unified_diff([*old[:-1], f"{old[-1]}\n"], [*new[:-1], f"{new[-1]}\n"]))
    return "".join(lines[2:])


def _struct(name: str, value: Any) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for word in _STRUCTS[name].split():
        field, _, type_ = word.partition(":")
        field, optional, tagged = field.partition("?")
        mark = field[-1] if field[-1] in "#!" else ""
        field = field.rstrip("#!")
        held = value.get(_NAMES.get(field, field[0].lower() + field[1:]))
        if type_:
            out[field] = _typed(type_, held)
        elif optional:
            plain = tagged == "v1" or field in _PLAIN_MAPS
            out[field] = held if held is None or plain else _named(held)
        else:
            zero: Any = {"#": 0, "!": False}.get(mark, "")
            out[field] = zero if held is None else held
    return out


def _typed(type_: str, held: Any) -> Any:
    if type_.startswith("[]"):
        return [_struct(type_[2:], item) for item in held] if held else None
    if type_.startswith("*"):
        return None if held is None else _struct(type_[1:], held)
    return _struct(type_, held or EMPTY)


def _named(value: Any) -> Any:
    """A value whose fields have their names in Go's spelling."""
    if isinstance(value, dict):
        return {_GO.get(key, key[:1].upper() + key[1:]): _named(item)
                for key, item in value.items()}  # fmt: skip
    return [_named(item) for item in value] if isinstance(value, list) else value
