"""One node among many: the search, the lens on the one that is selected, and the cluster view's
inputs.

In Kubernetes: `kubectl get nodes | grep NAME`, then `kubectl describe node`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubelab.views.desk import desk_of
from kubelab.views.floor import IN_DETAIL

if TYPE_CHECKING:
    from kubelab.views.view import View


def is_parted(cluster: Any) -> bool:
    """Whether some links are cut now."""
    links = getattr(cluster.world, "links", None)
    return links is not None and bool(links.groups)


def found(rows: list[dict[str, Any]], wanted: str) -> list[str]:
    """The nodes that are searched for: by their own name, or by that of a pod on them."""
    wanted = wanted.strip().lower()
    if not wanted:
        return []
    return [
        row["name"] for row in rows
        if wanted in row["name"].lower() or any(wanted in pod["name"] for pod in row["pods"])
    ]  # fmt: skip


def lens(cluster: Any, rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The node that is selected, or that the selected pod is on; where nodes are only cells."""
    selection = desk_of(cluster).selection
    if selection is None or len(rows) <= IN_DETAIL:
        return None
    kind, name = selection
    for row in rows:
        mine = kind == "Pod" and any(pod["name"] == name for pod in row["pods"])
        if mine or (kind == "Node" and row["name"] == name):
            return row
    return None


def inputs(data: dict[str, Any], options: dict[str, Any]) -> list[dict[str, Any]]:
    """A search where there are many nodes; the end of all cuts while there are some."""
    out: list[dict[str, Any]] = []
    if len(data["nodes"]) > IN_DETAIL:
        count = len(data["found"])
        out.append({"type": "text", "name": "find", "label": "Find a node or pod",
                    "value": options.get("find") or "", "text": str(count)})  # fmt: skip
    if data["cut"]:
        out.append({"type": "button", "name": "heal", "label": "Heal all links"})
    return out


def use(view: View, name: str, value: str) -> View:
    """Searches, or heals."""
    if name == "find":
        view.change(find=value)
        if value and not view.frame["found"]:
            view.alert = f"No node and no pod has {value!r} in its name."
        return view
    if name != "heal":
        raise ValueError(f"the cluster view has no input {name!r}")
    view.cluster.faults.heal()
    return view.now()
