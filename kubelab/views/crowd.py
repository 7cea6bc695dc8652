"""Many nodes in one picture: tiles up to 60, cells beyond, the exceptions in words.

A tile still has a dot for each pod, drawn by its state; a cell only a grey that tells how much cpu
is asked for. Whatever runs on a node has its place in the middle of the node's tile or cell, so
that messages still find their ends.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

from typing import Any

from kubelab.views.picture import WIDTH, Picture, placed, rect, text, wrap
from kubelab.views.shapes import bar, thing

Places = dict[str, tuple[float, float]]


def tiles(picture: Picture, data: dict[str, Any], places: Places, top: float) -> float:
    """Nodes as tiles with two bars and a dot for each pod; returns the bottom."""
    across, width, height = 6, 151, 92
    for number, node in enumerate(data["nodes"]):
        x = 8 + (width + 7) * (number % across)
        y = top + (height + 8) * (number // across)
        edge = "ink" if node["state"] == "ready" else "alarm"
        body = rect(
            0,
            0,
            width,
            height,
            fill="paper",
            stroke=edge,
            radius=5,
            width=1.5 if edge == "ink" else 3,
        )
        body += text(8, 17, node["name"], size=13, bold=True, width=width - 16)
        for row, item in enumerate(node["bars"]):
            body += placed(8, 24 + 12 * row, bar(width - 16, 8, item["share"]))
        for place, pod in enumerate(node["pods"][:22]):
            dot = thing("Pod", pod["state"], r=4.5, named=False)
            body += placed(14 + 12 * (place % 11), 58 + 13 * (place // 11), dot)
        if len(node["pods"]) > 22:
            body += text(width - 6, 88, f"+{len(node['pods']) - 22}", size=12, anchor="end")
        picture.add(
            f"no/{node['name']}",
            x,
            y,
            body,
            kind="Node",
            name=node["name"],
            state=node["state"],
            ring=data["touched"] == f"Node {node['name']}",
            label=f"Node {node['name']}, {node['word']}, {len(node['pods'])} pods",
        )
        _stand_in(places, node["name"], x + width / 2, y + height / 2)
    return top + (height + 8) * -(-len(data["nodes"]) // across)


def mosaic(picture: Picture, data: dict[str, Any], places: Places, top: float) -> float:
    """Nodes as cells whose grey tells how much cpu is asked for; returns the bottom."""
    nodes = data["nodes"]
    across = 60 if len(nodes) > 600 else 40 if len(nodes) > 240 else 24
    size = (WIDTH - 16) / across
    odd = [node for node in nodes if node["state"] != "ready"]
    head = f"{len(nodes)} nodes, {len(odd)} of them not ready; darker: more cpu asked for"
    picture.add("mosaic", 8, top + 12, text(0, 0, head, size=13))
    top += 22
    for number, node in enumerate(nodes):
        share = node["bars"][0]["share"] if node["bars"] else 0
        fill = (
            "paper"
            if share < 0.1
            else "fill"
            if share < 0.5
            else "line"
            if share < 0.8
            else "muted"
        )
        edge = "ink" if node["state"] == "ready" else "alarm"
        x, y = 8 + size * (number % across), top + size * (number // across)
        body = rect(
            1,
            1,
            size - 3,
            size - 3,
            fill=fill,
            stroke=edge,
            radius=2,
            width=1 if edge == "ink" else 3,
        )
        picture.add(
            f"no/{node['name']}",
            x,
            y,
            body,
            kind="Node",
            name=node["name"],
            state=node["state"],
            label=f"Node {node['name']}, {node['word']}",
        )
        _stand_in(places, node["name"], x + size / 2, y + size / 2)
    top += size * -(-len(nodes) // across) + 8
    names = ", ".join(node["name"] for node in odd[:8])
    for number, words in enumerate(wrap(f"not ready: {names}" if odd else "", WIDTH - 20, 13, 2)):
        picture.add(f"odd{number}", 8, top + 14 + 18 * number, text(0, 0, words, size=13))
    return top + (40 if odd else 6)


def _stand_in(places: Places, node: str, x: float, y: float) -> None:
    for part in ("kubelet", "kube-proxy", "runtime", "kernel", "resolver", "tools", "node"):
        places[f"{part}/{node}"] = (x, y)
