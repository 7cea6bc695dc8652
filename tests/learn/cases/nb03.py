"""What is tried on the exercises of notebook 03."""

from __future__ import annotations

from typing import Any

from kubelab.learn import worlds
from kubelab.learn.units.tasks03 import MAPS, PODS
from tests.learn.case import Case, always

COUNTER = f"{MAPS}/counter"
PATCH = {"Content-Type": "application/merge-patch+json"}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}


def bump(c: Any) -> None:
    """Read, raise, put back with the version, until it is taken."""
    while True:
        seen = c.get("ConfigMap", "counter")
        raised = str(int(seen["data"]["n"]) + 1)
        if c.request("PUT", COUNTER, {**seen, "data": {"n": raised}}).status == 200:
            return


def tested(c: Any) -> None:
    """A JSON patch that tests the old value."""
    while True:
        old = c.request("GET", COUNTER).body["data"]["n"]
        steps = [{"op": "test", "path": "/data/n", "value": old},
                 {"op": "replace", "path": "/data/n", "value": str(int(old) + 1)}]  # fmt: skip
        if c.request("PATCH", COUNTER, steps, JSON_PATCH).ok:
            return


def blind(c: Any) -> None:
    """A patch without a version: the rival's raise is lost."""
    n = int(c.get("ConfigMap", "counter")["data"]["n"])
    c.request("PATCH", COUNTER, {"data": {"n": str(n + 1)}}, PATCH)


def once(c: Any) -> None:
    """Tries once and gives up at a conflict."""
    seen = c.get("ConfigMap", "counter")
    c.request("PUT", COUNTER, {**seen, "data": {"n": str(int(seen["data"]["n"]) + 1)}})


def forced(c: Any) -> None:
    """Takes the version away, so that nothing can conflict."""
    seen = c.get("ConfigMap", "counter")
    head = {k: v for k, v in seen["metadata"].items() if k != "resourceVersion"}
    raised = str(int(seen["data"]["n"]) + 1)
    c.request("PUT", COUNTER, {**seen, "metadata": head, "data": {"n": raised}})


def mirror(c: Any) -> list[str]:
    """One LIST, then what the watch says."""
    body = c.request("GET", PODS).body
    held = {pod["metadata"]["name"]: pod for pod in body["items"]}
    version = body["metadata"]["resourceVersion"]
    watch = c.request("GET", f"{PODS}?watch=true&resourceVersion={version}").body
    c.run(60)
    for event in watch.events:
        name = event["object"]["metadata"]["name"]
        if event["type"] == "DELETED":
            held.pop(name, None)
        else:
            held[name] = event["object"]
    return list(held)


def from_zero(c: Any) -> list[str]:
    """A watch without a version begins with everything that is there."""
    watch = c.request("GET", f"{PODS}?watch=true").body
    c.run(60)
    names: list[str] = []
    for event in watch.events:
        name = event["object"]["metadata"]["name"]
        if name in names:
            names.remove(name)
        if event["type"] != "DELETED":
            names.append(name)
    return names


def listed(c: Any) -> list[str]:
    """Lists and never follows."""
    return [pod["metadata"]["name"] for pod in c.request("GET", PODS).body["items"]]


def relisted(c: Any) -> list[str]:
    """Waits and lists again."""
    listed(c)
    c.request("GET", f"{PODS}?watch=true")
    c.run(60)
    return listed(c)


def only_added(c: Any) -> list[str]:
    """Forgets what is deleted."""
    watch = c.request("GET", f"{PODS}?watch=true").body
    c.run(60)
    return sorted({event["object"]["metadata"]["name"] for event in watch.events})


def sized(cpu: str, limit: str, memory: str = "32Mi", **more: Any) -> dict[str, Any]:
    """A pod that asks for so much."""
    pod = worlds.pod("small", image="kubelab/sleep:1")
    pod["spec"]["containers"][0]["resources"] = {
        "requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": limit, "memory": memory},
    }  # fmt: skip
    return {**pod, **more}


QUOTA = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "fence"},
         "spec": {"hard": {"pods": "100"}}}  # fmt: skip

CASES = {
    "03.1": Case(always(...), {"versions": always(bump), "a test in the patch": always(tested)},
                 {"blind patch": always(blind), "only once": always(once),
                  "without the version": always(forced)}),
    "03.2": Case(always(...), {"list and watch": always(mirror), "watch alone": always(from_zero)},
                 {"only a list": always(listed), "two lists": always(relisted),
                  "never forgets": always(only_added)}),
    "03.3": Case(always(worlds.pod("small", image="kubelab/sleep:1")),
                 {"100m": always(sized("100m", "200m")), "50m": always(sized("50m", "100m"))},
                 {"no limits": always(worlds.pod("small", cpu="100m")),
                  "another quota": always([QUOTA, sized("100m", "200m")]),
                  "too far apart": always(sized("50m", "150m")),
                  "another kind": always(worlds.deployment("small", 1))}),
}  # fmt: skip
