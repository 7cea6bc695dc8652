"""The whole story in a terminal: from `apply` to a pod's response, hop by hop.

A Deployment and a Service are applied to a new cluster; then one of its pods is asked for by name
from another pod. Every hop that is on the way is printed with its time, its component and what it
did; what else happened on the way (heartbeats, other watchers) is only counted.
"""

from __future__ import annotations

from typing import TextIO

from kubelab.cluster import Cluster
from kubelab.network.payloads import Hop
from kubelab.sim.kernel import Event
from kubelab.sim.links import role_of

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "kubelab/http:1", ports: [{containerPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
"""
CLIENT = """
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  containers: [{name: client, image: "kubelab/sleep:1"}]
"""

# ANSI colours of the actors, by role; the name stands beside the colour.
COLOURS = {
    "you": 1, "apiserver": 34, "etcd": 33, "controller-manager": 32, "scheduler": 35,
    "kubelet": 36, "runtime": 36, "kernel": 36, "kube-proxy": 35, "coredns": 93, "resolver": 93,
    "tools": 1,
}  # fmt: skip


class Teller:
    """Prints events as lines of a story."""

    def __init__(self, out: TextIO, cluster: Cluster) -> None:
        self.out = out
        self.cluster = cluster
        self.colour = out.isatty()
        self.told = 0

    def heading(self, text: str) -> None:
        """A line between two parts of the story."""
        self.out.write(f"\n{text}\n{'-' * len(text)}\n")

    def line(self, event: Event) -> None:
        """One event."""
        seconds = (event.ns - self.cluster.world.epoch) / 1e9
        who = f"{event.actor} > {event.target}" if event.actor != event.target else event.actor
        if self.colour:
            who = f"\033[{COLOURS.get(role_of(event.target), 0)}m{who:<34}\033[0m"
        text = self.cluster.tell(event)
        because = f"   (because of {event.cause})" if event.cause else ""
        self.out.write(f"{event.id:>6}  t+{seconds:>8.3f}  {who:<34}  {text}{because}\n")
        self.told += 1

    def chain(self, what: str) -> list[Event]:
        """The chain of causes that led to an object."""
        chain = self.cluster.why(what)
        for event in chain:
            self.line(event)
        return chain


def tell(out: TextIO, *, seed: int = 0) -> int:
    """Tells the story; returns the exit status."""
    cluster = Cluster(nodes=3, seed=seed)
    cluster.apply(CLIENT)
    cluster.settle()
    teller = Teller(out, cluster)
    out.write("A cluster of 3 nodes is up; its DNS answers, a pod named client runs.\n")
    start = len(cluster.trace)
    teller.heading("You apply a Deployment with 3 replicas and a Service")
    cluster.apply(WEB)
    cluster.settle()
    pods = cluster.list("Pod", "default", {"app": "web"})
    name = pods[0]["metadata"]["name"]
    teller.heading(f"Why does pod {name} run? The chain from your request to its last change")
    teller.chain(f"pod/{name}")
    teller.heading("The Service's name, its address and its endpoints")
    service = cluster.get("Service", "web")
    out.write(f"  web.default.svc.cluster.local is {service['spec']['clusterIP']}\n")
    for pod in pods:
        where = f"{pod['status'].get('podIP')} on {pod['spec'].get('nodeName')}"
        out.write(f"  behind it: pod {pod['metadata']['name']} at {where}\n")
    teller.heading("From pod client: curl http://web/")
    before = len(cluster.trace)
    exchange = cluster.curl("default/client", "http://web/")
    for event in cluster.trace[before:]:
        if role_of(event.target) in ("tools", "resolver", "kernel", "coredns", "runtime"):
            teller.line(event)
    teller.heading("The answer")
    out.write(f"  {exchange.status} from {exchange.pod}: {exchange.body.strip()}\n")
    for hop in exchange.hops:
        out.write(f"    {_hop(hop)}\n")
    total = len(cluster.trace) - start
    out.write(f"\n{total} events since your apply; {teller.told} of them are told here. ")
    out.write("kubelab lab opens the notebooks, where you step through all of them.\n")
    return 0 if exchange.status == 200 else 1


def _hop(hop: Hop) -> str:
    """One hop as a line: where, which rule or step, and how the packet's ends changed."""
    chance = f" (chance {hop.probability:.2f})" if hop.probability else ""
    change = f"{hop.before} becomes {hop.after}" if hop.before != hop.after else hop.after
    rule = hop.target or hop.rule
    return f"{hop.node:<8} {hop.chain:<26} {rule:<30} {change}{chance}"
