"""The node lifecycle controller: a node that is not heard of is no longer trusted.

Each kubelet renews a Lease every ten seconds. A heartbeat costs the controller a note of the node's
name; every five seconds it looks at these notes. A node that was not heard of for fifty seconds has
its conditions set to Unknown, and its pods are marked not ready, so that Services stop sending to
them. From the conditions follow taints (`nodetaints.py`); what the NoExecute taint does to pods is
`tainteviction.py`'s affair. The pods themselves may well go on running: nobody can ask the node.

In Kubernetes: pkg/controller/nodelifecycle/node_lifecycle_controller.go.
"""

from __future__ import annotations

from kubelab.api.objects import NOTHING, Arr, Obj, get, key_of, name_of, namespace_of, with_
from kubelab.api.rest import MERGE_PATCH, Response
from kubelab.client.controller import Controller
from kubelab.client.informer import by_node
from kubelab.controllers import conditions
from kubelab.controllers.nodetaints import (
    FULL,
    eviction_rate,
    no_execute_key,
    ready_status,
    taints_of,
    wanted_taints,
    zone_of,
    zone_state,
)
from kubelab.controllers.pods import condition
from kubelab.sim.kernel import SECOND, Routine

LOOK_SECONDS = 5
GRACE_SECONDS = 50
STARTUP_GRACE_SECONDS = 60
LEASES = "kube-node-lease"
# The key under which the periodic look is worked; no node can have this name.
LOOK = "(all nodes)"
WATCHED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


class NodeLifecycleController(Controller):
    """Watches over heartbeats. Its keys are names of nodes, and LOOK."""

    name = "node-lifecycle"

    def begin(self) -> None:
        # When we last saw a sign of life of each node, oldest first.
        self.seen: dict[str, int] = {}
        self.heard: dict[str, None] = {}
        self.unready: dict[str, None] = {}
        self.evict: dict[str, None] = {}
        self.next_eviction: dict[str, int] = {}
        self.all_gone = False
        self.nodes = self.watch("v1/Node", "on_node")
        self.leases = self.watch("coordination.k8s.io/v1/Lease", "on_lease")
        self.pods = self.watch("v1/Pod")
        self.pods.index("node", by_node)
        self.enqueue_after(LOOK, LOOK_SECONDS, background=True)

    def event_source(self) -> str:
        return "node-controller"

    # Signs of life.

    def on_lease(self, old: Obj | None, new: Obj | None) -> None:
        """A heartbeat: only noted."""
        if new is not None and old is not None and namespace_of(new) == LEASES:
            self.heard[name_of(new)] = None

    def on_node(self, old: Obj | None, new: Obj | None) -> None:
        """A node has come, changed or gone."""
        node = new if new is not None else old
        assert node is not None
        name = name_of(node)
        if new is None:
            self._forget(name)
            text = f"Node {name} event: Removing Node {name} from Controller"
            self.recorder.event(node, "Normal", "RemovingNode", text)
            return
        if name not in self.seen:
            self.seen[name] = self.process.now
            text = f"Node {name} event: Registered Node {name} in Controller"
            self.recorder.event(node, "Normal", "RegisteredNode", text)
        if old is None or _heartbeat(old) != _heartbeat(new):
            self.heard[name] = None
        if ready_status(new) == "True":
            self.unready.pop(name, None)
            self.evict.pop(name, None)
        else:
            self.unready[name] = None
        if wanted_taints(new, evict=name in self.evict, now="") != list(taints_of(new)):
            self.enqueue(name)

    def _forget(self, name: str) -> None:
        for held in (self.seen, self.heard, self.unready, self.evict):
            held.pop(name, None)

    # The look, every five seconds.

    def sync(self, key: str) -> None:
        """The periodic look at all nodes, or the consequences for one."""
        if key == LOOK:
            self._look()
            return
        node = self.nodes.get(key)
        if node is None:
            return
        silent = (self.process.now - self.seen.get(key, self.process.now)) / SECOND
        self.note(wish=f"heard of within {GRACE_SECONDS} s", seen=f"{silent:.0f} s ago", act="—")
        if self._is_overdue(node) and self._set_unknown(node):
            return
        self._taint(node)

    def _look(self) -> None:
        """Takes note of who was heard of, and finds those who were not for too long."""
        now = self.process.now
        for name in self.heard:
            if name in self.seen:
                # To the end: so the names stay in the order of their last sign of life.
                del self.seen[name]
                self.seen[name] = now
        heard = len(self.heard)
        self.heard = {}
        late = []
        for name, moment in self.seen.items():
            if now - moment < GRACE_SECONDS * SECOND:
                break
            late.append(name)
        self.note(wish=len(self.seen), seen=len(self.seen) - len(late), heard=heard, act="—")
        if late or self.unready:
            self._act(late)
        self.enqueue_after(LOOK, LOOK_SECONDS, background=True)

    def routine(self, key: str) -> Routine | None:
        """A look finds the same while all nodes are well."""
        well = key == LOOK and not self.unready and not self.all_gone
        return Routine(LOOK_SECONDS * SECOND) if well else None

    def passed(self, key: str, due: int) -> None:
        """Each look that was passed over would have found that all were heard of."""
        self.seen = dict.fromkeys(self.seen, due - LOOK_SECONDS * SECOND)

    def _act(self, late: list[str]) -> None:
        silent = [name for name in late if self._is_overdue(self.nodes.get(name))]
        waiting = [name for name in silent if name not in self.unready] + [
            name for name in silent if name in self.unready and self._lacks_unknown(name)
        ]
        if waiting:
            self.process.promote()
            self.note(act=f"doubt {', '.join(waiting)}")
        for name in waiting:
            self.enqueue(name)
        self._pace()

    def _lacks_unknown(self, name: str) -> bool:
        node = self.nodes.get(name)
        held = {item["type"]: item["status"] for item in conditions.of(node or Obj())}
        return any(held.get(type_) != "Unknown" for type_ in WATCHED)

    def _is_overdue(self, node: Obj | None) -> bool:
        """Whether a node was not heard of for longer than its grace."""
        if node is None or name_of(node) not in self.seen or name_of(node) in self.heard:
            return False
        new = conditions.find(conditions.of(node), "Ready") is None
        grace = STARTUP_GRACE_SECONDS if new else GRACE_SECONDS
        return self.process.now - self.seen[name_of(node)] >= grace * SECOND

    def _set_unknown(self, node: Obj) -> bool:
        """Writes that nothing is known of a node; False if that is what stands there."""
        now = self.process.timestamp
        held = list(conditions.of(node))
        was_ready = ready_status(node) == "True"
        changed = False
        for type_ in WATCHED:
            old = conditions.find(held, type_)
            if old is not None and old["status"] == "Unknown":
                continue
            changed = True
            born = node["metadata"].get("creationTimestamp", now)
            new = Obj({
                "type": type_, "status": "Unknown",
                "lastHeartbeatTime": old.get("lastHeartbeatTime", born) if old else born,
                "lastTransitionTime": now,
                "reason": "NodeStatusUnknown" if old else "NodeStatusNeverUpdated",
                "message": (
                    "Kubelet stopped posting node status."
                    if old
                    else "Kubelet never posted node status."
                ),
            })  # fmt: skip
            held = [new if item is old else item for item in held] if old else [*held, new]
        if not changed:
            return False
        self.note(act="set Ready to Unknown")
        doubted = with_(node, ("status", "conditions"), held)
        self.update_status(doubted, "doubted", was_ready)
        return True

    def doubted(self, response: Response, was_ready: bool) -> None:
        """The node is Unknown now: tell so, and take its pods out of the Services."""
        node = self.nodes.get(self.key)
        if not response.ok or node is None or not was_ready:
            return
        text = f"Node {self.key} status is now: NodeNotReady"
        self.recorder.event(node, "Normal", "NodeNotReady", text)
        for pod in self.pods.indexed("node", self.key):
            self.recorder.event(pod, "Warning", "NodeNotReady", "Node is not ready")
            if condition(pod, "Ready").get("status") == "True":
                ready = {
                    "type": "Ready", "status": "False",
                    "lastTransitionTime": self.process.timestamp,
                }  # fmt: skip
                patch = {
                    "metadata": {"uid": pod["metadata"]["uid"]},
                    "status": {"conditions": [ready]},
                }
                space, name = namespace_of(pod), name_of(pod)
                self.patch("v1/Pod", space, name, patch, subresource="status")

    # Taints.

    def _pace(self) -> None:
        """Lets as many nodes be emptied as the state of their zones allows."""
        zones: dict[str, list[Obj]] = {}
        for node in self.nodes:
            zones.setdefault(zone_of(node), []).append(node)
        states = {zone: zone_state(nodes) for zone, nodes in zones.items()}
        gone = bool(states) and all(state == FULL for state in states.values())
        if gone != self.all_gone:
            self.all_gone = gone
            self.evict = {}
            for node in self.nodes:
                # Nobody could have been heard of: everybody's time begins anew.
                self.seen[name_of(node)] = self.process.now
                self.enqueue(name_of(node))
        if gone:
            return
        for name in list(self.unready):
            late = self.nodes.get(name)
            if late is None or name in self.evict or not no_execute_key(late):
                continue
            zone = zone_of(late)
            rate = eviction_rate(states[zone], len(zones[zone]))
            if rate and self.process.now >= self.next_eviction.get(zone, 0):
                self.next_eviction[zone] = self.process.now + round(SECOND / rate)
                self.evict[name] = None
                self.process.promote()
                self.enqueue(name)

    def _taint(self, node: Obj) -> None:
        """Brings the taints of a node to what its conditions ask for."""
        before = list(taints_of(node))
        if self.all_gone:
            before = [item for item in before if item["effect"] != "NoExecute"]
            node = with_(node, ("spec", "taints"), before)
        evict = name_of(node) in self.evict
        after = wanted_taints(node, evict=evict, now=self.process.timestamp)
        if after == list(taints_of(self.nodes.get(self.key) or node)):
            return
        words = ", ".join(f"{item['key']}:{item['effect']}" for item in after) or "none"
        self.note(act=f"set taints: {words}")
        patch = {
            "metadata": {"resourceVersion": node["metadata"]["resourceVersion"]},
            "spec": {"taints": Arr(after) or None},
        }
        self.patch("v1/Node", "", key_of(node), patch, style=MERGE_PATCH)


def _heartbeat(node: Obj) -> tuple[str, ...]:
    """What of a node's status shows that its kubelet lives."""
    return tuple(
        get(item, "lastHeartbeatTime", default="")
        for item in get(node, "status", "conditions", default=NOTHING)
    )
