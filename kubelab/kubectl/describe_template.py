"""What `describe` says of containers, volumes and pod templates.

In Kubernetes: describeContainers, describeVolumes and DescribePodTemplate of
k8s.io/kubectl/pkg/describe. Volumes of single vendors are shown by type and fields alone.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import Obj, get
from kubelab.kubectl.page import NONE, Page, boolean, selector_text, when, words


def containers(page: Page, label: str, rows: Any, statuses: Any, pod: Any, indent: str) -> None:
    """Containers, with their statuses where there are any."""
    by_name = {status["name"]: status for status in statuses or ()}
    page.write(0, f"{indent}{label}:" + ("" if rows else f" {NONE}"))
    for container in rows or ():
        status = by_name.get(container["name"])
        _basics(page, container, status, " " if indent else "")
        for title, field in (("Command", "command"), ("Args", "args")):
            if container.get(field):
                page.write(2, f"{title}:")
                for word in container[field]:
                    for line in word.split("\n"):
                        page.write(3, line)
        if status is not None:
            _state(page, status)
        resources(page, container.get("resources"), 2)
        for title in ("Liveness", "Readiness", "Startup"):
            probe = container.get(f"{title.lower()}Probe")
            if probe:
                page.write(2, f"{title}:\t{probe_text(probe)}")
        _environment(page, container, pod)
        _mounts(page, container)


def _basics(page: Page, container: Obj, status: Any, indent: str) -> None:
    page.write(1, f"{indent}{container['name']}:")
    if status is not None:
        page.write(2, f"Container ID:\t{status.get('containerID', '')}")
    page.write(2, f"Image:\t{container.get('image', '')}")
    if status is not None:
        page.write(2, f"Image ID:\t{status.get('imageID', '')}")
    for title, field in (("Port", "containerPort"), ("Host Port", "hostPort")):
        ports = [
            f"{p.get(field, 0)}/{p.get('protocol', 'TCP')}"
            + (f" ({p['name']})" if p.get("name") else "")
            for p in container.get("ports") or ()
        ]
        plural = "s" if len(ports) > 1 else ""
        page.write(2, f"{title}{plural}:\t{', '.join(ports) or NONE}")
    profile = get(container, "securityContext", "seccompProfile")
    if profile:
        page.write(2, f"SeccompProfile:\t{profile['type']}")


def _state(page: Page, status: Obj) -> None:
    _one_state(page, "State", status.get("state") or {})
    last = status.get("lastState") or {}
    if last.get("terminated"):
        _one_state(page, "Last State", last)
    page.write(2, f"Ready:\t{boolean(status.get('ready', False))}")
    page.write(2, f"Restart Count:\t{status.get('restartCount', 0)}")


def _one_state(page: Page, title: str, state: Any) -> None:
    running, ended = state.get("running"), state.get("terminated")
    if running is not None:
        page.write(2, f"{title}:\tRunning")
        page.write(3, f"Started:\t{when(running.get('startedAt'))}")
    elif ended is not None:
        page.write(2, f"{title}:\tTerminated")
        for name, field in (("Reason", "reason"), ("Message", "message")):
            if ended.get(field):
                page.write(3, f"{name}:\t{ended[field]}")
        page.write(3, f"Exit Code:\t{ended.get('exitCode', 0)}")
        if ended.get("signal"):
            page.write(3, f"Signal:\t{ended['signal']}")
        page.write(3, f"Started:\t{when(ended.get('startedAt'))}")
        page.write(3, f"Finished:\t{when(ended.get('finishedAt'))}")
    else:
        page.write(2, f"{title}:\tWaiting")
        reason = get(state, "waiting", "reason")
        if reason:
            page.write(3, f"Reason:\t{reason}")


def resources(page: Page, held: Any, level: int) -> None:
    """Limits and requests."""
    for title in ("Limits", "Requests"):
        amounts = get(held, title.lower()) or {}
        if amounts:
            page.write(level, f"{title}:")
        for name in sorted(amounts):
            page.write(level + 1, f"{name}:\t{amounts[name]}")


def probe_text(probe: Obj) -> str:
    """A probe in one line."""
    numbers = (
        f"delay={probe.get('initialDelaySeconds', 0)}s timeout={probe.get('timeoutSeconds', 0)}s "
        f"period={probe.get('periodSeconds', 0)}s "
        f"successThreshold={probe.get('successThreshold', 0)} "
        f"failureThreshold={probe.get('failureThreshold', 0)}"
    )
    if "exec" in probe:
        return f"exec {words(get(probe, 'exec', 'command'))} {numbers}"
    if "httpGet" in probe:
        aim = probe["httpGet"]
        scheme = aim.get("scheme", "").lower()
        path = aim.get("path", "")
        return f"http-get {scheme}://{aim.get('host', '')}:{aim.get('port')}{path} {numbers}"
    if "tcpSocket" in probe:
        aim = probe["tcpSocket"]
        return f"tcp-socket {aim.get('host', '')}:{aim.get('port')} {numbers}"
    if "grpc" in probe:
        aim = probe["grpc"]
        return f"grpc <pod>:{aim.get('port')} {aim.get('service', '')} {numbers}"
    return f"unknown {numbers}"


def _environment(page: Page, container: Obj, pod: Any) -> None:
    if container.get("envFrom"):
        page.write(2, "Environment Variables from:")
    for source in container.get("envFrom") or ():
        kind = "ConfigMap" if "configMapRef" in source else "Secret"
        ref = source.get("configMapRef") or source.get("secretRef") or {}
        prefix = f" with prefix '{source['prefix']}'" if source.get("prefix") else ""
        optional = "true" if ref.get("optional") else "false"
        page.write(3, f"{ref.get('name', '')}\t{kind}{prefix}\tOptional: {optional}")
    page.write(2, "Environment:" + ("" if container.get("env") else f"\t{NONE}"))
    for variable in container.get("env") or ():
        source = variable.get("valueFrom")
        if source is None:
            first, *rest = variable.get("value", "").split("\n")
            page.write(3, f"{variable['name']}:\t{first}")
            for line in rest:
                page.write(3, f"\t{line}")
        else:
            page.write(3, f"{variable['name']}:\t{_source(source, container, pod)}")


def _source(source: Obj, container: Obj, pod: Any) -> str:
    if "fieldRef" in source:
        ref = source["fieldRef"]
        # kubectl knows the fields of metadata and of the status, not those of the spec.
        path = ref["fieldPath"]
        known = pod is not None and path not in ("spec.nodeName", "spec.serviceAccountName")
        value = _field(pod, path) if known else ""
        return f"{value} ({ref.get('apiVersion', 'v1')}:{ref['fieldPath']})"
    if "resourceFieldRef" in source:
        resource = source["resourceFieldRef"]["resource"]
        part, _, name = resource.partition(".")
        value = get(container, "resources", part, name, default="")
        if not value and resource in ("limits.cpu", "limits.memory"):
            value = "node allocatable"
        return f"{value} ({resource})"
    is_secret = "secretKeyRef" in source
    ref = source.get("secretKeyRef") or source.get("configMapKeyRef") or {}
    where = f"in secret '{ref.get('name')}'" if is_secret else f"of config map '{ref.get('name')}'"
    optional = "true" if ref.get("optional") else "false"
    return f"<set to the key '{ref.get('key')}' {where}>\tOptional: {optional}"


def _field(pod: Any, path: str) -> str:
    head, bracket, key = path.partition("['")
    value = get(pod, *head.split("."))
    if bracket:
        value = get(value, key.removesuffix("']"))
    return str(value or "")


def _mounts(page: Page, container: Obj) -> None:
    mounts = container.get("volumeMounts") or ()
    page.write(2, "Mounts:" + ("" if mounts else f"\t{NONE}"))
    for mount in sorted(mounts, key=lambda item: item["mountPath"]):
        how = "ro" if mount.get("readOnly") else "rw"
        if mount.get("subPath"):
            how += f',path="{mount["subPath"]}"'
        page.write(3, f"{mount['mountPath']} from {mount['name']} ({how})")


VOLUMES: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "hostPath": ("HostPath (bare host directory volume)",
                 (("Path", "path"), ("HostPathType", "type"))),
    "emptyDir": ("EmptyDir (a temporary directory that shares a pod's lifetime)",
                 (("Medium", "medium"), ("SizeLimit", "sizeLimit"))),
    "secret": ("Secret (a volume populated by a Secret)",
               (("SecretName", "secretName"), ("Optional", "optional"))),
    "configMap": ("ConfigMap (a volume populated by a ConfigMap)",
                  (("Name", "name"), ("Optional", "optional"))),
    "persistentVolumeClaim": (
        "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
        (("ClaimName", "claimName"), ("ReadOnly", "readOnly"))),
    "nfs": ("NFS (an NFS mount that lasts the lifetime of a pod)",
            (("Server", "server"), ("Path", "path"), ("ReadOnly", "readOnly"))),
}  # fmt: skip
MISSING = {"optional": "false", "readOnly": "false", "sizeLimit": "<unset>", "type": NONE}


def volumes(page: Page, rows: Any, indent: str) -> None:
    """The volumes of a pod."""
    if not rows:
        page.write(0, f"{indent}Volumes:\t{NONE}")
        return
    page.write(0, f"{indent}Volumes:")
    for volume in rows:
        page.write(1, f"{' ' if indent else ''}{volume['name']}:")
        kind = next((key for key in volume if key != "name"), "")
        source = volume.get(kind) or {}
        if kind == "projected":
            _projected(page, source)
        elif kind == "downwardAPI":
            page.write(2, "Type:\tDownwardAPI (a volume populated by information about the pod)")
            page.write(2, "Items:")
            for item in source.get("items") or ():
                field = get(item, "fieldRef", "fieldPath") or ""
                page.write(3, f"{field} -> {item.get('path')}")
        elif kind in VOLUMES:
            type_, fields = VOLUMES[kind]
            page.write(2, f"Type:\t{type_}")
            for title, field in fields:
                value = source.get(field)
                missing = value is None or value is False
                shown = MISSING.get(field, "") if missing else _plain(value)
                page.write(2, f"{title}:\t{shown}")
        elif kind:
            page.write(2, f"Type:\t{kind[0].upper()}{kind[1:]}")
        else:
            page.write(1, "<unknown>")


def _plain(value: Any) -> str:
    return "true" if value is True else str(value)


def _projected(page: Page, source: Any) -> None:
    page.write(2, "Type:\tProjected (a volume that contains injected data from multiple sources)")
    for part in source.get("sources") or ():
        held = part.get("secret") or part.get("configMap")
        if held is not None:
            title = "SecretName" if "secret" in part else "ConfigMapName"
            page.write(2, f"{title}:\t{held.get('name', '')}")
            page.write(2, f"Optional:\t{'true' if held.get('optional') else 'false'}")
        elif "downwardAPI" in part:
            page.write(2, "DownwardAPI:\ttrue")
        elif "serviceAccountToken" in part:
            seconds = get(part, "serviceAccountToken", "expirationSeconds")
            page.write(2, f"TokenExpirationSeconds:\t{seconds}")


def tolerations(page: Page, rows: Any, indent: str = "") -> None:
    """What a pod bears, in the order of the keys."""
    texts = []
    for row in sorted(rows or (), key=lambda item: item.get("key", "")):
        text = row.get("key", "")
        text += f"={row['value']}" if row.get("value") else ""
        text += f":{row['effect']}" if row.get("effect") else ""
        if row.get("operator") == "Exists" and not row.get("value"):
            exists = "op=Exists"
            text += f" {exists}" if row.get("key") or row.get("effect") else exists
        if row.get("tolerationSeconds") is not None:
            text += f" for {row['tolerationSeconds']}s"
        texts.append(text)
    page.lines("Tolerations", texts or [NONE], indent)


def spread(page: Page, rows: Any, indent: str = "") -> None:
    """How pods are to be spread."""
    texts = []
    for row in sorted(rows or (), key=lambda item: item["topologyKey"]):
        text = f"{row['topologyKey']}:{row['whenUnsatisfiable']} when max skew {row['maxSkew']}"
        text += " is exceeded"
        if row.get("labelSelector"):
            text += f" for selector {selector_text(row['labelSelector'])}"
        texts.append(text)
    if texts:
        page.lines("Topology Spread Constraints", texts, indent)


def template(page: Page, held: Any) -> None:
    """A pod template."""
    metadata, spec = held.get("metadata") or {}, held.get("spec") or {}
    page.write(0, "Pod Template:")
    page.labels("Labels", metadata.get("labels"), "  ")
    if metadata.get("annotations"):
        page.annotations("Annotations", metadata["annotations"], "  ")
    if spec.get("serviceAccountName"):
        page.write(1, f"Service Account:\t{spec['serviceAccountName']}")
    if spec.get("initContainers"):
        containers(page, "Init Containers", spec["initContainers"], None, None, "  ")
    containers(page, "Containers", spec.get("containers"), None, None, "  ")
    volumes(page, spec.get("volumes"), "  ")
    spread(page, spec.get("topologySpreadConstraints"), "  ")
    if spec.get("priorityClassName"):
        page.write(1, f"Priority Class Name:\t{spec['priorityClassName']}")
    page.labels("Node-Selectors", spec.get("nodeSelector"), "  ")
    tolerations(page, spec.get("tolerations"), "  ")


def template_text(held: Any) -> str:
    """A pod template as `rollout history` shows it: its tabs are not lined up."""
    page = Page(0)
    template(page, held)
    return "".join(page.parts)
