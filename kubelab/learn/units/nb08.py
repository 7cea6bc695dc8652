"""08, Which node is best? The scheduler's scores: spread, affinity, preferences, weights."""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import get, name_of
from kubelab.cluster import Cluster
from kubelab.learn import traces, worlds
from kubelab.learn.catalogue import Moment, Option, Unit
from kubelab.learn.units.tasks08 import EXERCISES, repels

SOLO = worlds.deployment("solo", 4, spec=repels("solo"))
TERM = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
PREFERS = {
    "affinity": {
        "nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": TERM}]
        }
    }
}
PICKY = worlds.pod("picky", cpu=3, spec=PREFERS)


# Moments. Each reads where pods are.


def shares(c: Any, app: str) -> dict[str, int]:
    """How many placed pods of an app each node has."""
    count = {name_of(node): 0 for node in c.moment().list("Node")}
    for pod in c.moment().list("Pod", "default", f"app={app}"):
        if get(pod, "spec", "nodeName"):
            count[pod["spec"]["nodeName"]] += 1
    return count


def listed(count: dict[str, int]) -> str:
    """Shares in words."""
    return ", ".join(f"{node}: {number}" for node, number in sorted(count.items()))


def spread(c: Any) -> str | None:
    """How six copies lie on three nodes."""
    wish = worlds.found(c, "Deployment", "web")
    count = shares(c, "web")
    if wish is None or wish["spec"]["replicas"] != sum(count.values()):
        return None
    if traces.last(c, _cordon):
        return None
    gap = max(count.values()) - min(count.values())
    return "even" if gap <= 1 else "one" if max(count.values()) == sum(count.values()) else "any"


def _cordon(event: Any) -> bool:
    path = str(event.detail.get("path", ""))
    return event.actor == "you" and event.verb == "ask" and path.startswith("/api/v1/nodes/")


def tell_spread(c: Any) -> str:
    """Each node's share, and the plugin whose points differ most in the last decision."""
    return (
        f"{listed(shares(c, 'web'))}. Nobody wrote a rule: for copies of one thing the scheduler "
        "spreads by default (PodTopologySpread)."
    )


def stage_spread(seed: int) -> Cluster:
    """Six copies, and no rule."""
    c = worlds.cluster(3, seed)
    c.apply([worlds.deployment("web", 6), worlds.service("web")])
    c.settle()
    return c


def picky(c: Any) -> str | None:
    """Where a pod goes whose preferred node has no room."""
    event = traces.last(
        c, lambda e: e.verb == "schedule_one" and e.detail.get("pod") == "default/picky"
    )
    if not event:
        return None
    node = c.trace[event - 1].detail.get("node")
    if not node:
        return "pending"
    labels = get(worlds.found(c, "Node", node, ""), "metadata", "labels")
    return "ssd" if labels.get("disk") == "ssd" else "other"


def tell_picky(c: Any) -> str:
    """Its node, and why not the preferred one."""
    event = traces.last(
        c, lambda e: e.verb == "schedule_one" and e.detail.get("pod") == "default/picky"
    )
    detail = c.trace[event - 1].detail
    dropped = ", ".join(
        f"{node} ({', '.join(one['reasons'])})"
        for node, one in sorted(detail.get("rejected", {}).items())
    )
    return f"It went to {detail['node']}. Dropped before any points: {dropped}."


def stage_picky(seed: int) -> Cluster:
    """The one node with an SSD is full."""
    c = worlds.cluster(3, seed)
    c.kubectl("label node node-1 disk=ssd")
    c.apply(worlds.pod("heavy", cpu=2, spec={"nodeName": "node-1"}))
    c.settle()
    c.apply(PICKY)
    c.settle()
    return c


def repelled(c: Any) -> str | None:
    """What becomes of one copy too many that must not stand beside another."""
    pods = c.moment().list("Pod", "default", "app=solo")
    nodes = c.moment().list("Node")
    if len(pods) <= len(nodes):
        return None
    placed = sum(bool(get(pod, "spec", "nodeName")) for pod in pods)
    if placed == len(pods):
        return "shares"
    return "waits" if placed == len(nodes) else None


def tell_repelled(c: Any) -> str:
    """The scheduler's sentence on the one that waits."""
    waiting = [
        pod
        for pod in c.moment().list("Pod", "default", "app=solo")
        if not get(pod, "spec", "nodeName")
    ]
    name = name_of(waiting[0])
    said = c.scheduler.explain(f"default/{name}").message.split(". ")[0]
    return f"{len(waiting)} waits, {name}: {said}."


def stage_repelled(seed: int) -> Cluster:
    """Four copies that repel each other, on three nodes."""
    c = worlds.cluster(3, seed)
    c.apply(SOLO)
    c.settle()
    return c


def opened(c: Any) -> str | None:
    """What becomes of running pods when a node opens."""
    act = traces.last(c, _cordon)
    if not act or any(get(node, "spec", "unschedulable") for node in c.moment().list("Node")):
        return None
    if traces.seconds(c, act, len(c.trace)) < 60 or not sum(shares(c, "web").values()):
        return None
    made = traces.created(c, act)
    return "moved" if made or 0 not in shares(c, "web").values() else "stay"


def tell_opened(c: Any) -> str:
    """Each node's share, a while later."""
    act = traces.last(c, _cordon)
    took = traces.seconds(c, act, len(c.trace))
    return f"{took:.0f} s later: {listed(shares(c, 'web'))}. The scheduler places, once."


def stage_opened(seed: int) -> Cluster:
    """Six copies on two nodes; the third one opens."""
    c = worlds.cluster(3, seed)
    c.kubectl("cordon node-3")
    c.apply(worlds.deployment("web", 6))
    c.settle()
    c.kubectl("uncordon node-3")
    c.run(120)
    return c


MOMENTS = (
    Moment(
        "08.a", "A Deployment of six pods, three equal nodes, no rule at all. How do they lie?",
        (
            Option("one", "all on one node until it is full", "M15"),
            Option("even", "two on each node"),
            Option("any", "anyhow; they are moved later to balance", "M14"),
        ),
        spread, tell_spread, stage_spread, todo="apply six replicas of web and settle",
    ),
    Moment(
        "08.b", "The pod picky prefers nodes with an SSD, with the greatest weight there is. The "
        "only one has no room for it. What happens?",
        (
            Option("pending", "it is Pending until there is room", "M17"),
            Option("ssd", "another pod has to leave that node", "M17"),
            Option("other", "it goes to a node without an SSD"),
        ),
        picky, tell_picky, stage_picky, todo="apply the pod picky and settle",
    ),
    Moment(
        "08.c", "Four pods of solo; each requires that no other of them is on its node. There are "
        "three nodes. What happens?",
        (
            Option("shares", "the fourth shares a node, since there is no other way", "M17"),
            Option("waits", "three run, the fourth is Pending"),
            Option("none", "none runs: the rule cannot be kept", "M15"),
        ),
        repelled, tell_repelled, stage_repelled, todo="apply the Deployment solo and settle",
    ),
    Moment(
        "08.d", "Six pods run on two nodes, since the third was cordoned. Now it is uncordoned "
        "and empty. Two minutes later?",
        (
            Option("moved", "two of them have been moved to it", "M14"),
            Option("stay", "nothing has changed: three, three, none"),
            Option("copied", "two more have been made there", "M02"),
        ),
        opened, tell_opened, stage_opened,
        todo="cordon a node, apply web, uncordon it, run on for two minutes",
    ),
)  # fmt: skip


UNIT = Unit(
    "08",
    "Which node is best?",
    45,
    MOMENTS,
    EXERCISES,
    ("S16", "S18", "S20", "S23"),
    ("M14", "M17"),
)
