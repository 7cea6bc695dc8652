"""The ephemeral containers of a pod: what may be added to one that runs.

They come by a subresource of their own and only ever become more: one that is there stays as it is.
What a container of this kind cannot have (ports, probes, hooks, resources) is refused.

In Kubernetes: pkg/apis/core/validation/validation.go (validateEphemeralContainers,
ValidatePodEphemeralContainersUpdate).
"""

from __future__ import annotations

from collections.abc import Iterator

from kubelab.api import fielderrors
from kubelab.api.fielderrors import FieldError
from kubelab.api.objects import NOTHING, Obj, get
from kubelab.apiserver import formats

FIELD = "spec.ephemeralContainers"
ALLOWED = (
    "name", "image", "command", "args", "workingDir", "envFrom", "env", "volumeMounts",
    "volumeDevices", "terminationMessagePath", "terminationMessagePolicy", "imagePullPolicy",
    "securityContext", "stdin", "stdinOnce", "tty", "targetContainerName", "resizePolicy",
)  # fmt: skip


def problems(old: Obj, new: Obj) -> list[FieldError]:
    """What is wrong with a pod whose ephemeral containers have changed."""
    return [*_containers(new), *_kept(old, new)]


def _containers(pod: Obj) -> Iterator[FieldError]:
    others = [
        row["name"]
        for field in ("initContainers", "containers")
        for row in get(pod, "spec", field, default=NOTHING)
    ]
    seen = list(others)
    for at, row in enumerate(get(pod, "spec", "ephemeralContainers", default=NOTHING)):
        where = f"{FIELD}[{at}]"
        name, target = row.get("name") or "", row.get("targetContainerName")
        if not name:
            yield fielderrors.required(f"{where}.name")
        elif name in seen:
            yield fielderrors.duplicate(f"{where}.name", name)
        else:
            for text in formats.label(name):
                yield fielderrors.wrong(f"{where}.name", name, text)
        seen.append(name)
        if not row.get("image"):
            yield fielderrors.required(f"{where}.image")
        if target and target not in others:
            yield fielderrors.missing(f"{where}.targetContainerName", target)
        for field, value in row.items():
            if field not in ALLOWED and value:
                detail = "cannot be set for an Ephemeral Container"
                yield fielderrors.not_allowed(f"{where}.{field}", detail)


def _kept(old: Obj, new: Obj) -> Iterator[FieldError]:
    """Those that are there stay."""
    now = {row.get("name"): row for row in get(new, "spec", "ephemeralContainers", default=NOTHING)}
    for row in get(old, "spec", "ephemeralContainers", default=NOTHING):
        name = row["name"]
        if name not in now:
            detail = f'existing ephemeral containers "{name}" may not be removed\n'
            yield fielderrors.not_allowed(FIELD, detail)
        elif now[name] != row:
            detail = f'existing ephemeral containers "{name}" may not be changed\n'
            yield fielderrors.not_allowed(FIELD, detail)
