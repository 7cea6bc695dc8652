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

# How dark a cell is, up to which share of its cpu is asked for.
GREYS = ((0.1, "paper"), (0.5, "fill"), (0.8, "line"), (9.0, "muted"))

Places = dict[str, tuple[float, float]]


def tiles(picture: Picture, data: dict[str, Any], places: Places, top: float) -> float:
    """Nodes as tiles with two bars and a dot for each pod; returns the bottom."""
    across, width, height = 6, 151, 92
    for number, node in enumerate(data["nodes"]):
        x = 8 + (width + 7) * (number % across)
        y = top + (height + 8) * (number // across)
        edge = "ink" if node["state"] == "ready" else "alarm"
        touched = data["touched"] == f"Node {node['name']}" or _holds(node, data["touched"])
        looked = touched or node["name"] in data["found"]
        body = rect(-3, -3, width + 6, height + 6, stroke="ink", width=3) if looked else ""
        body += rect(
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
            ring=touched,
            label=f"Node {node['name']}, {node['word']}, {len(node['pods'])} pods",
        )
        _stand_in(places, node["name"], x + width / 2, y + height / 2)
    top += (height + 8) * -(-len(data["nodes"]) // across)
    return top if data["lens"] is None else lens(picture, data["lens"], top)


def mosaic(picture: Picture, data: dict[str, Any], places: Places, top: float) -> float:
    """Nodes as cells whose grey tells how much cpu is asked for; returns the bottom."""
    nodes = data["nodes"]
    across = 60 if len(nodes) > 600 else 40 if len(nodes) > 240 else 24
    size = (WIDTH - 16) / across
    odd = [node for node in nodes if _differs(node)]
    found = set(data["found"])
    differ = "differs" if len(odd) == 1 else "differ"
    head = f"{len(odd)} of {len(nodes)} nodes {differ}; darker: more cpu asked for"
    head += f"; {len(found)} found" if found else ""
    picture.add("mosaic", 8, top + 12, text(0, 0, head, size=13))
    top += 22
    for number, node in enumerate(nodes):
        x, y = 8 + size * (number % across), top + size * (number // across)
        ring = data["touched"] == f"Node {node['name']}" or _holds(node, data["touched"])
        picture.add(
            f"no/{node['name']}", x, y, _cell(node, size, ring, node["name"] in found), kind="Node",
            name=node["name"], state=node["state"], ring=ring,
            label=f"Node {node['name']}, {node['word']}, {len(node['pods'])} pods",
        )  # fmt: skip
        _stand_in(places, node["name"], x + size / 2, y + size / 2)
    top += size * -(-len(nodes) // across) + 8
    names = ", ".join(f"{node['name']} ({_why(node)})" for node in odd[:8])
    more = f" and {len(odd) - 8} more" if len(odd) > 8 else ""
    for number, words in enumerate(wrap(f"{names}{more}" if odd else "", WIDTH - 20, 13, 2)):
        picture.add(f"odd{number}", 8, top + 14 + 18 * number, text(0, 0, words, size=13))
    top += 40 if odd else 6
    if data["lens"] is None:
        hint = "Select a cell, or search, to see one node."
        picture.add("lens-hint", 8, top + 14, text(0, 0, hint, size=13, fill="muted"))
        return top + 22
    return lens(picture, data["lens"], top)


def _cell(node: dict[str, Any], size: float, ring: bool, found: bool) -> str:
    share = node["bars"][0]["share"] if node["bars"] else 0
    fill = next(name for most, name in GREYS if share < most)
    good = node["state"] == "ready"
    body = rect(1, 1, size - 3, size - 3, fill=fill, stroke="ink" if good else "alarm", radius=2,
                width=1 if good else 3)  # fmt: skip
    if ring or found:
        dash = "" if ring else "3 2"
        body += rect(-2, -2, size + 3, size + 3, stroke="ink", width=3, radius=4, dash=dash)
    if _bad(node):
        body += text(size / 2 - 1, size / 2 + 4, "!", size=12, anchor="middle", bold=True)
    return body


def _bad(node: dict[str, Any]) -> bool:
    return any(pod["state"] in ("failed", "unknown") for pod in node["pods"])


def _differs(node: dict[str, Any]) -> bool:
    return node["state"] != "ready" or _bad(node)


def _why(node: dict[str, Any]) -> str:
    if node["state"] != "ready":
        return str(node["word"])
    return str(next(p["word"] for p in node["pods"] if p["state"] in ("failed", "unknown")))


def _holds(node: dict[str, Any], touched: str) -> bool:
    return touched.startswith("Pod ") and any(pod["name"] == touched[4:] for pod in node["pods"])


def lens(picture: Picture, node: dict[str, Any], top: float) -> float:
    """One node of the many, with its pods by name."""
    shown = node["pods"][:15]
    height = 62 + 34 * -(-max(len(shown), 1) // 5)
    body = rect(0, 0, WIDTH - 16, height, fill="soft", stroke="ink", radius=6)
    body += text(12, 21, f"{node['name']} · {node['word']}", size=14, bold=True)
    for number, item in enumerate(node["bars"]):
        body += placed(300 + 320 * number, 11, bar(120, 10, item["share"]))
        said = f"{item['resource']} {item['text']}"
        body += text(430 + 320 * number, 21, said, size=12, width=180)
    if len(node["pods"]) > len(shown):
        rest = f"and {len(node['pods']) - len(shown)} more pods"
        body += text(12, height - 6, rest, size=12, fill="muted")
    picture.add("lens", 8, top + 6, body)
    for number, pod in enumerate(shown):
        x, y = 34 + 186 * (number % 5), top + 58 + 34 * (number // 5)
        body = thing("Pod", pod["state"], r=12) + text(20, -1, pod["short"], size=12, width=140)
        body += text(20, 13, pod["word"], size=12, fill="muted", width=140)
        picture.add(
            f"lens/{pod['name']}", x, y, body, kind="Pod", name=pod["name"], state=pod["state"],
            label=f"Pod {pod['short']}, {pod['word']}, on {node['name']}",
        )  # fmt: skip
    return top + height + 12


def _stand_in(places: Places, node: str, x: float, y: float) -> None:
    for part in ("kubelet", "kube-proxy", "runtime", "kernel", "resolver", "tools", "node"):
        places[f"{part}/{node}"] = (x, y)
