"""The colours of all views: one for each actor, in every picture the same, for two themes.

Colour says who acts, and nothing else; two exceptions are `alarm` (failed or blocked) and the
greys. Drawings name colours by role (`var(--kl-api)`): in a page these are CSS variables that
follow the theme, in a still they are replaced by the light theme's values, since a picture in an
`<img>` sees no variables. The values keep a distance of at least 10 (CIEDE2000) from each other in
normal sight and in three kinds of colour blindness, and text on them a contrast of at least 4.5 to
1.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

import re

ACTORS = ("you", "api", "etcd", "controllers", "scheduler", "kubelet", "proxy", "dns")

LIGHT = {
    "you": "#1B1F24", "on-you": "#FFFFFF",
    "api": "#1B5FD0", "on-api": "#FFFFFF",
    "etcd": "#D9A62E", "on-etcd": "#1B1F24",
    "controllers": "#15805F", "on-controllers": "#FFFFFF",
    "scheduler": "#F072AC", "on-scheduler": "#1B1F24",
    "kubelet": "#37C3EA", "on-kubelet": "#1B1F24",
    "proxy": "#61196F", "on-proxy": "#FFFFFF",
    "dns": "#F7E733", "on-dns": "#1B1F24",
    "alarm": "#C62A00", "on-alarm": "#FFFFFF",
    "ink": "#1B1F24", "muted": "#57606A", "line": "#B6BEC8",
    "paper": "#FFFFFF", "soft": "#F3F5F8", "fill": "#DCE3EC",
}  # fmt: skip

DARK = {
    "you": "#E8EAED", "on-you": "#14171C",
    "api": "#5B86FF", "on-api": "#14171C",
    "etcd": "#CFA24A", "on-etcd": "#14171C",
    "controllers": "#17795A", "on-controllers": "#FFFFFF",
    "scheduler": "#E676A4", "on-scheduler": "#14171C",
    "kubelet": "#77C7FF", "on-kubelet": "#14171C",
    "proxy": "#A8509A", "on-proxy": "#FFFFFF",
    "dns": "#FFF04A", "on-dns": "#14171C",
    "alarm": "#D23700", "on-alarm": "#FFFFFF",
    "ink": "#E8EAED", "muted": "#A6AEB9", "line": "#4B5360",
    "paper": "#14171C", "soft": "#1D2128", "fill": "#3A424E",
}  # fmt: skip

# Whose colour a component has: the beginning of its name decides.
_ROLES = (
    ("you", "you"), ("apiserver", "api"), ("etcd", "etcd"), ("controller-manager", "controllers"),
    ("kubeadm", "controllers"), ("scheduler", "scheduler"), ("kubelet", "kubelet"),
    ("runtime", "kubelet"), ("kernel", "kubelet"), ("kube-proxy", "proxy"), ("coredns", "dns"),
    ("kube-network-policies", "proxy"), ("resolver", "dns"), ("tools", "dns"),
    ("metrics-server", "controllers"),
)  # fmt: skip

_LABELS = {
    "you": "You", "faults": "You", "controller-manager": "Controller manager",
    "scheduler": "Scheduler", "kubeadm": "kubeadm", "metrics-server": "metrics-server",
}  # fmt: skip

_VARIABLE = re.compile(r"var\(--kl-([a-z-]+)\)")


def actor_of(component: str) -> str:
    """The actor (a colour's name) that a component belongs to; `you` for what is unknown."""
    for head, actor in _ROLES:
        if component.startswith(head):
            return actor
    return "you"


def label_of(component: str) -> str:
    """A component's name for people: `API server`, `Kubelet node-1`."""
    head, _, place = component.partition("/")
    if component in _LABELS:
        return _LABELS[component]
    if head.startswith("apiserver-"):
        number = head.rpartition("-")[2]
        return "API server" if number == "1" else f"API server {number}"
    if head.startswith("etcd-"):
        return "etcd" if head == "etcd-1" else f"etcd {head.rpartition('-')[2]}"
    if head == "you":
        return "You"
    named = {"coredns": "CoreDNS", "kube-proxy": "kube-proxy"}.get(head, head.capitalize())
    return f"{named} {place}" if place else named


def colour(name: str) -> str:
    """A colour by its role, as drawings write it."""
    return f"var(--kl-{name})"


def resolve(markup: str, theme: dict[str, str] = LIGHT) -> str:
    """Markup with every colour's role replaced by the theme's value."""
    return _VARIABLE.sub(lambda found: theme[found[1]], markup)


def stylesheet() -> str:
    """The CSS rules that give the variables their values in a light and in a dark page."""
    light = "".join(f"--kl-{name}:{value};" for name, value in LIGHT.items())
    dark = "".join(f"--kl-{name}:{value};" for name, value in DARK.items())
    darkened = ('[data-jp-theme-light="false"] .kl', "body.vscode-dark .kl", ".kl[data-theme=dark]")
    return f".kl{{{light}}}\n{','.join(darkened)}{{{dark}}}\n"
