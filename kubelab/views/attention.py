"""What needs attention: the scattered signals of a cluster joined to a few plain lines.

Pods that wait for a node, pods that fail or wait for something on their node, nodes that are not
ready, processes that are stopped, Services without an endpoint. Alike things are counted in one
line, which leads to the first of them. Nothing here asks the cluster; objects are read at a moment.

In Kubernetes: what one gathers from `kubectl get pods,nodes,endpointslices -A` and `kubectl get
events`.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import get
from kubelab.views.words import plural

LINES = 6
# Words of `kubectl get pods` that are only a stage on the way.
ON_THE_WAY = ("ContainerCreating", "PodInitializing", "Pending", "Running", "Completed")


def lines(moment: Any, data: dict[str, Any]) -> list[dict[str, str]]:
    """The lines, the worst first; `data` is the cluster view's frame at the same moment."""
    out = [
        _line(f"{part['label']} is stopped", "component", part["name"])
        for part in [*data["components"], *(p for n in data["nodes"] for p in n["parts"])]
        if part["stopped"]
    ]
    bad = [node for node in data["nodes"] if node["state"] != "ready"]
    if bad:
        word = "is" if len(bad) == 1 else "are"
        named = f"{plural(len(bad), 'node')} {word} not ready"
        out.append(_line(named, "Node", bad[0]["name"]))
    tray = data["tray"]
    if tray:
        said = f"{plural(len(tray), 'pod')} {'waits' if len(tray) == 1 else 'wait'} for a node"
        out.append(_line(said, "Pod", tray[0]["name"]))
    words: dict[str, list[str]] = {}
    for node in data["nodes"]:
        for pod in node["pods"]:
            if pod["state"] == "failed" or (
                pod["state"] == "working" and pod["word"] not in ON_THE_WAY
            ):
                words.setdefault(pod["word"], []).append(pod["name"])
    for word, names in words.items():
        out.append(_line(f"{plural(len(names), 'pod')}: {word}", "Pod", names[0]))
    out += [_line(f"Service {name} has no endpoint", "Service", name) for name in _empty(moment)]
    return out[:LINES]


def _line(words: str, kind: str, name: str) -> dict[str, str]:
    return {"text": words, "kind": kind, "name": name}


def _empty(moment: Any) -> list[str]:
    """The Services that select pods and have no ready endpoint."""
    served = set()
    for item in moment.list("EndpointSlice"):
        labels = item["metadata"].get("labels") or {}
        service = labels.get("kubernetes.io/service-name")
        if any(
            get(row, "conditions", "ready", default=True) is not False
            for row in item.get("endpoints") or ()
        ):
            served.add(f"{item['metadata'].get('namespace')}/{service}")
    names = [
        f"{svc['metadata'].get('namespace')}/{svc['metadata']['name']}"
        for svc in moment.list("Service")
        if get(svc, "spec", "selector")
    ]
    return [name for name in names if name not in served]
