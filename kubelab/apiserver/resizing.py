"""The door `resize` of pods: cpu and memory of running containers change, and nothing else.

In Kubernetes: pkg/registry/core/pod/strategy.go (podResizeStrategy) and ValidatePodResize.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubelab.api.fielderrors import FieldError, not_allowed, wrong
from kubelab.api.objects import EMPTY, NOTHING, Obj, get, merged, with_
from kubelab.apiserver import internal_form
from kubelab.apiserver.validation_containers import resources

FIELDS = ("containers", "initContainers")
RESIZED = ("cpu", "memory")
MUTABLE = "only cpu and memory resources are mutable"


def prepared(old: Obj, new: Obj) -> Obj:
    """The pod as it enters validation: who it is and how it stands stay as they were."""
    metadata = merged(old["metadata"], resourceVersion=new["metadata"].get("resourceVersion"))
    made = merged(old, metadata=metadata, spec=new.get("spec"))
    if made["spec"] != old["spec"]:
        generation = get(old, "metadata", "generation", default=0) + 1
        made = with_(made, ("metadata", "generation"), generation)
    return made


def problems(old: Obj, new: Obj) -> Iterator[FieldError]:
    """What is wrong with a resize."""
    before, after = old["spec"], new.get("spec") or EMPTY
    if before is after:
        return
    wished = _without(after, before)
    if _without(before, before) != wished:
        forms = internal_form.pod_spec(before), internal_form.pod_spec(wished)
        yield not_allowed("spec", f"{MUTABLE}\n{internal_form.difference(*forms)}")
        return
    for field in FIELDS:
        for at, container in enumerate(after.get(field) or ()):
            where = f"spec.{field}[{at}].resources"
            held = get(before, field, at, "resources", default=EMPTY)
            given = container.get("resources") or EMPTY
            for part in ("limits", "requests"):
                lost = [n for n in held.get(part) or () if n not in (given.get(part) or EMPTY)]
                if lost:
                    yield not_allowed(where, f"resource {part} cannot be removed")
            yield from resources(given, where)
    if _quality(before) != _quality(after):
        text = "Pod QOS Class may not change as a result of resizing"
        yield wrong("spec", _quality(after), text)


def _without(spec: Any, pattern: Any) -> Any:
    """A spec with the resources of another one, as far as they may change."""
    out = dict(spec)
    for field in FIELDS:
        if field in spec:
            rows = zip(spec[field], pattern.get(field) or NOTHING, strict=False)
            out[field] = [_like(one, other) for one, other in rows]
            out[field] += list(spec[field][len(out[field]) :])
    return Obj(out)


def _like(one: Any, other: Any) -> Any:
    made: dict[str, Any] = {}
    held, given = one.get("resources") or EMPTY, other.get("resources") or EMPTY
    for part in ("limits", "requests"):
        rest = {n: v for n, v in (held.get(part) or EMPTY).items() if n not in RESIZED}
        kept = {n: v for n, v in (given.get(part) or EMPTY).items() if n in RESIZED}
        if rest or kept:
            made[part] = Obj({**rest, **kept})
    if held.get("claims"):
        made["claims"] = held["claims"]
    return Obj({**one, "resources": Obj(made)})


def _quality(spec: Any) -> str:
    """The quality of service that a spec's containers come to."""
    rows = [row for field in FIELDS for row in spec.get(field) or ()]
    parts = [(row.get("resources") or EMPTY) for row in rows]
    if not any(part.get("requests") or part.get("limits") for part in parts):
        return "BestEffort"
    for part in parts:
        limits, requests = part.get("limits") or EMPTY, part.get("requests") or EMPTY
        if any(limits.get(n) is None or limits[n] != requests.get(n, limits[n]) for n in RESIZED):
            return "Burstable"
    return "Guaranteed"
