"""The roles of the single controllers, and the few roles that hold in one namespace.

Each controller of the controller manager has a service account in `kube-system` and a ClusterRole
`system:controller:NAME` bound to it. The rows are written like those of `default_roles.py`; where a
fourth part stands, it names the only objects that the rule is about.

In Kubernetes: plugin/pkg/auth/authorizer/rbac/bootstrappolicy (controller_policy.go,
namespace_policy.go). Left out: the roles of features that are off by default.
"""

from __future__ import annotations

READ = "get list watch"
EVENTS = "create patch update | - events.k8s.io | events"
OLD = "apps extensions"
LEASES = ("create get list update watch | coordination.k8s.io | leases",
          "create get list update watch | coordination.k8s.io | leasecandidates")  # fmt: skip

CONTROLLERS: dict[str, tuple[str, ...]] = {
    "attachdetach-controller": (
        "list watch | - | persistentvolumeclaims persistentvolumes", f"{READ} | - | nodes",
        "patch update | - | nodes/status", "list watch | - | pods", EVENTS,
        "create delete get list watch | storage.k8s.io | volumeattachments",
        f"{READ} | storage.k8s.io | csidrivers", f"{READ} | storage.k8s.io | csinodes"),
    "certificate-controller": (
        "delete get list watch | certificates.k8s.io | certificatesigningrequests",
        "update | certificates.k8s.io | certificatesigningrequests/approval "
        "certificatesigningrequests/status",
        "approve | certificates.k8s.io | signers | kubernetes.io/kube-apiserver-client-kubelet",
        "sign | certificates.k8s.io | signers | kubernetes.io/kube-apiserver-client "
        "kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving "
        "kubernetes.io/legacy-unknown",
        "create | authorization.k8s.io | subjectaccessreviews", EVENTS),
    "clusterrole-aggregation-controller": (
        "escalate get list patch update watch | rbac.authorization.k8s.io | clusterroles",),
    "cronjob-controller": (
        "get list update watch | batch | cronjobs",
        "create delete get list patch update watch | batch | jobs",
        "update | batch | cronjobs/status", "update | batch | cronjobs/finalizers",
        "delete list watch | - | pods", EVENTS),
    "daemon-set-controller": (
        f"{READ} | {OLD} | daemonsets", f"update | {OLD} | daemonsets/status",
        f"update | {OLD} | daemonsets/finalizers", "list watch | - | nodes",
        "create delete list patch watch | - | pods", "create | - | pods/binding",
        "create delete get list patch update watch | apps | controllerrevisions", EVENTS),
    "deployment-controller": (
        f"get list update watch | {OLD} | deployments", f"update | {OLD} | deployments/status",
        f"update | {OLD} | deployments/finalizers",
        f"create delete get list patch update watch | {OLD} | replicasets",
        "get list update watch | - | pods", EVENTS),
    "device-taint-eviction-controller": (
        "delete get list watch | - | pods", "patch update | - | pods/status",
        f"{READ} | resource.k8s.io | resourceclaims", f"{READ} | resource.k8s.io | resourceslices",
        f"{READ} | resource.k8s.io | deviceclasses", EVENTS),
    "disruption-controller": (
        f"{READ} | {OLD} | deployments", f"{READ} | {OLD} | replicasets",
        f"{READ} | - | replicationcontrollers", f"{READ} | policy | poddisruptionbudgets",
        f"{READ} | apps | statefulsets", "update | policy | poddisruptionbudgets/status",
        "patch update | - | pods/status", "get | * | */scale", EVENTS),
    "endpoint-controller": (
        f"{READ} | - | pods services", "create delete get list update watch | - | endpoints",
        "create | - | endpoints/restricted", EVENTS),
    "endpointslice-controller": (
        f"{READ} | - | nodes pods services", "update | - | services/finalizers",
        "create delete get list update watch | discovery.k8s.io | endpointslices", EVENTS),
    "endpointslicemirroring-controller": (
        f"{READ} | - | endpoints services", "update | - | services/finalizers",
        "update | - | endpoints/finalizers",
        "create delete get list update watch | discovery.k8s.io | endpointslices", EVENTS),
    "ephemeral-volume-controller": (
        f"{READ} | - | pods", "update | - | pods/finalizers",
        "create get list watch | - | persistentvolumeclaims", EVENTS),
    "expand-controller": (
        "get list patch update watch | - | persistentvolumes",
        "patch update | - | persistentvolumeclaims/status",
        f"{READ} | - | persistentvolumeclaims", EVENTS),
    "generic-garbage-collector": ("delete get list patch update watch | * | *", EVENTS),
    "horizontal-pod-autoscaler": (
        f"{READ} | autoscaling | horizontalpodautoscalers",
        "update | autoscaling | horizontalpodautoscalers/status", "get update | * | */scale",
        "list watch | - | pods", "list watch | metrics.k8s.io | pods",
        f"{READ} | custom.metrics.k8s.io | *", f"{READ} | external.metrics.k8s.io | *", EVENTS),
    "job-controller": (
        "get list patch update watch | batch | jobs", "update | batch | jobs/status",
        "update | batch | jobs/finalizers", "create delete list patch watch | - | pods", EVENTS),
    "legacy-service-account-token-cleaner": (
        "get | - | configmaps | kube-apiserver-legacy-service-account-token-tracking",
        "delete patch | - | secrets"),
    "namespace-controller": (
        "delete get list watch | - | namespaces",
        "update | - | namespaces/finalize namespaces/status",
        "delete deletecollection get list watch | * | *"),
    "node-controller": (
        "delete get list patch update watch | - | nodes", "patch update | - | nodes/status",
        "patch update | - | pods/status", "delete get list watch | - | pods", EVENTS),
    "persistent-volume-binder": (
        "create delete get list update watch | - | persistentvolumes",
        "update | - | persistentvolumes/status",
        "get list update watch | - | persistentvolumeclaims",
        "update | - | persistentvolumeclaims/status",
        "create delete get list watch | - | pods", f"{READ} | storage.k8s.io | storageclasses",
        "list watch | - | nodes", EVENTS, "watch | - | events"),
    "pod-garbage-collector": (
        "delete list watch | - | pods", f"{READ} | - | nodes", "patch | - | pods/status"),
    "pv-protection-controller": ("get list update watch | - | persistentvolumes", EVENTS),
    "pvc-protection-controller": (
        "get list update watch | - | persistentvolumeclaims",
        "update | - | persistentvolumeclaims/status", f"{READ} | - | pods", EVENTS),
    "replicaset-controller": (
        f"get list update watch | {OLD} | replicasets", f"update | {OLD} | replicasets/status",
        f"update | {OLD} | replicasets/finalizers", "create delete list patch watch | - | pods",
        EVENTS),
    "replication-controller": (
        "get list update watch | - | replicationcontrollers",
        "update | - | replicationcontrollers/status",
        "update | - | replicationcontrollers/finalizers",
        "create delete list patch watch | - | pods", EVENTS),
    "resource-claim-controller": (
        f"{READ} | - | pods", "update | - | pods/finalizers",
        "create delete get list watch | resource.k8s.io | resourceclaims",
        "patch update | resource.k8s.io | resourceclaims resourceclaims/status",
        "patch update | - | pods/status", EVENTS,
        "patch update | resource.k8s.io | resourceclaims/binding"),
    "resourcequota-controller": (
        "list watch | * | *", "update | - | resourcequotas/status", EVENTS),
    "root-ca-cert-publisher": ("create update | - | configmaps", EVENTS),
    "route-controller": ("list watch | - | nodes", "patch | - | nodes/status", EVENTS),
    "selinux-warning-controller": (
        EVENTS, f"{READ} | - | persistentvolumes", f"{READ} | - | persistentvolumeclaims",
        f"{READ} | - | pods", f"{READ} | storage.k8s.io | csidrivers"),
    "service-account-controller": ("create | - | serviceaccounts", EVENTS),
    "service-cidrs-controller": (
        "get list patch update watch | networking.k8s.io | servicecidrs",
        "patch update | networking.k8s.io | servicecidrs/finalizers",
        "patch update | networking.k8s.io | servicecidrs/status",
        f"{READ} | networking.k8s.io | ipaddresses", EVENTS),
    "service-controller": (
        f"{READ} | - | services", "patch update | - | services/status", "list watch | - | nodes",
        EVENTS),
    "statefulset-controller": (
        "list watch | - | pods", f"{READ} | apps | statefulsets",
        "update | apps | statefulsets/status", "update | apps | statefulsets/finalizers",
        "create delete get patch update | - | pods",
        "create delete get list patch update watch | apps | controllerrevisions",
        "create get list watch | - | persistentvolumeclaims",
        "delete update | - | persistentvolumeclaims", "update | - | pods/finalizers", EVENTS),
    "ttl-after-finished-controller": ("delete get list watch | batch | jobs", EVENTS),
    "ttl-controller": ("list patch update watch | - | nodes", EVENTS),
    "validatingadmissionpolicy-status-controller": (
        f"{READ} | admissionregistration.k8s.io | validatingadmissionpolicies",
        "get patch update | admissionregistration.k8s.io | validatingadmissionpolicies/status",
        EVENTS),
    "volumeattributesclass-protection-controller": (
        f"{READ} | - | persistentvolumeclaims", f"{READ} | - | persistentvolumes",
        "get list update watch | storage.k8s.io | volumeattributesclasses", EVENTS),
}  # fmt: skip

# Roles of one namespace: namespace, name, rules.
ROLES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("kube-public", "system:controller:bootstrap-signer", (
        f"{READ} | - | configmaps", "update | - | configmaps | cluster-info", EVENTS)),
    ("kube-system", "extension-apiserver-authentication-reader", (
        f"{READ} | - | configmaps | extension-apiserver-authentication",)),
    ("kube-system", "system::leader-locking-kube-controller-manager", LEASES),
    ("kube-system", "system::leader-locking-kube-scheduler", LEASES),
    ("kube-system", "system:controller:bootstrap-signer", (f"{READ} | - | secrets",)),
    ("kube-system", "system:controller:cloud-provider", (
        "create get list watch | - | configmaps",)),
    ("kube-system", "system:controller:token-cleaner", (
        "delete get list watch | - | secrets", EVENTS)),
)  # fmt: skip
# Their bindings: namespace, name, role, users, and service accounts of kube-system.
BINDINGS: tuple[tuple[str, str, str, str, str], ...] = (
    ("kube-public", "system:controller:bootstrap-signer", "system:controller:bootstrap-signer",
     "", "bootstrap-signer"),
    ("kube-system", "system::extension-apiserver-authentication-reader",
     "extension-apiserver-authentication-reader",
     "system:kube-controller-manager system:kube-scheduler", ""),
    ("kube-system", "system::leader-locking-kube-controller-manager",
     "system::leader-locking-kube-controller-manager", "system:kube-controller-manager",
     "kube-controller-manager leader-election-controller"),
    ("kube-system", "system::leader-locking-kube-scheduler",
     "system::leader-locking-kube-scheduler", "system:kube-scheduler", "kube-scheduler"),
    ("kube-system", "system:controller:bootstrap-signer", "system:controller:bootstrap-signer",
     "", "bootstrap-signer"),
    ("kube-system", "system:controller:cloud-provider", "system:controller:cloud-provider",
     "", "cloud-provider"),
    ("kube-system", "system:controller:token-cleaner", "system:controller:token-cleaner",
     "", "token-cleaner"),
)  # fmt: skip
