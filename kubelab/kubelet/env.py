"""A container's environment: services, then envFrom, then env; later ones win.

Each service that exists when the container is created is told by its address and ports; `$(NAME)`
in a value stands for a variable that was set before, `$$` for a dollar sign, and what is not known
stays as it is written.

In Kubernetes: pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables), pkg/kubelet/envvars and
third_party/forked/golang/expansion. Left out: files as a source (EnvFiles).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from kubelab.api.objects import NOTHING, Obj, get, name_of, namespace_of
from kubelab.kubelet import downward, volumes
from kubelab.kubelet.objectcache import ObjectCache, Ref

_REFERENCE = re.compile(r"\$\$|\$\(([^()]*)\)")
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


class ConfigError(Exception):
    """Raised when a variable's source is missing; the message is Kubernetes'."""


def refs(pod: Obj, container: Obj) -> list[Ref]:
    """The ConfigMaps and Secrets that the environment is made from."""
    namespace = namespace_of(pod)
    found: list[Ref] = []
    for source in container.get("envFrom") or ():
        for kind, key in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
            if key in source:
                found.append(_ref(kind, namespace, source[key]))
    for item in container.get("env") or ():
        for kind, key in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
            source = get(item, "valueFrom", key)
            if source is not None:
                found.append(_ref(kind, namespace, source))
    return found


def _ref(kind: str, namespace: str, source: Obj) -> Ref:
    return Ref(kind, namespace, source.get("name", ""), bool(source.get("optional")))


def build(
    pod: Obj,
    container: Obj,
    services: Iterable[Obj],
    cache: ObjectCache,
    context: downward.Context,
) -> tuple[tuple[str, str], ...]:
    """The environment, in the order in which it is set. Raises ConfigError."""
    service_vars = service_variables(pod, services)
    result: dict[str, str] = {}
    namespace = namespace_of(pod)
    for source in container.get("envFrom") or ():
        for kind, key in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
            if key not in source:
                continue
            obj = _object(_ref(kind, namespace, source[key]), cache)
            for name, text in volumes.content(obj).items() if obj is not None else ():
                full = source.get("prefix", "") + name
                if _VARIABLE.fullmatch(full):
                    result[full] = text
    for item in container.get("env") or ():
        name = item["name"]
        if "valueFrom" in item:
            found = _value_from(pod, container, item["valueFrom"], cache, context)
            if found is not None:
                result[name] = found
        else:
            result[name] = expand(item.get("value", ""), {**service_vars, **result})
    merged = {key: text for key, text in service_vars.items() if key not in result}
    return tuple({**merged, **result}.items())


def _object(ref: Ref, cache: ObjectCache) -> Obj | None:
    obj = cache.get(ref)
    if obj is None and not ref.optional:
        raise ConfigError(cache.error(ref))
    return obj


def _value_from(
    pod: Obj, container: Obj, source: Obj, cache: ObjectCache, context: downward.Context
) -> str | None:
    """The value of a variable that comes from elsewhere; None if it may be missing and is."""
    if "fieldRef" in source:
        return downward.field(pod, source["fieldRef"]["fieldPath"], context)
    if "resourceFieldRef" in source:
        return downward.resource(container, source["resourceFieldRef"], context)
    for kind, key in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
        if key not in source:
            continue
        ref = _ref(kind, namespace_of(pod), source[key])
        obj = _object(ref, cache)
        if obj is None:
            return None
        data = volumes.content(obj)
        wanted = source[key]["key"]
        if wanted in data:
            return data[wanted]
        if ref.optional:
            return None
        raise ConfigError(f"couldn't find key {wanted} in {kind} {ref.namespace}/{ref.name}")
    raise ConfigError(f"no source of a value is known in {', '.join(source)}")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """The text with its `$(NAME)` put in."""

    def put(found: re.Match[str]) -> str:
        if found[1] is None:
            return "$"
        return variables.get(found[1], found[0])

    return _REFERENCE.sub(put, text)


def service_variables(pod: Obj, services: Iterable[Obj]) -> dict[str, str]:
    """What the environment tells of services: those of the pod's namespace, and `kubernetes`."""
    linked = get(pod, "spec", "enableServiceLinks", default=True) is not False
    chosen: dict[str, Obj] = {}
    for service in services:
        address = get(service, "spec", "clusterIP", default="")
        if address in ("", "None") or get(service, "spec", "type") == "ExternalName":
            continue
        name, namespace = name_of(service), namespace_of(service)
        if namespace == namespace_of(pod) and linked:
            chosen[name] = service
        elif namespace == "default" and name == "kubernetes" and name not in chosen:
            chosen[name] = service
    result: dict[str, str] = {}
    for name in sorted(chosen):
        result.update(_of_service(name, chosen[name]))
    return result


def _of_service(name: str, service: Obj) -> dict[str, str]:
    prefix = name.upper().replace("-", "_")
    address = service["spec"]["clusterIP"]
    ports = get(service, "spec", "ports", default=NOTHING)
    result = {f"{prefix}_SERVICE_HOST": address}
    if not ports:
        return result
    result[f"{prefix}_SERVICE_PORT"] = str(ports[0]["port"])
    for port in ports:
        if port.get("name"):
            suffix = port["name"].upper().replace("-", "_")
            result[f"{prefix}_SERVICE_PORT_{suffix}"] = str(port["port"])
    for place, port in enumerate(ports):
        protocol = port.get("protocol", "TCP")
        link = f"{protocol.lower()}://{_host(address)}:{port['port']}"
        if place == 0:
            result[f"{prefix}_PORT"] = link
        head = f"{prefix}_PORT_{port['port']}_{protocol}"
        result[head] = link
        result[f"{head}_PROTO"] = protocol.lower()
        result[f"{head}_PORT"] = str(port["port"])
        result[f"{head}_ADDR"] = address
    return result


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
