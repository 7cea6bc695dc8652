"""LimitRanger: what a namespace's LimitRanges fill in, and what they refuse.

A container that says nothing gets the default requests and limits, with an annotation that tells so
(`fill`); afterwards each container, the pod as a whole and each claim must keep to the minimum, the
maximum and the ratio of limit to request (`check`).

In Kubernetes: plugin/pkg/admission/limitranger.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

from kubelab.api import quantity
from kubelab.api.objects import EMPTY, NOTHING, Obj, freeze, get, merged, with_

ANNOTATION = "kubernetes.io/limit-ranger"
FIELDS = (("containers", "container"), ("initContainers", "init container"))


def _items(ranges: Iterable[Obj], type_: str) -> Iterator[Obj]:
    for held in ranges:
        for item in get(held, "spec", "limits", default=NOTHING):
            if item.get("type") == type_:
                yield item


def fill(pod: Obj, ranges: list[Obj]) -> Obj:
    """The pod with the defaults of its namespace."""
    for held in ranges:
        limits: dict[str, str] = {}
        requests: dict[str, str] = {}
        for item in _items([held], "Container"):
            limits.update(item.get("default") or EMPTY)
            requests.update(item.get("defaultRequest") or EMPTY)
        said: list[str] = []
        for field, word in FIELDS:
            containers = get(pod, "spec", field, default=NOTHING)
            if containers:
                filled = [_filled(c, requests, limits, word, said) for c in containers]
                pod = with_(pod, ("spec", field), freeze(filled))
        if said:
            text = f"LimitRanger plugin set: {'; '.join(said)}"
            pod = with_(pod, ("metadata", "annotations", ANNOTATION), text)
    return pod


def _filled(
    container: Obj, requests: dict[str, str], limits: dict[str, str], word: str, said: list[str]
) -> Obj:
    resources = container.get("resources") or EMPTY
    for part, defaults in (("requests", requests), ("limits", limits)):
        held = resources.get(part) or EMPTY
        added = sorted(name for name in defaults if name not in held)
        if added:
            more = {name: defaults[name] for name in added}
            resources = merged(resources, **{part: {**held, **more}})
            said.append(f"{', '.join(added)} {part[:-1]} for {word} {container['name']}")
    return merged(container, resources=resources)


def check(obj: Obj, ranges: list[Obj]) -> str:
    """Why a pod or claim does not keep to the limits; empty if it does."""
    for held in ranges:
        problems: list[str] = []
        if obj["kind"] == "PersistentVolumeClaim":
            asked = get(obj, "spec", "resources", "requests", default=EMPTY)
            for item in _items([held], "PersistentVolumeClaim"):
                problems += _claim(item, asked)
        else:
            problems = list(_pod(obj, held))
        if problems:
            return problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
    return ""


def _pod(pod: Obj, held: Obj) -> Iterator[str]:
    for item in _items([held], "Container"):
        for field, _ in FIELDS:
            for container in get(pod, "spec", field, default=NOTHING):
                resources = container.get("resources") or EMPTY
                yield from _judge(
                    item, resources.get("requests") or EMPTY, resources.get("limits") or EMPTY
                )
    for item in _items([held], "Pod"):
        yield from _judge(item, _sum(pod, "requests"), _sum(pod, "limits"))


def _sum(pod: Obj, part: str) -> Obj:
    """The sum over containers, or the largest init container, of each resource."""
    totals: dict[str, Fraction] = {}
    texts: dict[str, str] = {}
    for container in get(pod, "spec", "containers", default=NOTHING):
        for name, text in get(container, "resources", part, default=EMPTY).items():
            totals[name] = totals.get(name, Fraction(0)) + quantity.parse(text)
            texts.setdefault(name, text)
    for container in get(pod, "spec", "initContainers", default=NOTHING):
        for name, text in get(container, "resources", part, default=EMPTY).items():
            totals[name] = max(totals.get(name, Fraction(0)), quantity.parse(text))
            texts.setdefault(name, text)
    return Obj({n: quantity.write(totals[n], quantity.family_of(texts[n])) for n in totals})


def _judge(item: Obj, requests: Obj, limits: Obj) -> Iterator[str]:
    type_ = item["type"]
    for name, least in sorted((item.get("min") or EMPTY).items()):
        text = f"minimum {name} usage per {type_} is {least}"
        if name not in requests:
            yield f"{text}.  No request is specified"
        elif quantity.compare(requests[name], least) < 0:
            yield f"{text}, but request is {requests[name]}"
        elif name in limits and quantity.compare(limits[name], least) < 0:
            yield f"{text}, but limit is {limits[name]}"
    for name, most in sorted((item.get("max") or EMPTY).items()):
        text = f"maximum {name} usage per {type_} is {most}"
        if name not in limits:
            yield f"{text}.  No limit is specified"
        elif quantity.compare(limits[name], most) > 0:
            yield f"{text}, but limit is {limits[name]}"
        elif name in requests and quantity.compare(requests[name], most) > 0:
            yield f"{text}, but request is {requests[name]}"
    for name, ratio in sorted((item.get("maxLimitRequestRatio") or EMPTY).items()):
        text = f"{name} max limit to request ratio per {type_} is {ratio}"
        request = quantity.parse(requests.get(name, "0"))
        limit = quantity.parse(limits.get(name, "0"))
        if not request:
            yield f"{text}, but no request is specified or request is 0"
        elif not limit:
            yield f"{text}, but no limit is specified or limit is 0"
        elif limit / request > quantity.parse(ratio):
            yield f"{text}, but provided ratio is {float(limit / request):f}"


def _claim(item: Obj, asked: Obj) -> Iterator[str]:
    for name, least in sorted((item.get("min") or EMPTY).items()):
        if quantity.compare(asked.get(name, "0"), least) < 0:
            text = f"minimum {name} usage per {item['type']} is {least}"
            yield f"{text}, but request is {asked.get(name, '0')}"
    for name, most in sorted((item.get("max") or EMPTY).items()):
        if quantity.compare(asked.get(name, "0"), most) > 0:
            text = f"maximum {name} usage per {item['type']} is {most}"
            yield f"{text}, but request is {asked.get(name, '0')}"
