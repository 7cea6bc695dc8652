"""Validation of containers: names, images, ports, environment, probes, resources, mounts.

In Kubernetes: pkg/apis/core/validation/validation.go, from validateContainers on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubelab.api import quantity
from kubelab.api.fielderrors import duplicate, missing, not_allowed, required, unsupported, wrong
from kubelab.api.kinds import Kind
from kubelab.apiserver import formats
from kubelab.apiserver.validation_meta import Errors, each_wrong, not_negative
from kubelab.sim.tree import EMPTY, Obj, get

PROTOCOLS = ("SCTP", "TCP", "UDP")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_CONTAINER_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_STANDARD_RESOURCES = (
    *_CONTAINER_RESOURCES, "storage", "requests.cpu", "requests.memory", "requests.storage",
    "requests.ephemeral-storage", "limits.cpu", "limits.memory", "limits.ephemeral-storage",
    "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps",
    "persistentvolumeclaims", "services.nodeports", "services.loadbalancers",
)  # fmt: skip
_ENV_FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName",
    "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP",
    "status.podIPs",
)  # fmt: skip
_CONTEXT_FIELDS = (
    "Capabilities", "Privileged", "SELinuxOptions", "WindowsOptions", "RunAsUser", "RunAsGroup",
    "RunAsNonRoot", "ReadOnlyRootFilesystem", "AllowPrivilegeEscalation", "ProcMount",
    "SeccompProfile", "AppArmorProfile",
)  # fmt: skip
_NO_PROBES = "may not be set for init containers without restartPolicy=Always"


def containers(held: Sequence[Any], spec: Any, field: str) -> Errors:
    """The containers of a pod; there is at least one."""
    if not held:
        yield required(field)
        return
    names: list[str] = []
    for at, container in enumerate(held):
        path = f"{field}[{at}]"
        yield from _common(container, spec, path)
        name = container.get("name") or ""
        if name in names:
            yield duplicate(f"{path}.name", name)
        elif name:
            names.append(name)
        yield from _running(container, path)
    yield from _host_ports(held, field)


def init_containers(held: Sequence[Any], spec: Any, field: str) -> Errors:
    """The init containers of a pod; only those that keep running have probes."""
    names = [container.get("name") for container in spec.get("containers") or ()]
    for at, container in enumerate(held):
        path = f"{field}[{at}]"
        yield from _common(container, spec, path)
        name = container.get("name") or ""
        if name in names:
            yield duplicate(f"{path}.name", name)
        elif name:
            names.append(name)
        policy = container.get("restartPolicy")
        if policy == "Always":
            yield from _running(container, path)
            continue
        if policy is not None and policy not in ("Never", "OnFailure"):
            yield unsupported(f"{path}.restartPolicy", policy, ["Always", "Never", "OnFailure"])
        for probe in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
            if container.get(probe) is not None:
                yield not_allowed(f"{path}.{probe}", _NO_PROBES)


def _common(container: Any, spec: Any, path: str) -> Errors:
    name, image = container.get("name") or "", container.get("image") or ""
    if not name:
        yield required(f"{path}.name")
    else:
        yield from each_wrong(f"{path}.name", name, formats.label(name))
    if not image:
        yield required(f"{path}.image")
    elif image.strip() != image:
        yield wrong(f"{path}.image", image, "must not have leading or trailing whitespace")
    policy = container.get("terminationMessagePolicy")
    if policy not in (None, "File", "FallbackToLogsOnError"):
        allowed = ["FallbackToLogsOnError", "File"]
        yield unsupported(f"{path}.terminationMessagePolicy", policy, allowed)
    yield from _ports(container.get("ports") or (), spec, f"{path}.ports")
    yield from _environment(container.get("env") or (), f"{path}.env")
    yield from _environment_from(container.get("envFrom") or (), f"{path}.envFrom")
    yield from _mounts(container.get("volumeMounts") or (), spec, f"{path}.volumeMounts")
    pull = container.get("imagePullPolicy")
    if pull not in _PULL_POLICIES:
        yield unsupported(f"{path}.imagePullPolicy", pull or "", _PULL_POLICIES)
    yield from resources(container.get("resources") or EMPTY, f"{path}.resources")
    yield from _security(container.get("securityContext"), f"{path}.securityContext")


def _ports(held: Sequence[Any], spec: Any, field: str) -> Errors:
    names: list[str] = []
    for at, port in enumerate(held):
        path = f"{field}[{at}]"
        name, number = port.get("name") or "", port.get("containerPort") or 0
        if name:
            problems = formats.port_name(name)
            yield from each_wrong(f"{path}.name", name, problems)
            if not problems and name in names:
                yield duplicate(f"{path}.name", name)
            names.append(name)
        if not number:
            yield required(f"{path}.containerPort")
        else:
            yield from each_wrong(f"{path}.containerPort", number, formats.port_number(number))
        host = port.get("hostPort") or 0
        if host:
            yield from each_wrong(f"{path}.hostPort", host, formats.port_number(host))
            if spec.get("hostNetwork") and host != number:
                message = "must match `containerPort` when `hostNetwork` is true"
                yield wrong(f"{path}.hostPort", host, message)
        protocol = port.get("protocol") or "TCP"
        if protocol not in PROTOCOLS:
            yield unsupported(f"{path}.protocol", protocol, PROTOCOLS)


def _host_ports(held: Sequence[Any], field: str) -> Errors:
    taken: list[str] = []
    for at, container in enumerate(held):
        for place, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            text = f"{port.get('protocol') or 'TCP'}/{port.get('hostIP') or ''}/{port['hostPort']}"
            if text in taken:
                yield duplicate(f"{field}[{at}].ports[{place}].hostPort", text)
            else:
                taken.append(text)


def _environment(held: Sequence[Any], field: str) -> Errors:
    for at, variable in enumerate(held):
        path = f"{field}[{at}]"
        name = variable.get("name") or ""
        if not name:
            yield required(f"{path}.name")
        else:
            yield from each_wrong(f"{path}.name", name, formats.env_name(name))
        source = variable.get("valueFrom")
        if source is not None:
            yield from _value_from(source, variable.get("value") or "", f"{path}.valueFrom")


def _value_from(source: Any, value: str, path: str) -> Errors:
    given = [key for key in source if source[key] is not None]
    for key in given:
        inner, held = f"{path}.{key}", source[key]
        if key == "fieldRef":
            yield from _field_path(held.get("fieldPath") or "", f"{inner}.fieldPath")
        elif key == "resourceFieldRef":
            if not held.get("resource"):
                yield required(f"{inner}.resource")
        elif key in ("configMapKeyRef", "secretKeyRef"):
            wanted = held.get("key") or ""
            if not wanted:
                yield required(f"{inner}.key")
            else:
                yield from each_wrong(f"{inner}.key", wanted, formats.config_key(wanted))
    if not given:
        message = (
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, "
            "`secretKeyRef` or `fileKeyRef`"
        )
        yield wrong(path, "", message)
    elif value:
        yield wrong(path, "", "may not be specified when `value` is not empty")
    elif len(given) > 1:
        yield wrong(path, "", "may not have more than one field specified at a time")


def _field_path(field_path: str, path: str) -> Errors:
    if not field_path:
        yield required(path)
        return
    map_key = field_path.startswith(("metadata.labels['", "metadata.annotations['"))
    if field_path in _ENV_FIELDS or (map_key and field_path.endswith("']")):
        return
    message = f"error converting fieldPath: field label not supported: {field_path}"
    yield wrong(path, field_path, message)


def _environment_from(held: Sequence[Any], field: str) -> Errors:
    for at, source in enumerate(held):
        path = f"{field}[{at}]"
        prefix = source.get("prefix") or ""
        yield from each_wrong(f"{path}.prefix", prefix, formats.env_name(prefix))
        given = [key for key in ("configMapRef", "secretRef") if source.get(key) is not None]
        for key in given:
            if not source[key].get("name"):
                yield required(f"{path}.{key}.name")
        if not given:
            yield wrong(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(given) > 1:
            yield wrong(path, "", "may not have more than one field specified at a time")


def _mounts(held: Sequence[Any], spec: Any, field: str) -> Errors:
    if not held:
        return
    volumes = [volume.get("name") for volume in spec.get("volumes") or ()]
    volumes += [claim["metadata"].get("name") for claim in spec.get("volumeClaimTemplates") or ()]
    paths: list[str] = []
    for at, mount in enumerate(held):
        path = f"{field}[{at}]"
        name, where = mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            yield required(f"{path}.name")
        elif name not in volumes:
            yield missing(f"{path}.name", name)
        if not where:
            yield required(f"{path}.mountPath")
        elif where in paths:
            yield wrong(f"{path}.mountPath", where, "must be unique")
        paths.append(where)
        for key in ("subPath", "subPathExpr"):
            if ".." in (mount.get(key) or "").split("/"):
                yield wrong(f"{path}.{key}", mount[key], "must not contain '..'")
        if mount.get("subPath") and mount.get("subPathExpr"):
            yield wrong(
                f"{path}.subPathExpr",
                mount["subPathExpr"],
                "subPathExpr and subPath are mutually exclusive",
            )


def resources(held: Any, field: str) -> Errors:
    """Requests and limits: no request is larger than its limit."""
    limits, requests = held.get("limits") or EMPTY, held.get("requests") or EMPTY
    if not limits and not requests:
        return
    huge = basic = False
    for name, amount in limits.items():
        yield from _resource(name, amount, f"{field}.limits[{name}]")
        huge = huge or name.startswith("hugepages-")
        basic = basic or name in ("cpu", "memory")
    for name, amount in requests.items():
        yield from _resource(name, amount, f"{field}.requests[{name}]")
        huge = huge or name.startswith("hugepages-")
        basic = basic or name in ("cpu", "memory")
        shared = ("/" not in name or "kubernetes.io/" in name) and not name.startswith("hugepages-")
        if name in limits:
            limit = limits[name]
            order = quantity.compare(amount, limit)
            if shared and order > 0:
                message = f"must be less than or equal to {name} limit of {limit}"
                yield wrong(f"{field}.requests", amount, message)
            elif not shared and order != 0:
                message = f"must be equal to {name} limit of {limit}"
                yield wrong(f"{field}.requests", amount, message)
        elif not shared and formats.qualified(name) == ():
            yield required(f"{field}.limits", "Limit must be set for non overcommitable resources")
    if huge and not basic:
        yield not_allowed(field, "HugePages require cpu or memory")


def _resource(name: str, amount: Any, path: str) -> Errors:
    yield from each_wrong(path, name, formats.qualified(name))
    if "/" not in name and not name.startswith("hugepages-"):
        if name not in _STANDARD_RESOURCES:
            yield wrong(path, name, "must be a standard resource type or fully qualified")
        if name not in _CONTAINER_RESOURCES:
            yield wrong(path, name, "must be a standard resource for containers")
    if quantity.parse(amount) < 0:
        yield wrong(path, amount, formats.NOT_NEGATIVE)


def _security(held: Any, path: str) -> Errors:
    if held is None:
        return
    for key in ("runAsUser", "runAsGroup"):
        if held.get(key) is not None:
            yield from each_wrong(f"{path}.{key}", held[key], formats.user_id(held[key]))
    if held.get("allowPrivilegeEscalation") is False:
        if held.get("privileged"):
            message = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            yield wrong(path, _go_context(held), message)
        added = (held.get("capabilities") or EMPTY).get("add") or ()
        if "CAP_SYS_ADMIN" in added:
            message = (
                "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` "
                "CAP_SYS_ADMIN"
            )
            yield wrong(path, _go_context(held), message)


def _go_context(held: Any) -> Obj:
    """The security context under the names that it has inside the API server."""
    return Obj({name: held.get(f"{name[0].lower()}{name[1:]}") for name in _CONTEXT_FIELDS})


def privileged(kind: Kind, obj: Obj) -> Errors:
    """Where the server lets no pod be privileged (`--allow-privileged=false`)."""
    if kind.kind != "Pod":
        return
    for key in ("containers", "initContainers"):
        for at, container in enumerate(get(obj, "spec", key, default=())):
            if get(container, "securityContext", "privileged"):
                path = f"spec.{key}[{at}].securityContext.privileged"
                yield not_allowed(path, "disallowed by cluster policy")


def _running(container: Any, path: str) -> Errors:
    """Hooks and probes of a container that keeps running."""
    lifecycle = container.get("lifecycle") or EMPTY
    for hook in ("postStart", "preStop"):
        if lifecycle.get(hook) is not None:
            yield from _handler(lifecycle[hook], f"{path}.lifecycle.{hook}")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name)
        if probe is None:
            continue
        yield from _probe(probe, f"{path}.{name}")
        threshold = probe.get("successThreshold")
        if name != "readinessProbe" and threshold != 1:
            yield wrong(f"{path}.{name}.successThreshold", threshold, "must be 1")


def _probe(probe: Any, path: str) -> Errors:
    yield from _handler(probe, path)
    for key in (
        "initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold",
        "failureThreshold",
    ):  # fmt: skip
        yield from not_negative(probe.get(key), f"{path}.{key}")
    grace = probe.get("terminationGracePeriodSeconds")
    if grace is not None and grace <= 0:
        yield wrong(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0")


def _handler(held: Any, path: str) -> Errors:
    given = 0
    for key in ("exec", "httpGet", "tcpSocket", "grpc", "sleep"):
        action = held.get(key)
        if action is None:
            continue
        if given:
            yield not_allowed(f"{path}.{key}", "may not specify more than 1 handler type")
            continue
        given += 1
        if key == "exec" and not action.get("command"):
            yield required(f"{path}.exec.command")
        if key == "httpGet":
            if not action.get("path"):
                yield required(f"{path}.httpGet.path")
            if action.get("scheme") not in (None, "HTTP", "HTTPS"):
                yield unsupported(f"{path}.httpGet.scheme", action["scheme"], ["HTTP", "HTTPS"])
        if key in ("httpGet", "tcpSocket", "grpc"):
            port = action.get("port", 0)
            yield from each_wrong(f"{path}.{key}.port", port, formats.port(port))
    if not given:
        yield required(path, "must specify a handler type")
