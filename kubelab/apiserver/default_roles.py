"""The roles and bindings that every cluster begins with.

A table: each row a rule as `verbs | groups | resources`, where the core group is `-` and a rule for
paths is `verbs | paths`. They are written in one transaction when the API server finds none, so
that a role that was changed stays changed.

In Kubernetes: plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go. Left out: the repair of
changed default roles at each start. The roles of the single controllers stand in
`controller_roles.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubelab.api.objects import Obj, freeze
from kubelab.apiserver import controller_roles

GROUP = "rbac.authorization.k8s.io"
VERSION = f"{GROUP}/v1"
READ = "get list watch"
WRITE = "create delete deletecollection patch update"
ALL = "create delete deletecollection get list patch update watch"
AUTHENTICATED, UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
EVENTS = "create patch update | - events.k8s.io | events"

_VIEW = (
    f"{READ} | - | configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods "
    "replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status",
    f"{READ} | - | bindings events limitranges namespaces/status pods/log pods/status "
    "replicationcontrollers/status resourcequotas resourcequotas/status",
    f"{READ} | - | namespaces",
    f"{READ} | discovery.k8s.io | endpointslices",
    f"{READ} | apps | controllerrevisions daemonsets daemonsets/status deployments "
    "deployments/scale deployments/status replicasets replicasets/scale replicasets/status "
    "statefulsets statefulsets/scale statefulsets/status",
    f"{READ} | autoscaling | horizontalpodautoscalers horizontalpodautoscalers/status",
    f"{READ} | batch | cronjobs cronjobs/status jobs jobs/status",
    f"{READ} | networking.k8s.io | ingresses ingresses/status networkpolicies",
    f"{READ} | policy | poddisruptionbudgets poddisruptionbudgets/status",
    f"{READ} | resource.k8s.io | resourceclaims resourceclaims/status resourceclaimtemplates",
)
_EDIT = (
    f"{READ} | - | pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy",
    "impersonate | - | serviceaccounts",
    f"{WRITE} | - | pods pods/attach pods/exec pods/portforward pods/proxy",
    "create | - | pods/eviction",
    f"{WRITE} | - | configmaps events persistentvolumeclaims replicationcontrollers "
    "replicationcontrollers/scale secrets serviceaccounts services services/proxy",
    "create | - | serviceaccounts/token",
    f"{WRITE} | apps | daemonsets deployments deployments/rollback deployments/scale replicasets "
    "replicasets/scale statefulsets statefulsets/scale",
    f"{WRITE} | autoscaling | horizontalpodautoscalers",
    f"{WRITE} | batch | cronjobs jobs",
    f"{WRITE} | networking.k8s.io | ingresses networkpolicies",
    f"{WRITE} | policy | poddisruptionbudgets",
    f"{ALL} | coordination.k8s.io | leases",
    f"{WRITE} | resource.k8s.io | resourceclaims resourceclaimtemplates",
)
_ADMIN = (
    "create | authorization.k8s.io | localsubjectaccessreviews",
    f"{ALL} | {GROUP} | rolebindings roles",
)
_PUBLIC = "get | /healthz /livez /readyz /version /version/"

ROLES: dict[str, tuple[str, ...]] = {
    "cluster-admin": ("* | * | *", "* | *"),
    "system:discovery": (
        "get | /api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version "
        "/version/",
    ),
    "system:monitoring": (
        "get | /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*",
    ),
    "system:basic-user": (
        "create | authorization.k8s.io | selfsubjectaccessreviews selfsubjectrulesreviews",
        "create | authentication.k8s.io | selfsubjectreviews",
    ),
    "system:public-info-viewer": (_PUBLIC,),
    "system:aggregate-to-admin": _ADMIN,
    "system:aggregate-to-edit": _EDIT,
    "system:aggregate-to-view": _VIEW,
    "system:heapster": (f"{READ} | - | events namespaces nodes pods",
                        f"{READ} | extensions | deployments"),
    "system:node": (
        "create | authentication.k8s.io | tokenreviews",
        "create | authorization.k8s.io | localsubjectaccessreviews subjectaccessreviews",
        f"{READ} | - | services", f"create {READ} | - | nodes", "patch update | - | nodes/status",
        "patch update | - | nodes", EVENTS, f"{READ} | - | pods", "create delete | - | pods",
        "patch update | - | pods/status", "create | - | pods/eviction",
        f"{READ} | - | configmaps secrets", "get | - | persistentvolumeclaims persistentvolumes",
        "get | - | endpoints", f"create {READ} | certificates.k8s.io | certificatesigningrequests",
        "create delete get patch update | coordination.k8s.io | leases",
        "get | storage.k8s.io | volumeattachments", "create | - | serviceaccounts/token",
        "get patch update | - | persistentvolumeclaims/status",
        f"{READ} | storage.k8s.io | csidrivers",
        "create delete get patch update | storage.k8s.io | csinodes",
        f"{READ} | node.k8s.io | runtimeclasses", "get | resource.k8s.io | resourceclaims",
        "deletecollection | resource.k8s.io | resourceslices",
        "create delete get list patch update watch | resource.k8s.io | resourceslices",
    ),
    "system:node-problem-detector": ("get | - | nodes", "patch | - | nodes/status", EVENTS),
    "system:kubelet-api-admin": (
        f"{READ} proxy | - | nodes", "* | - | nodes/configz nodes/healthz nodes/log nodes/metrics "
        "nodes/pods nodes/proxy nodes/stats",
    ),
    "system:node-bootstrapper": (
        f"create {READ} | certificates.k8s.io | certificatesigningrequests",
    ),
    "system:auth-delegator": (
        "create | authentication.k8s.io | tokenreviews",
        "create | authorization.k8s.io | subjectaccessreviews",
    ),
    "system:kube-aggregator": (f"{READ} | - | endpoints services",),
    "system:kube-controller-manager": (
        EVENTS, "create | coordination.k8s.io | leases",
        "get update | coordination.k8s.io | leases | kube-controller-manager",
        "create | - | secrets serviceaccounts", "delete | - | secrets",
        "get | - | configmaps namespaces secrets serviceaccounts",
        "update | - | secrets serviceaccounts", "create | authentication.k8s.io | tokenreviews",
        "create | authorization.k8s.io | subjectaccessreviews", "list watch | * | *",
        "create | - | serviceaccounts/token",
    ),
    "system:kube-scheduler": (
        EVENTS, "create | coordination.k8s.io | leases",
        "get list update watch | coordination.k8s.io | leases | kube-scheduler",
        f"{READ} | - | nodes", f"delete {READ} | - | pods", "create | - | bindings pods/binding",
        "patch update | - | pods/status", f"{READ} | - | replicationcontrollers services",
        f"{READ} | apps extensions | replicasets", f"{READ} | apps | statefulsets",
        f"{READ} | policy | poddisruptionbudgets",
        f"{READ} | - | persistentvolumeclaims persistentvolumes",
        "create | authentication.k8s.io | tokenreviews",
        "create | authorization.k8s.io | subjectaccessreviews",
        f"{READ} | storage.k8s.io | csinodes csidrivers csistoragecapacities volumeattachments",
        f"{READ} | - | namespaces", f"{READ} | resource.k8s.io | deviceclasses resourceslices",
        f"patch update {READ} | resource.k8s.io | resourceclaims",
        "patch update | resource.k8s.io | resourceclaims/status",
    ),
    "system:kube-dns": ("list watch | - | endpoints services",),
    "system:persistent-volume-provisioner": (
        f"create delete {READ} | - | persistentvolumes",
        f"update {READ} | - | persistentvolumeclaims", f"{READ} | storage.k8s.io | storageclasses",
        "watch | - | events", EVENTS,
    ),
    "system:volume-scheduler": (
        f"patch update {READ} | - | persistentvolumes",
        f"{READ} | storage.k8s.io | storageclasses",
        f"patch update {READ} | - | persistentvolumeclaims",
    ),
    "system:node-proxier": (
        "list watch | - | services", "get list watch | - | nodes", EVENTS,
        "list watch | discovery.k8s.io | endpointslices",
        "list watch | networking.k8s.io | servicecidrs",
    ),
    "system:service-account-issuer-discovery": (
        "get | /.well-known/openid-configuration /.well-known/openid-configuration/ "
        "/openid/v1/jwks /openid/v1/jwks/",
    ),
    **{
        f"system:certificates.k8s.io:{signer}-approver": (
            f"approve | certificates.k8s.io | signers | kubernetes.io/{signer}",
        )
        for signer in ("kube-apiserver-client", "kube-apiserver-client-kubelet", "kubelet-serving",
                       "legacy-unknown")
    },
    "system:certificates.k8s.io:certificatesigningrequests:nodeclient": (
        "create | certificates.k8s.io | certificatesigningrequests/nodeclient",
    ),
    "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient": (
        "create | certificates.k8s.io | certificatesigningrequests/selfnodeclient",
    ),
}  # fmt: skip
# Filled from all roles that carry the label `rbac.authorization.k8s.io/aggregate-to-NAME: true`.
AGGREGATED = {
    "admin": (*_ADMIN, *_EDIT, *_VIEW),
    "edit": (*_EDIT, *_VIEW),
    "view": _VIEW,
}
BINDINGS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    # The role, then the kind and the names of the subjects.
    "cluster-admin": ("cluster-admin", "Group", ("system:masters",)),
    "system:monitoring": ("system:monitoring", "Group", ("system:monitoring",)),
    "system:discovery": ("system:discovery", "Group", (AUTHENTICATED,)),
    "system:basic-user": ("system:basic-user", "Group", (AUTHENTICATED,)),
    "system:public-info-viewer": (
        "system:public-info-viewer", "Group", (AUTHENTICATED, UNAUTHENTICATED),
    ),
    "system:node-proxier": ("system:node-proxier", "User", ("system:kube-proxy",)),
    "system:kube-controller-manager": (
        "system:kube-controller-manager", "User", ("system:kube-controller-manager",),
    ),
    "system:kube-dns": ("system:kube-dns", "ServiceAccount", ("kube-dns",)),
    "system:kube-scheduler": ("system:kube-scheduler", "User", ("system:kube-scheduler",)),
    "system:volume-scheduler": ("system:volume-scheduler", "User", ("system:kube-scheduler",)),
    "system:node": ("system:node", "", ()),
    "system:service-account-issuer-discovery": (
        "system:service-account-issuer-discovery", "Group", ("system:serviceaccounts",),
    ),
}  # fmt: skip
# Who else kubeadm lets in.
BINDINGS["kubeadm:cluster-admins"] = ("cluster-admin", "Group", ("kubeadm:cluster-admins",))


def _rule(text: str) -> dict[str, Any]:
    parts = [part.split() for part in text.split(" | ")]
    if len(parts) == 2:
        return {"verbs": parts[0], "nonResourceURLs": parts[1]}
    groups = ["" if group == "-" else group for group in parts[1]]
    rule = {"verbs": parts[0], "apiGroups": groups, "resources": parts[2]}
    return {**rule, "resourceNames": parts[3]} if len(parts) > 3 else rule


def _head(kind: str, name: str, **labels: str) -> dict[str, Any]:
    default = not name.startswith("kubeadm:")
    metadata: dict[str, Any] = {"name": name}
    if default:
        metadata["annotations"] = {"rbac.authorization.kubernetes.io/autoupdate": "true"}
        metadata["labels"] = {"kubernetes.io/bootstrapping": "rbac-defaults", **labels}
    return {"kind": kind, "apiVersion": VERSION, "metadata": metadata}


def objects() -> list[Obj]:
    """All default cluster roles and their bindings, without what storing adds."""
    made: list[dict[str, Any]] = []
    for name, rules in ROLES.items():
        target = name.removeprefix("system:aggregate-to-")
        labels = {f"{GROUP}/aggregate-to-{target}": "true"} if target != name else {}
        role = _head("ClusterRole", name, **labels)
        made.append({**role, "rules": [_rule(rule) for rule in rules]})
    above = {"view": "edit", "edit": "admin"}
    for name, rules in AGGREGATED.items():
        labels = {f"{GROUP}/aggregate-to-{above[name]}": "true"} if name in above else {}
        selector = {"matchLabels": {f"{GROUP}/aggregate-to-{name}": "true"}}
        role = _head("ClusterRole", name, **labels)
        aggregation = {"clusterRoleSelectors": [selector]}
        made.append(
            {**role, "aggregationRule": aggregation, "rules": [_rule(rule) for rule in rules]}
        )
    for name, (role_name, kind, names) in BINDINGS.items():
        binding = _head("ClusterRoleBinding", name)
        binding["roleRef"] = {"apiGroup": GROUP, "kind": "ClusterRole", "name": role_name}
        if names:
            binding["subjects"] = [_subject(kind, subject) for subject in names]
        made.append(binding)
    return [freeze(obj) for obj in (*made, *_controllers(), *_namespaced())]


def _controllers() -> Iterator[dict[str, Any]]:
    """The role of each controller, bound to its service account."""
    for account, rules in controller_roles.CONTROLLERS.items():
        name = f"system:controller:{account}"
        yield {**_head("ClusterRole", name), "rules": [_rule(rule) for rule in rules]}
        reference = {"apiGroup": GROUP, "kind": "ClusterRole", "name": name}
        subjects = [_subject("ServiceAccount", account)]
        yield {**_head("ClusterRoleBinding", name), "roleRef": reference, "subjects": subjects}


def _namespaced() -> Iterator[dict[str, Any]]:
    """The roles that hold in one namespace of the system, and their bindings."""
    for namespace, name, rules in controller_roles.ROLES:
        role = _head("Role", name)
        role["metadata"]["namespace"] = namespace
        yield {**role, "rules": [_rule(rule) for rule in rules]}
    for namespace, name, role_name, users, accounts in controller_roles.BINDINGS:
        binding = _head("RoleBinding", name)
        binding["metadata"]["namespace"] = namespace
        reference = {"apiGroup": GROUP, "kind": "Role", "name": role_name}
        subjects = [_subject("User", user) for user in users.split()]
        subjects += [_subject("ServiceAccount", account) for account in accounts.split()]
        yield {**binding, "roleRef": reference, "subjects": subjects}


def _subject(kind: str, name: str) -> dict[str, str]:
    if kind == "ServiceAccount":
        return {"kind": kind, "name": name, "namespace": "kube-system"}
    return {"kind": kind, "apiGroup": GROUP, "name": name}
