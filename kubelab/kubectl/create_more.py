"""The further types of kubectl create: services, jobs, roles, bindings, and what sets limits.

In Kubernetes: k8s.io/kubectl/pkg/cmd/create.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubelab.api.objects import get, name_of, thaw, uid_of
from kubelab.kubectl.errors import fail, usage
from kubelab.kubectl.resources import kind_of
from kubelab.kubectl.session import Session

RBAC = "rbac.authorization.k8s.io"


def _name(session: Session, args: list[str]) -> str:
    if len(args) != 1:
        raise usage(session.flags.command, f"exactly one NAME is required, got {len(args)}")
    return args[0]


def _head(api_version: str, kind: str, name: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **metadata}}


# Services.

SERVICE_TYPES = {
    "clusterip": "ClusterIP", "nodeport": "NodePort", "loadbalancer": "LoadBalancer",
    "externalname": "ExternalName",
}  # fmt: skip


def _service(session: Session, args: list[str]) -> Any:
    flags = session.flags
    if not args or args[0] not in SERVICE_TYPES:
        raise usage("create service", f"Unexpected args: [{' '.join(args)}]")
    type_, name = SERVICE_TYPES[args[0]], _name(session, args[1:])
    spec: dict[str, Any] = {"selector": {"app": name}, "type": type_}
    ports = [_port(text) for given in flags.many("tcp") for text in given.split(",")]
    if flags.has("node-port") and ports:
        ports[0]["nodePort"] = flags.number("node-port")
    if ports:
        spec["ports"] = ports
    if type_ == "ExternalName":
        flags.require("external-name")
        spec["externalName"] = flags.text("external-name")
    elif flags.text("clusterip") == "None":
        spec["clusterIP"] = "None"
    elif not ports:
        raise fail("at least one tcp port specifier must be provided")
    return {
        **_head("v1", "Service", name, labels={"app": name}), "spec": spec,
        "status": {"loadBalancer": {}},
    }  # fmt: skip


def _port(text: str) -> dict[str, Any]:
    port, colon, target = text.partition(":")
    try:
        number = int(port)
    except ValueError:
        raise fail(f'strconv.Atoi: parsing "{port}": invalid syntax') from None
    aim: Any = target if colon else port
    return {
        "name": f"{port}-{target}" if colon else port, "port": number, "protocol": "TCP",
        "targetPort": int(aim) if aim.isdigit() else aim,
    }  # fmt: skip


# Jobs.


def _job_spec(session: Session, name: str, restart: str) -> Any:
    image = session.flags.many("image")[-1]
    container: dict[str, Any] = {"image": image, "name": name, "resources": {}}
    if session.flags.rest:
        container["command"] = session.flags.rest
    restart = session.flags.text("restart", restart)
    spec = {"containers": [container], "restartPolicy": restart}
    return {"template": {"metadata": {}, "spec": spec}}


def _job(session: Session, args: list[str]) -> Any:
    flags, name = session.flags, _name(session, args)
    if flags.has("from"):
        return _job_of(session, name, flags.text("from"))
    if not flags.has("image"):
        raise fail("either --image or --from must be specified")
    return {
        **_head("batch/v1", "Job", name), "spec": _job_spec(session, name, "Never"), "status": {}
    }  # fmt: skip


def _job_of(session: Session, name: str, source: str) -> Any:
    word, _, of = source.partition("/")
    kind = kind_of(session, word)
    if kind.kind != "CronJob":
        raise fail("from must be an existing cronjob: only cronjob is supported")
    cron = session.get(kind, session.namespace, of)
    owner = {
        "apiVersion": "batch/v1", "kind": "CronJob", "name": name_of(cron), "uid": uid_of(cron),
        "controller": True,
    }  # fmt: skip
    template = thaw(get(cron, "spec", "jobTemplate"))
    metadata = template.get("metadata") or {}
    annotations = {"cronjob.kubernetes.io/instantiate": "manual",
                   **(metadata.get("annotations") or {})}  # fmt: skip
    more: dict[str, Any] = {"annotations": annotations, "ownerReferences": [owner]}
    if metadata.get("labels"):
        more["labels"] = metadata["labels"]
    return {**_head("batch/v1", "Job", name, **more), "spec": template["spec"], "status": {}}


def _cron_job(session: Session, args: list[str]) -> Any:
    name = _name(session, args)
    session.flags.require("image", "schedule")
    return {
        **_head("batch/v1", "CronJob", name),
        "spec": {
            "schedule": session.flags.text("schedule"),
            "jobTemplate": {
                "metadata": {"name": name}, "spec": _job_spec(session, name, "OnFailure")
            },
        },
        "status": {},
    }  # fmt: skip


# Roles.


def _words(session: Session, flag: str) -> list[str]:
    found = [word for given in session.flags.many(flag) for word in given.split(",")]
    return list(dict.fromkeys(found))


def _rules(session: Session, *, urls: bool) -> list[Any]:
    verbs, resources = _words(session, "verb"), _words(session, "resource")
    if not verbs:
        raise fail("at least one verb must be specified")
    if urls and session.flags.many("non-resource-url"):
        return [{"nonResourceURLs": _words(session, "non-resource-url"), "verbs": verbs}]
    if not resources:
        raise fail("at least one resource must be specified")
    rules: dict[str, dict[str, Any]] = {}
    for text in resources:
        word, slash, subresource = text.partition("/")
        kind = kind_of(session, word)
        rule = rules.setdefault(
            kind.group, {"apiGroups": [kind.group], "resources": [], "verbs": verbs}
        )
        rule["resources"].append(f"{kind.plural}{slash}{subresource}")
        if session.flags.has("resource-name"):
            rule["resourceNames"] = _words(session, "resource-name")
    return list(rules.values())


def _role(session: Session, args: list[str]) -> Any:
    name = _name(session, args)
    return {**_head(f"{RBAC}/v1", "Role", name), "rules": _rules(session, urls=False)}


def _cluster_role(session: Session, args: list[str]) -> Any:
    head = _head(f"{RBAC}/v1", "ClusterRole", _name(session, args))
    if session.flags.has("aggregation-rule"):
        labels = dict(
            pair.partition("=")[::2] for pair in session.flags.text("aggregation-rule").split(",")
        )
        chosen = {"clusterRoleSelectors": [{"matchLabels": labels}]}
        return {**head, "aggregationRule": chosen, "rules": None}
    return {**head, "rules": _rules(session, urls=True)}


def _subjects(session: Session) -> list[Any]:
    subjects: list[Any] = [
        {"apiGroup": RBAC, "kind": kind, "name": name}
        for kind, flag in (("User", "user"), ("Group", "group"))
        for name in session.flags.many(flag)
    ]
    for account in session.flags.many("serviceaccount"):
        namespace, colon, name = account.partition(":")
        if not colon or not name:
            raise fail("serviceaccount must be <namespace>:<name>")
        subjects.append({"kind": "ServiceAccount", "name": name, "namespace": namespace})
    return subjects


def _bound(session: Session, args: list[str], kind: str) -> Any:
    flags, name = session.flags, _name(session, args)
    if kind == "RoleBinding" and flags.has("clusterrole") == flags.has("role"):
        raise fail("exactly one of clusterrole or role must be specified")
    if kind == "ClusterRoleBinding":
        flags.require("clusterrole")
    role = "ClusterRole" if flags.has("clusterrole") else "Role"
    ref = {"apiGroup": RBAC, "kind": role, "name": flags.text(role.lower())}
    out = {**_head(f"{RBAC}/v1", kind, name), "roleRef": ref}
    subjects = _subjects(session)
    return {**out, "subjects": subjects} if subjects else out


def _role_binding(session: Session, args: list[str]) -> Any:
    return _bound(session, args, "RoleBinding")


def _cluster_role_binding(session: Session, args: list[str]) -> Any:
    return _bound(session, args, "ClusterRoleBinding")


# What is let in, and what sets limits.


def _ingress(session: Session, args: list[str]) -> Any:
    flags, name = session.flags, _name(session, args)
    hosts: dict[str, list[Any]] = {}
    tls: list[Any] = []
    for rule in flags.many("rule"):
        where, equals, rest = rule.partition("=")
        if not equals or "/" not in where:
            raise fail(f"rule {rule} is invalid and should be in format host/path=svcname:svcport"
                       "[,tls[=secret]]")  # fmt: skip
        backend, _, secret = rest.partition(",tls")
        host, _, path = where.partition("/")
        prefix = path.endswith("*")
        hosts.setdefault(host, []).append(
            {
                "backend": _backend(backend), "path": f"/{path.rstrip('*')}",
                "pathType": "Prefix" if prefix else "Exact",
            }
        )  # fmt: skip
        if ",tls" in rest:
            entry: dict[str, Any] = {"hosts": [host]}
            if secret.startswith("="):
                entry["secretName"] = secret[1:]
            tls.append(entry)
    rules = [
        {**({"host": host} if host else {}), "http": {"paths": paths}}
        for host, paths in hosts.items()
    ]
    spec: dict[str, Any] = {"rules": rules} if rules else {}
    if flags.has("default-backend"):
        spec["defaultBackend"] = _backend(flags.text("default-backend"))
    if flags.has("class"):
        spec["ingressClassName"] = flags.text("class")
    if tls:
        spec["tls"] = tls
    if not spec.get("rules") and "defaultBackend" not in spec:
        raise fail("not enough information provided: every ingress has to either specify a default-"
                   "backend (which catches all traffic) or a list of rules (which catch specific "
                   "paths)")  # fmt: skip
    annotations = dict(text.partition("=")[::2] for text in flags.many("annotation"))
    more = {"annotations": annotations} if annotations else {}
    return {
        **_head("networking.k8s.io/v1", "Ingress", name, **more), "spec": spec,
        "status": {"loadBalancer": {}},
    }  # fmt: skip


def _backend(text: str) -> Any:
    name, _, port = text.partition(":")
    aim = {"number": int(port)} if port.isdigit() else {"name": port}
    return {"service": {"name": name, "port": aim}}


def _budget(session: Session, args: list[str]) -> Any:
    flags, name = session.flags, _name(session, args)
    if not flags.has("selector"):
        raise fail("a selector must be specified")
    if flags.has("min-available") == flags.has("max-unavailable"):
        raise fail("one of min-available or max-unavailable must be specified"
                   if not flags.has("min-available")
                   else "min-available and max-unavailable cannot be both specified")  # fmt: skip
    labels = dict(pair.partition("=")[::2] for pair in flags.text("selector").split(","))
    field, flag = (
        ("minAvailable", "min-available") if flags.has("min-available")
        else ("maxUnavailable", "max-unavailable")
    )  # fmt: skip
    text = flags.text(flag)
    counts = ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods")
    return {
        **_head("policy/v1", "PodDisruptionBudget", name),
        "spec": {
            field: int(text) if text.isdigit() else text, "selector": {"matchLabels": labels}
        },
        "status": dict.fromkeys(counts, 0),
    }  # fmt: skip


def _quota(session: Session, args: list[str]) -> Any:
    name = _name(session, args)
    hard = dict(pair.partition("=")[::2] for pair in session.flags.text("hard").split(",") if pair)
    spec: dict[str, Any] = {"hard": hard} if hard else {}
    if session.flags.has("scopes"):
        spec["scopes"] = session.flags.text("scopes").split(",")
    return {**_head("v1", "ResourceQuota", name), "spec": spec, "status": {}}


def _priority_class(session: Session, args: list[str]) -> Any:
    flags, name = session.flags, _name(session, args)
    flags.require("value")
    out = {
        **_head("scheduling.k8s.io/v1", "PriorityClass", name), "value": flags.number("value"),
        "preemptionPolicy": flags.text("preemption-policy", "PreemptLowerPriority"),
    }  # fmt: skip
    if flags.on("global-default"):
        out["globalDefault"] = True
    if flags.has("description"):
        out["description"] = flags.text("description")
    return out


MAKERS: dict[str, Callable[[Session, list[str]], Any]] = {
    "service": _service, "job": _job, "cronjob": _cron_job, "role": _role,
    "clusterrole": _cluster_role, "rolebinding": _role_binding,
    "clusterrolebinding": _cluster_role_binding, "ingress": _ingress,
    "poddisruptionbudget": _budget, "quota": _quota, "priorityclass": _priority_class,
}  # fmt: skip
