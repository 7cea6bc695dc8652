"""What is tried on the exercises of notebook 07."""

from __future__ import annotations

from typing import Any

from kubelab.learn import worlds
from kubelab.learn.units import nb07
from tests.learn.case import Case, Maker, always


def start(seed: int) -> Any:
    """Two nodes half full, and one with room and a taint that was left there."""
    c = worlds.cluster(3, seed)
    c.kubectl("taint node node-3 maintenance=done:NoSchedule")
    c.apply([nb07.filler(), worlds.deployment("stuck", 1, cpu=3)])
    c.settle()
    return c


def after(*commands: str, patch: dict[str, Any] | None = None) -> Maker:
    """The start, and what somebody does about it."""

    def make(seed: int) -> Any:
        c = start(seed)
        for command in commands:
            c.kubectl(command)
        if patch is not None:
            path = "/apis/apps/v1/namespaces/default/deployments/stuck"
            kind = {"Content-Type": "application/strategic-merge-patch+json"}
            body = {"spec": {"template": {"spec": patch}}}
            assert c.request("PATCH", path, body, kind).ok
        c.settle()
        return c

    return make


TOLERATES = {"tolerations": [{"key": "maintenance", "operator": "Exists"}]}
SMALL = {"containers": [{"name": "main", "resources": {"requests": {"cpu": "1"}}}]}
GPU = {"nodeSelector": {"hardware": "gpu"}, "tolerations": [{"key": "gpu", "operator": "Exists"}]}
SSD = {"nodeSelector": {"disk": "ssd"}}
EQUAL = {"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}


def wants(key: str, *values: str) -> dict[str, Any]:
    """Required node affinity."""
    rule = {"matchExpressions": [{"key": key, "operator": "In", "values": list(values)}]}
    need = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [rule]}}
    return {"affinity": {"nodeAffinity": need}}


def three(train: dict[str, Any], db: dict[str, Any], web: dict[str, Any]) -> list[dict[str, Any]]:
    """The three Deployments with such specs of their pods."""
    given = {"train": train, "db": db, "web": web}
    return [worlds.deployment(name, 2, spec=spec) for name, spec in given.items()]


def cpu(text: Any) -> float:
    """A quantity of cpu."""
    words = str(text)
    return float(words[:-1]) / 1000 if words.endswith("m") else float(words)


def asked(pod: Any) -> float:
    """The sum of a pod's requests."""
    parts = pod["spec"]["containers"]
    return sum(cpu(part.get("resources", {}).get("requests", {}).get("cpu", 0)) for part in parts)


def why_not(pod: Any, node: Any, pods: Any) -> str:
    """The filters in their order."""
    if node["spec"].get("unschedulable"):
        return "cordoned"
    keys = {one["key"] for one in pod["spec"].get("tolerations", ())}
    for taint in node["spec"].get("taints", ()):
        if taint["effect"] == "NoSchedule" and taint["key"] not in keys:
            return "taint"
    labels = node["metadata"]["labels"]
    if any(labels.get(k) != v for k, v in pod["spec"].get("nodeSelector", {}).items()):
        return "selector"
    here = [one for one in pods if one["spec"].get("nodeName") == node["metadata"]["name"]]
    free = cpu(node["status"]["allocatable"]["cpu"]) - sum(map(asked, here))
    return "fits" if asked(pod) <= free else "cpu"


def in_milli(pod: Any, node: Any, pods: Any) -> str:
    """The same in thousandths, looked at from the end."""
    said = "fits"
    used = sum(
        round(asked(one) * 1000)
        for one in pods
        if one["spec"].get("nodeName") == node["metadata"]["name"]
    )
    if used + round(asked(pod) * 1000) > round(cpu(node["status"]["allocatable"]["cpu"]) * 1000):
        said = "cpu"
    wish = pod["spec"].get("nodeSelector") or {}
    if not wish.items() <= node["metadata"]["labels"].items():
        said = "selector"
    allowed = [one.get("key") for one in pod["spec"].get("tolerations") or ()]
    if any(one["key"] not in allowed for one in node["spec"].get("taints") or ()):
        said = "taint"
    return "cordoned" if node["spec"].get("unschedulable") else said


def whole(pod: Any, node: Any, pods: Any) -> str:
    """The room of an empty node."""
    return why_not(pod, node, [])


def hurried(pod: Any, node: Any, pods: Any) -> str:
    """Room first, everything else later."""
    verdict = why_not({"spec": {"containers": pod["spec"]["containers"]}},
                      {**node, "spec": {}}, pods)  # fmt: skip
    return "cpu" if verdict == "cpu" else why_not(pod, node, pods)


CASES = {
    "07.1": Case(start, {"the taint away": after("taint node node-3 maintenance-"),
                         "a toleration": after(patch=TOLERATES)},
                 {"asks for less": after(patch=SMALL),
                  "others away": after("delete daemonset fill"),
                  "placed by hand": after(patch={"nodeName": "node-3"})}),
    "07.2": Case(always(three({}, {}, {})),
                 {"selectors": always(three(GPU, SSD, {})),
                  "affinity": always(three({**wants("hardware", "gpu"), "tolerations": [EQUAL]},
                                           wants("disk", "ssd"), wants("disk", "ssd", "hdd")))},
                 {"tolerations only": always(three({"tolerations": GPU["tolerations"]}, SSD, {})),
                  "no toleration": always(three({"nodeSelector": GPU["nodeSelector"]}, SSD, {})),
                  "web on ssd only": always(three(GPU, {}, SSD))}),
    "07.3": Case(always(...), {"in order": always(why_not), "from the end": always(in_milli)},
                 {"empty nodes": always(whole), "room first": always(hurried),
                  "fits": always(lambda pod, node, pods: "fits")}),
}  # fmt: skip
