"""The table of all built-in kinds: one row a kind and version.

A row says how a kind is named, where it is served, which verbs and subresources it has, and under
which directory of etcd its objects are kept. Discovery, routes, validation, kubectl and the client
read it; behaviour lives in controllers. What must hold: several versions of one kind share one
directory, the row that comes first is the preferred version, and a row never changes. A custom
resource is a row too, made from its CustomResourceDefinition and kept by whoever serves it.

In Kubernetes: spread over the storage providers in pkg/registry/*/rest and the scheme of
k8s.io/api. Left out: alpha and beta versions, which a 1.36 server does not serve by default.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import NamedTuple

from kubelab.sim.tree import Arr, Obj

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
READ_WRITE = ("get", "patch", "update")


class UnknownKind(LookupError):
    """Raised for an apiVersion and kind that no row has; the message is kubectl's."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind in one version.

    `prefix` is the directory in etcd; `field_labels` are the field selectors that the kind supports
    beyond metadata.name and metadata.namespace.
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    short_names: tuple[str, ...]
    categories: tuple[str, ...]
    verbs: tuple[str, ...]
    subresources: tuple[str, ...]
    prefix: str
    field_labels: tuple[str, ...]

    @property
    def api_version(self) -> str:
        """`v1`, `apps/v1`: what an object says in `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def path(self) -> str:
        """`/api/v1`, `/apis/apps/v1`: the path of the group and version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    @property
    def resource(self) -> str:
        """`pods`, `deployments.apps`: the resource as errors name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def group_kind(self) -> str:
        """`Pod`, `Deployment.apps`: the kind as errors name it."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def list_kind(self) -> str:
        """`PodList`."""
        return f"{self.kind}List"

    @property
    def has_status(self) -> bool:
        """Whether status is written by a subresource of its own."""
        return "status" in self.subresources

    @property
    def stored(self) -> bool:
        """Whether objects of the kind are kept; reviews and bindings are only answered."""
        return bool(self.prefix)


@dataclass(frozen=True, slots=True, eq=False)
class CustomKind(Kind):
    """A custom resource in one version, as its CustomResourceDefinition says.

    `schema` is its structural schema, `columns` its printer columns, `scale` the paths of its scale
    subresource (or nothing), `storage` the version in which its objects are stored. Two rows are
    equal only if they are the same: a definition that changes makes new ones.
    """

    schema: Obj
    columns: Arr
    scale: Obj
    storage: str
    listed: str
    terminating: bool
    deprecation: str

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    @property
    def list_kind(self) -> str:
        return self.listed


class Subresource(NamedTuple):
    """A subresource: its body and verbs; where group and version are empty, the parent's hold."""

    group: str
    version: str
    kind: str
    verbs: tuple[str, ...]


def _row(
    group: str,
    version: str,
    plural: str,
    kind: str,
    *,
    namespaced: bool = True,
    short: str = "",
    categories: str = "",
    verbs: str = "",
    sub: str = "",
    directory: str = "",
    fields: str = "",
) -> Kind:
    """A row from words separated by blanks; by default all verbs, and the plural as directory."""
    given = tuple(verbs.split()) or ALL_VERBS
    prefix = f"/registry/{directory or plural}/" if "update" in given else ""
    return Kind(
        group, version, kind, plural, kind.lower(), namespaced, tuple(short.split()),
        tuple(categories.split()), given, tuple(sub.split()), prefix, tuple(fields.split()),
    )  # fmt: skip


_ADMISSION = "admissionregistration.k8s.io"
_AUTHZ = "authorization.k8s.io"
_EXT = "api-extensions"
_FLOW = "flowcontrol.apiserver.k8s.io"
_NET = "networking.k8s.io"
_RBAC = "rbac.authorization.k8s.io"
_STORAGE = "storage.k8s.io"
_POD_FIELDS = (
    "spec.nodeName spec.restartPolicy spec.schedulerName spec.serviceAccountName spec.hostNetwork "
    "status.phase status.podIP status.podIPs status.nominatedNodeName"
)
_EVENT_FIELDS = (
    "involvedObject.kind involvedObject.namespace involvedObject.name involvedObject.uid "
    "involvedObject.apiVersion involvedObject.resourceVersion involvedObject.fieldPath "
    "reason reportingComponent source type"
)
_REGARDING_FIELDS = (
    "regarding.kind regarding.namespace regarding.name regarding.uid regarding.apiVersion "
    "regarding.resourceVersion regarding.fieldPath reason reportingController type"
)
_POD_SUB = "attach binding ephemeralcontainers eviction exec log portforward proxy resize status"

# In the order of discovery: the core group, then the groups by priority, each by resource name.
ALL: tuple[Kind, ...] = (
    _row("", "v1", "bindings", "Binding", verbs="create"),
    _row("", "v1", "componentstatuses", "ComponentStatus", namespaced=False, short="cs",
         verbs="get list"),
    _row("", "v1", "configmaps", "ConfigMap", short="cm"),
    _row("", "v1", "endpoints", "Endpoints", short="ep", directory="services/endpoints"),
    _row("", "v1", "events", "Event", short="ev", fields=_EVENT_FIELDS),
    _row("", "v1", "limitranges", "LimitRange", short="limits"),
    _row("", "v1", "namespaces", "Namespace", namespaced=False, short="ns",
         verbs="create delete get list patch update watch", sub="finalize status",
         fields="status.phase"),
    _row("", "v1", "nodes", "Node", namespaced=False, short="no", sub="proxy status",
         directory="minions", fields="spec.unschedulable"),
    _row("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", short="pvc", sub="status"),
    _row("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False, short="pv",
         sub="status"),
    _row("", "v1", "pods", "Pod", short="po", categories="all", sub=_POD_SUB, fields=_POD_FIELDS),
    _row("", "v1", "podtemplates", "PodTemplate"),
    _row("", "v1", "replicationcontrollers", "ReplicationController", short="rc",
         categories="all", sub="scale status", directory="controllers", fields="status.replicas"),
    _row("", "v1", "resourcequotas", "ResourceQuota", short="quota", sub="status"),
    _row("", "v1", "secrets", "Secret", fields="type"),
    _row("", "v1", "serviceaccounts", "ServiceAccount", short="sa", sub="token"),
    _row("", "v1", "services", "Service", short="svc", categories="all", sub="proxy status",
         directory="services/specs", fields="spec.clusterIP spec.type"),
    _row("apiregistration.k8s.io", "v1", "apiservices", "APIService", namespaced=False,
         categories=_EXT, sub="status", directory="apiregistration.k8s.io/apiservices"),
    _row("apps", "v1", "controllerrevisions", "ControllerRevision"),
    _row("apps", "v1", "daemonsets", "DaemonSet", short="ds", categories="all", sub="status"),
    _row("apps", "v1", "deployments", "Deployment", short="deploy", categories="all",
         sub="scale status"),
    _row("apps", "v1", "replicasets", "ReplicaSet", short="rs", categories="all",
         sub="scale status", fields="status.replicas"),
    _row("apps", "v1", "statefulsets", "StatefulSet", short="sts", categories="all",
         sub="scale status"),
    _row("events.k8s.io", "v1", "events", "Event", short="ev", fields=_REGARDING_FIELDS),
    _row("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview",
         namespaced=False, verbs="create"),
    _row("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False,
         verbs="create"),
    _row(_AUTHZ, "v1", "localsubjectaccessreviews", "LocalSubjectAccessReview", verbs="create"),
    _row(_AUTHZ, "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False,
         verbs="create"),
    _row(_AUTHZ, "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", namespaced=False,
         verbs="create"),
    _row(_AUTHZ, "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False,
         verbs="create"),
    _row("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", short="hpa",
         categories="all", sub="status"),
    _row("autoscaling", "v1", "horizontalpodautoscalers", "HorizontalPodAutoscaler", short="hpa",
         categories="all", sub="status"),
    _row("batch", "v1", "cronjobs", "CronJob", short="cj", categories="all", sub="status"),
    _row("batch", "v1", "jobs", "Job", categories="all", sub="status", fields="status.successful"),
    _row("certificates.k8s.io", "v1", "certificatesigningrequests", "CertificateSigningRequest",
         namespaced=False, short="csr", sub="approval status", fields="spec.signerName"),
    _row(_NET, "v1", "ingressclasses", "IngressClass", namespaced=False),
    _row(_NET, "v1", "ingresses", "Ingress", short="ing", sub="status", directory="ingress"),
    _row(_NET, "v1", "ipaddresses", "IPAddress", namespaced=False, short="ip"),
    _row(_NET, "v1", "networkpolicies", "NetworkPolicy", short="netpol"),
    _row(_NET, "v1", "servicecidrs", "ServiceCIDR", namespaced=False, sub="status"),
    _row("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", short="pdb", sub="status"),
    _row(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    _row(_RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False),
    _row(_RBAC, "v1", "rolebindings", "RoleBinding"),
    _row(_RBAC, "v1", "roles", "Role"),
    _row(_STORAGE, "v1", "csidrivers", "CSIDriver", namespaced=False),
    _row(_STORAGE, "v1", "csinodes", "CSINode", namespaced=False),
    _row(_STORAGE, "v1", "csistoragecapacities", "CSIStorageCapacity"),
    _row(_STORAGE, "v1", "storageclasses", "StorageClass", namespaced=False, short="sc"),
    _row(_STORAGE, "v1", "volumeattachments", "VolumeAttachment", namespaced=False, sub="status"),
    _row(_STORAGE, "v1", "volumeattributesclasses", "VolumeAttributesClass", namespaced=False,
         short="vac"),
    _row(_ADMISSION, "v1", "mutatingadmissionpolicies", "MutatingAdmissionPolicy",
         namespaced=False, categories=_EXT),
    _row(_ADMISSION, "v1", "mutatingadmissionpolicybindings", "MutatingAdmissionPolicyBinding",
         namespaced=False, categories=_EXT),
    _row(_ADMISSION, "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration",
         namespaced=False, categories=_EXT),
    _row(_ADMISSION, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy",
         namespaced=False, categories=_EXT, sub="status"),
    _row(_ADMISSION, "v1", "validatingadmissionpolicybindings",
         "ValidatingAdmissionPolicyBinding", namespaced=False, categories=_EXT),
    _row(_ADMISSION, "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration",
         namespaced=False, categories=_EXT),
    _row("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition",
         namespaced=False, short="crd crds", categories=_EXT, sub="status",
         directory="apiextensions.k8s.io/customresourcedefinitions"),
    _row("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", namespaced=False,
         short="pc"),
    _row("coordination.k8s.io", "v1", "leases", "Lease"),
    _row("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", namespaced=False),
    _row("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
    _row("resource.k8s.io", "v1", "deviceclasses", "DeviceClass", namespaced=False),
    _row("resource.k8s.io", "v1", "resourceclaims", "ResourceClaim", sub="status"),
    _row("resource.k8s.io", "v1", "resourceclaimtemplates", "ResourceClaimTemplate"),
    _row("resource.k8s.io", "v1", "resourceslices", "ResourceSlice", namespaced=False,
         fields="spec.nodeName spec.driver"),
    _row(_FLOW, "v1", "flowschemas", "FlowSchema", namespaced=False, sub="status"),
    _row(_FLOW, "v1", "prioritylevelconfigurations", "PriorityLevelConfiguration",
         namespaced=False, sub="status"),
)  # fmt: skip

_CONNECT = ("create", "get")
_PROXY = ("create", "delete", "get", "patch", "update")
# The subresources that have a body of their own; the others (status, resize) have their parent's.
_SUBRESOURCES: dict[tuple[str, str], Subresource] = {
    ("namespaces", "finalize"): Subresource("", "", "Namespace", ("update",)),
    ("nodes", "proxy"): Subresource("", "", "NodeProxyOptions", _PROXY),
    ("pods", "attach"): Subresource("", "", "PodAttachOptions", _CONNECT),
    ("pods", "binding"): Subresource("", "", "Binding", ("create",)),
    ("pods", "eviction"): Subresource("policy", "v1", "Eviction", ("create",)),
    ("pods", "exec"): Subresource("", "", "PodExecOptions", _CONNECT),
    ("pods", "log"): Subresource("", "", "Pod", ("get",)),
    ("pods", "portforward"): Subresource("", "", "PodPortForwardOptions", _CONNECT),
    ("pods", "proxy"): Subresource("", "", "PodProxyOptions", _PROXY),
    ("serviceaccounts", "token"): Subresource(
        "authentication.k8s.io", "v1", "TokenRequest", ("create",)
    ),
    ("services", "proxy"): Subresource("", "", "ServiceProxyOptions", _PROXY),
}
_SCALE = Subresource("autoscaling", "v1", "Scale", READ_WRITE)

_BY_PATH = {(row.group, row.version, row.plural): row for row in ALL}
_BY_KIND = {(row.api_version, row.kind): row for row in ALL}


def _words() -> dict[str, Kind]:
    """Every word that names a kind in kubectl; of several kinds with one name the first wins."""
    words: dict[str, Kind] = {}
    for row in ALL:
        for name in (row.plural, row.singular, *row.short_names):
            words.setdefault(name, row)
            if row.group:
                words.setdefault(f"{name}.{row.group}", row)
            words.setdefault(f"{name}.{row.version}.{row.group}", row)
    return words


_BY_WORD = _words()


def by_path(group: str, version: str, plural: str) -> Kind | None:
    """The kind served at `/apis/<group>/<version>/<plural>`; the core group is the empty string."""
    return _BY_PATH.get((group, version, plural))


def find(api_version: str, kind: str) -> Kind | None:
    """The row of an object's apiVersion and kind, or None."""
    return _BY_KIND.get((api_version, kind))


def by_kind(api_version: str, kind: str) -> Kind:
    """The row of an object's apiVersion and kind. Raises UnknownKind."""
    row = _BY_KIND.get((api_version, kind))
    if row is None:
        raise UnknownKind(f'no matches for kind "{kind}" in version "{api_version}"')
    return row


def named(name: str) -> Kind:
    """The row of a name such as `v1/Pod` or `apps/v1/Deployment`. Raises UnknownKind."""
    api_version, _, kind = name.rpartition("/")
    return by_kind(api_version, kind)


def resolve(word: str) -> Kind | None:
    """The kind that a word of kubectl's names: `po`, `deploy`, `deployments.apps`, `Pod`."""
    return _BY_WORD.get(word.lower())


def suggest(word: str) -> str | None:
    """The resource whose name is nearest to a word that names nothing."""
    near = difflib.get_close_matches(word.lower(), list(_BY_WORD), n=1)
    return _BY_WORD[near[0]].plural if near else None


def versions(row: Kind) -> tuple[Kind, ...]:
    """All rows that share the row's objects, preferred first."""
    return tuple(other for other in ALL if other.prefix and other.prefix == row.prefix)


def of_definition(definition: Obj) -> Kind | None:
    """The row by which clients find a definition's objects, once they are served."""
    conditions = definition.get("status", {}).get("conditions") or ()
    held = {item.get("type"): item.get("status") for item in conditions}
    spec = definition.get("spec", {})
    served = [version for version in spec.get("versions") or () if version.get("served")]
    if held.get("Established") != "True" or not served:
        return None
    stored = [version["name"] for version in served if version.get("storage")]
    names, version = spec["names"], (stored or [served[0]["name"]])[0]
    return Kind(
        spec["group"], version, names["kind"], names["plural"], names.get("singular") or "",
        spec.get("scope") == "Namespaced", (), (), ALL_VERBS, (),
        f"/registry/{spec['group']}/{names['plural']}/", (),
    )  # fmt: skip


def groups() -> tuple[str, ...]:
    """The names of all groups in the order of discovery, without the core group."""
    return tuple(dict.fromkeys(row.group for row in ALL if row.group))


def subresource(row: Kind, name: str) -> Subresource:
    """What a subresource of a kind takes and does."""
    if name == "scale":
        return _SCALE
    return _SUBRESOURCES.get((row.plural, name)) or Subresource("", "", row.kind, READ_WRITE)
