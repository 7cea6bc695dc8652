"""Admission: what the cluster's own rules add to a request or refuse.

Between authorization and the store a request passes the admission plugins, first those that change
the object, later those that only refuse. Each plugin is a function of the request's object and of
what the server's caches hold; it returns the object, perhaps changed, or raises ApiError. `Wait`
means that something which is about to appear is not there yet: the server tries once more shortly.

In Kubernetes: plugin/pkg/admission and k8s.io/apiserver/pkg/admission. Here: NamespaceLifecycle,
LimitRanger, ServiceAccount, DefaultTolerationSeconds, Priority, RuntimeClass, PodSecurity and
ResourceQuota; the others stand in `plugins.py`, policies and webhooks in files of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kubelab.api import errors, fielderrors, quantity
from kubelab.api.objects import EMPTY, NOTHING, Arr, Obj, freeze, get, merged, name_of, with_
from kubelab.apiserver import admission_limits, admission_quota, podsecurity
from kubelab.apiserver.pending import Pending
from kubelab.apiserver.routes import Route

if TYPE_CHECKING:
    from kubelab.apiserver.server import APIServer

IMMORTAL = ("default", "kube-system", "kube-public")
# Directories whose contents the plugins read; the server keeps a watch cache of each.
NEEDED = (
    "/registry/namespaces/",
    "/registry/serviceaccounts/",
    "/registry/priorityclasses/",
    "/registry/limitranges/",
    "/registry/resourcequotas/",
    "/registry/runtimeclasses/",
)
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
TOLERATION_SECONDS = 300
HIGHEST_USER_PRIORITY = 1_000_000_000
# So often a namespace that the cache does not have is looked for again.
LAG_TRIES = 2


class Wait(Exception):
    """Not admitted yet: try again shortly; `error` is the answer after so many tries."""

    def __init__(self, error: errors.ApiError, tries: int = 10) -> None:
        super().__init__(str(error))
        self.error = error
        self.tries = tries


def namespace_lifecycle(server: APIServer, route: Route, obj: Obj | None, user: str) -> Obj | None:
    """Nothing is created in a namespace that is missing or on its way out."""
    if route.kind.kind == "Namespace":
        if route.verb == "delete" and route.name in IMMORTAL:
            raise errors.forbidden(route.kind, route.name, "this namespace may not be deleted")
        return obj
    if route.verb != "create" or not route.kind.namespaced:
        return obj
    namespace = server.cached("/registry/namespaces/", route.namespace)
    if namespace is None:
        missing = errors.not_found_named("namespaces", "", route.namespace)
        if route.namespace in IMMORTAL or route.namespace == "kube-node-lease":
            raise Wait(missing)
        # The cache may lag behind a namespace that was made a moment ago.
        raise Wait(missing, tries=LAG_TRIES)
    if get(namespace, "status", "phase") == "Terminating" and not route.subresource:
        raise errors.namespace_terminating(route.kind, name_of(obj), route.namespace)
    return obj


def service_account(server: APIServer, route: Route, obj: Obj, user: str) -> Obj:
    """A pod gets a service account, and the account's token as a volume."""
    spec = obj["spec"]
    if get(obj, "metadata", "annotations", "kubernetes.io/config.mirror"):
        return obj
    name = spec.get("serviceAccountName") or "default"
    account = server.cached("/registry/serviceaccounts/", f"{route.namespace}/{name}")
    if account is None:
        missing = errors.forbidden(
            route.kind,
            name_of(obj),
            f"error looking up service account {route.namespace}/{name}: "
            f'serviceaccount "{name}" not found',
        )
        # The one account that every namespace is given is worth waiting for.
        if name == "default":
            raise Wait(missing)
        raise missing
    obj = with_(obj, ("spec",), merged(spec, serviceAccountName=name, serviceAccount=name))
    wanted = spec.get("automountServiceAccountToken")
    if wanted is None:
        wanted = account.get("automountServiceAccountToken")
    pull_secrets = account.get("imagePullSecrets")
    if pull_secrets and not spec.get("imagePullSecrets"):
        obj = with_(obj, ("spec", "imagePullSecrets"), pull_secrets)
    return obj if wanted is False else _mount_token(obj, server)


def _mount_token(obj: Obj, server: APIServer) -> Obj:
    spec = obj["spec"]
    volumes = spec.get("volumes") or NOTHING
    known = [v["name"] for v in volumes if v["name"].startswith("kube-api-access-")]
    volume = known[0] if known else f"kube-api-access-{server.chance.suffix()}"
    mount = freeze({"name": volume, "readOnly": True, "mountPath": TOKEN_PATH})
    changed: dict[str, Any] = {}
    for field in ("initContainers", "containers"):
        containers = [
            container
            if any(m.get("mountPath") == TOKEN_PATH for m in container.get("volumeMounts") or ())
            else merged(container, volumeMounts=[*(container.get("volumeMounts") or ()), mount])
            for container in spec.get(field) or ()
        ]
        if containers:
            changed[field] = containers
    if not known:
        changed["volumes"] = [*volumes, _token_volume(volume)]
    mounted: Obj = with_(obj, ("spec",), merged(spec, **changed))
    return mounted


def _token_volume(name: str) -> Obj:
    certificate = {"key": "ca.crt", "path": "ca.crt"}
    namespace = {
        "path": "namespace",
        "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
    }
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [certificate]}},
        {"downwardAPI": {"items": [namespace]}},
    ]
    made: Obj = freeze({"name": name, "projected": {"sources": sources, "defaultMode": 420}})
    return made


def default_toleration_seconds(server: APIServer, route: Route, obj: Obj, user: str) -> Obj:
    """A pod outlives a node that is not ready or unreachable by five minutes, not more."""
    tolerations = list(get(obj, "spec", "tolerations", default=NOTHING))
    added = False
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(_tolerates(toleration, key) for toleration in tolerations):
            tolerations.append(
                Obj(
                    key=key,
                    operator="Exists",
                    effect="NoExecute",
                    tolerationSeconds=TOLERATION_SECONDS,
                )
            )
            added = True
    return with_(obj, ("spec", "tolerations"), Arr(tolerations)) if added else obj


def _tolerates(toleration: Obj, key: str) -> bool:
    about = toleration.get("key") in (key, None, "")
    return about and toleration.get("effect") in ("NoExecute", None, "")


def priority(server: APIServer, route: Route, obj: Obj, user: str) -> Obj:
    """A pod's priority class becomes a number."""
    spec = obj["spec"]
    name = spec.get("priorityClassName")
    policy = "PreemptLowerPriority"
    if name:
        found = server.cached("/registry/priorityclasses/", name)
        if found is None:
            error = errors.forbidden(
                route.kind, name_of(obj), f"no PriorityClass with name {name} was found"
            )
            raise Wait(error) if name.startswith("system-") else error
    else:
        classes = server.caches["/registry/priorityclasses/"].all()
        found = next((item for item in classes if item.get("globalDefault")), None)
    value = 0
    changed: dict[str, Any] = {}
    if found is not None:
        value, policy = found["value"], found.get("preemptionPolicy") or policy
        changed["priorityClassName"] = name_of(found)
    given = spec.get("priority")
    if given is not None and given != value:
        raise errors.forbidden(
            route.kind,
            name_of(obj),
            f"the integer value of priority ({given}) must not be provided in pod spec; "
            f"priority admission controller computed {value} from the given PriorityClass name",
        )
    changed |= {"priority": value, "preemptionPolicy": spec.get("preemptionPolicy") or policy}
    ranked: Obj = with_(obj, ("spec",), merged(spec, **changed))
    return ranked


def limit_ranger(server: APIServer, route: Route, obj: Obj, user: str) -> Obj:
    """A container that says nothing gets what its namespace's LimitRanges say."""
    ranges = server.caches["/registry/limitranges/"].all(route.namespace)
    return admission_limits.fill(obj, ranges) if ranges else obj


def runtime_class(server: APIServer, route: Route, obj: Obj, user: str) -> Obj:
    """A pod of a runtime class gets the class's overhead and the place where it can run."""
    name = obj["spec"].get("runtimeClassName")
    if not name:
        return obj
    found = server.cached("/registry/runtimeclasses/", name)
    if found is None:
        text = f'pod rejected: RuntimeClass "{name}" not found'
        raise errors.forbidden(route.kind, name_of(obj), text)
    overhead = get(found, "overhead", "podFixed")
    given = obj["spec"].get("overhead")
    if given and given != overhead:
        text = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
        if not overhead:
            text = (
                "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            )
        raise errors.forbidden(route.kind, name_of(obj), text)
    if overhead:
        obj = with_(obj, ("spec", "overhead"), overhead)
    return _placed(route, obj, found.get("scheduling") or EMPTY)


def _placed(route: Route, obj: Obj, scheduling: Obj) -> Obj:
    """A pod goes where its runtime class is at home, and bears what is there."""
    own = get(obj, "spec", "nodeSelector", default=EMPTY)
    selector = scheduling.get("nodeSelector") or EMPTY
    for key, value in selector.items():
        if key in own and own[key] != value:
            text = (
                f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
                f"pod.spec.nodeSelector[{key}] = {own[key]}"
            )
            raise errors.forbidden(route.kind, name_of(obj), text)
    if selector:
        obj = with_(obj, ("spec", "nodeSelector"), freeze({**own, **selector}))
    held = get(obj, "spec", "tolerations", default=NOTHING)
    more = [item for item in scheduling.get("tolerations") or NOTHING if item not in held]
    return with_(obj, ("spec", "tolerations"), [*held, *more]) if more else obj


Plugin = Callable[["APIServer", Route, Any, str], Any]
POD_CREATION: tuple[tuple[str, Plugin], ...] = (
    ("LimitRanger", limit_ranger),
    ("ServiceAccount", service_account),
    ("DefaultTolerationSeconds", default_toleration_seconds),
    ("Priority", priority),
    ("RuntimeClass", runtime_class),
)


def admit(server: APIServer, route: Route, obj: Any, user: str) -> tuple[Any, dict[str, str]]:
    """Runs the plugins that the request concerns; the object, and what those that ran saw."""
    obj = namespace_lifecycle(server, route, obj, user)
    where = f"namespace {route.namespace} takes objects" if route.namespace else "no namespace"
    ran = {"NamespaceLifecycle": where}
    pod = route.kind.kind == "Pod" and route.verb == "create" and not route.subresource
    # A pod without a spec is refused by validation.
    if pod and obj.get("spec"):
        for name, plugin in POD_CREATION:
            before = obj
            obj = plugin(server, route, obj, user)
            ran[name] = _seen(name, obj["spec"], before is not obj)
    return obj, ran


def _seen(name: str, spec: Any, changed: bool) -> str:
    """What a plugin looked at, in a few words."""
    if name == "ServiceAccount":
        return f"runs as {spec.get('serviceAccountName', 'nobody')}"
    if name == "Priority":
        return f"priority {spec.get('priority')}"
    if name == "RuntimeClass":
        return f"runtime class {spec.get('runtimeClassName') or 'none'}"
    return "filled in what was missing" if changed else "nothing to fill in"


# What only refuses, after the object has been found valid.


def verify(server: APIServer, pending: Pending, obj: Obj, *, creates: bool) -> None:
    """Runs the plugins that look at the object as it will be stored. Raises ApiError."""
    route = pending.route
    kind = route.kind
    held = pending.current[0] if pending.current is not None else EMPTY
    if kind.kind == "Pod" and not creates:
        if podsecurity.runs_otherwise(route.subresource, held, obj):
            _pod_security(server, pending, obj)
    if route.subresource:
        return
    if kind.kind == "Namespace":
        _namespace_labels(server, pending, obj)
        return
    if kind.kind == "PersistentVolumeClaim" and not creates:
        _claim_resize(server, pending, obj)
    if not creates or not kind.namespaced:
        return
    if kind.kind in ("Pod", "PersistentVolumeClaim"):
        ranges = server.caches["/registry/limitranges/"].all(route.namespace)
        _refuse(pending, obj, "LimitRanger", admission_limits.check(obj, ranges), _all(ranges))
    _pod_security(server, pending, obj)
    quotas = server.caches["/registry/resourcequotas/"].all(route.namespace)
    if quotas:
        name = f"{kind.api_version}/{kind.kind}"
        problem = admission_quota.check(server, name, obj, route.namespace, dry=pending.dry)
        _refuse(pending, obj, "ResourceQuota", problem, _all(quotas))


def _claim_resize(server: APIServer, pending: Pending, obj: Obj) -> None:
    """A claim may ask for more only if its class lets volumes grow."""
    held = pending.current[0] if pending.current is not None else obj
    sizes = [get(o, "spec", "resources", "requests", "storage", default="0") for o in (held, obj)]
    if quantity.compare(sizes[1], sizes[0]) <= 0:
        return
    name = get(obj, "spec", "storageClassName", default="")
    found = server.cached("/registry/storageclasses/", name) if name else None
    problem = ""
    if found is None or not found.get("allowVolumeExpansion"):
        problem = (
            "only dynamically provisioned pvc can be resized and the storageclass that provisions "
            "the pvc must support resize"
        )
    _refuse(pending, obj, "PersistentVolumeClaimResize", problem)


def _refuse(pending: Pending, obj: Obj, gate: str, problem: str, compared: str = "") -> None:
    if problem:
        raise errors.forbidden(pending.route.kind, name_of(obj), problem)
    pending.passes(gate, compared)


def _all(objects: Any) -> str:
    """What was looked at, by name."""
    return f"within {', '.join(map(name_of, objects))}" if objects else "there is none to keep to"


def _pod_security(server: APIServer, pending: Pending, obj: Obj) -> None:
    """A pod keeps to the level of its namespace; a template that would not is warned of."""
    namespace = server.cached("/registry/namespaces/", pending.route.namespace) or EMPTY
    pod = pending.route.kind.kind == "Pod"
    spec = obj.get("spec") if pod else get(obj, *TEMPLATES.get(pending.route.kind.kind, ("-",)))
    if not spec:
        return
    if pod:
        level, version = podsecurity.level_of(namespace, "enforce")
        found = podsecurity.violations(spec, level)
        text = f'violates PodSecurity "{level}:{version}": {", ".join(found)}' if found else ""
        _refuse(pending, obj, "PodSecurity", text, f"level {level}:{version}")
    warned, version = podsecurity.level_of(namespace, "warn")
    found = podsecurity.violations(spec, warned)
    if found:
        pending.warn(f'would violate PodSecurity "{warned}:{version}": {", ".join(found)}')


TEMPLATE = ("spec", "template", "spec")
TEMPLATES: dict[str, tuple[str, ...]] = {
    "Deployment": TEMPLATE, "ReplicaSet": TEMPLATE, "StatefulSet": TEMPLATE, "DaemonSet": TEMPLATE,
    "Job": TEMPLATE, "ReplicationController": TEMPLATE,
    "CronJob": ("spec", "jobTemplate", *TEMPLATE), "PodTemplate": ("template", "spec"),
}  # fmt: skip


def _namespace_labels(server: APIServer, pending: Pending, obj: Obj) -> None:
    """The levels of a namespace are known words; pods that a new one would refuse are named."""
    problems = []
    labels = get(obj, "metadata", "labels", default=EMPTY)
    for mode in ("enforce", "audit", "warn"):
        label = f"{podsecurity.PREFIX}{mode}"
        if label in labels and labels[label] not in podsecurity.LEVELS:
            text = f"must be one of {', '.join(podsecurity.LEVELS)}"
            problems.append(fielderrors.wrong(f"metadata.labels[{label}]", labels[label], text))
    if problems:
        raise errors.invalid(pending.route.kind, name_of(obj), problems)
    level, version = podsecurity.level_of(obj, "enforce")
    old = server.cached("/registry/namespaces/", name_of(obj)) or EMPTY
    if pending.route.verb == "create" or podsecurity.level_of(old, "enforce") == (level, version):
        return
    found: dict[str, list[str]] = {}
    for pod in server.caches["/registry/pods/"].all(name_of(obj)):
        wrong = podsecurity.violations(pod["spec"], level)
        if wrong:
            text = ", ".join(row.partition(" (")[0] for row in wrong)
            found.setdefault(text, []).append(name_of(pod))
    if found:
        pending.warn(
            f'existing pods in namespace "{name_of(obj)}" violate the new PodSecurity enforce '
            f'level "{level}:{version}"'
        )
    for text, names in sorted(found.items(), key=lambda row: row[1]):
        first, more = min(names), len(names) - 1
        others = f" (and {more} other pod{'s' if more > 1 else ''})" if more else ""
        pending.warn(f"{first}{others}: {text}")
