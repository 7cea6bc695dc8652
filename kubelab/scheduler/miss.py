"""The closest miss: the smallest change that would have let a refused node pass this filter.

It is read off the numbers that the filter noted in its verdict, so it speaks of that filter only: a
later one may refuse the node all the same.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubelab.scheduler.framework import Status

UNITS = ((1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki"))
BYTES = ("memory", "ephemeral-storage")


def closest_miss(status: Status) -> str:
    """What would have to be different for this filter to pass; empty where nobody can say."""
    words = WORDS.get(status.plugin)
    return words(status.detail) if words else ""


def amount(resource: str, number: int) -> str:
    """An amount of a resource as people write it: `500m`, `1`, `2Gi`."""
    if resource == "cpu":
        return f"{number}m" if number % 1000 else str(number // 1000)
    if resource in BYTES:
        for size, unit in UNITS:
            if number and number % size == 0:
                return f"{number // size}{unit}"
    return str(number)


def _resources(detail: Any) -> str:
    parts = []
    for name, numbers in detail.get("short", {}).items():
        if numbers["asks"] > numbers["of"]:
            parts.append(f"a node of {amount(name, numbers['asks'])} {name}")
        else:
            lacking = numbers["asks"] - numbers["free"]
            parts.append(f"{amount(name, lacking)} more free {name}")
    return " and ".join(parts)


def _taint(detail: Any) -> str:
    taint = detail["taint"]
    value = f"={taint['value']}" if taint["value"] else ""
    return f"a toleration of {taint['key']}{value}:{taint['effect']}"


def _affinity(detail: Any) -> str:
    if "key" not in detail:
        return "labels that the required node affinity matches"
    return f"the node label {detail['key']}={detail['wants']}"


def _spread(detail: Any) -> str:
    if "lacks" in detail:
        return f"a node label {detail['lacks']}"
    most = detail["maxSkew"] + detail["lowest"] - detail["itself"]
    fewer = detail["count"] - most
    pods = "1 pod" if fewer == 1 else f"{fewer} pods"
    return f"{pods} fewer where {detail['key']} is {detail['value']}"


def _neighbours(detail: Any) -> str:
    if "place" not in detail:
        return "a pod nearby that the required affinity matches"
    return f"no such pod where {detail['place']}"


def _zone(detail: Any) -> str:
    places = " or ".join(detail["wants"].split("__"))
    return f"the node label {detail['key']}={places}"


def _limit(detail: Any) -> str:
    most = detail["has"] + detail["adds"]
    return f"a limit of {most} volumes of {detail['driver']} instead of {detail['limit']}"


def _exclusive(detail: Any) -> str:
    if "claim" in detail:
        return f"no other pod that uses the claim {detail['claim']}"
    return f"a disk that {detail['used_by']} does not use"


def _volume(detail: Any) -> str:
    if "claim" not in detail:
        return f"a volume {detail['volume']} that may be used on this node"
    size = amount("memory", detail["size"])
    return f"a free volume of {size} for the claim {detail['claim']}"


WORDS: dict[str, Callable[[Any], str]] = {
    "NodeResourcesFit": _resources,
    "TaintToleration": _taint,
    "NodeUnschedulable": lambda detail: "the node uncordoned",
    "NodeAffinity": _affinity,
    "NodePorts": lambda detail: f"host port {detail['port']} free",
    "PodTopologySpread": _spread,
    "InterPodAffinity": _neighbours,
    "VolumeZone": _zone,
    "NodeVolumeLimits": _limit,
    "VolumeRestrictions": _exclusive,
    "VolumeBinding": _volume,
}
