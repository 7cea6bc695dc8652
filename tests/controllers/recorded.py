"""Replays stories recorded from a real controller manager and scheduler, and compares.

The recordings (`tests/golden_data/controllers.json`) hold the answers of a real API server while
real controllers worked; a stand-in for the kubelets made bound pods Running and Ready. Here a
stand-in does the same: images that end in `done` succeed, those in `fail` fail with exit code 1,
those in `stuck` never start. What differs from run to run is masked in both answers, and lists are
put in order, as the order of pods and of Events of different objects is not that of another run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from kubelab.api.objects import Obj, freeze, get, name_of, namespace_of, uid_of
from kubelab.apiserver.server import APIServer
from kubelab.client.client import Client
from kubelab.controllers.manager import controller_manager
from kubelab.etcd.member import Member
from kubelab.scheduler.scheduler import Scheduler
from kubelab.sim.chance import ALPHABET
from kubelab.sim.history import History
from kubelab.sim.kernel import World
from kubelab.sim.tree import thaw
from kubelab.user import You
from tests.apiserver.replay import Mask, Server, dig, fill, load

SERVERS = ("apiserver-1",)
ROOM = {"cpu": "4", "memory": "8Gi", "pods": "110"}
START_SECONDS, STOP_SECONDS = 0.3, 0.3
HEARTBEAT_SECONDS = 10.0
UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
GENERATED = re.compile(f"[{ALPHABET}]{{5}}")
NAMED = re.compile(r'ReplicaSet "[a-z0-9-]+-(\w{8,10})"')
HASH_LABELS = ("pod-template-hash", "controller-revision-hash")


class StandIn(Client):
    """All kubelets in one: nodes that are ready, pods that start and stop at once."""

    def __init__(self) -> None:
        super().__init__("stand-in", servers=SERVERS)

    def start(self) -> None:
        super().start()
        self.pods = self.inform("v1/Pod").subscribe("on_pod")
        self.addresses = 0
        self.acted: dict[str, None] = {}
        self.generated: dict[str, str] = {}
        for number in (1, 2, 3):
            name = f"node-{number}"
            self.create(
                freeze({
                    "apiVersion": "v1", "kind": "Node",
                    "metadata": {"name": name, "labels": {
                        "kubernetes.io/hostname": name, "kubernetes.io/os": "linux",
                        "kubernetes.io/arch": "amd64",
                    }},
                    "status": {"capacity": ROOM, "allocatable": ROOM},
                })
            )  # fmt: skip
        self.after(0.05, "beat", background=True)

    def beat(self) -> None:
        """A sign of life of each node."""
        for number in (1, 2, 3):
            condition = {
                "type": "Ready", "status": "True", "reason": "KubeletReady",
                "lastHeartbeatTime": self.timestamp, "lastTransitionTime": self.timestamp,
            }  # fmt: skip
            self.patch(
                "v1/Node", "", f"node-{number}", {"status": {"conditions": [condition]}}, "status"
            )
        self.after(HEARTBEAT_SECONDS, "beat", background=True)

    def on_pod(self, old: Obj | None, new: Obj | None) -> None:
        """A pod has changed: is it to be started, or stopped?"""
        if new is not None and GENERATED.fullmatch(name_of(new).rpartition("-")[2]):
            self.generated[name_of(new)] = new["metadata"].get("generateName", "") + "<rand>"
        if new is None or not get(new, "spec", "nodeName"):
            return
        uid, key = uid_of(new), f"{namespace_of(new)}/{name_of(new)}"
        if new["metadata"].get("deletionTimestamp"):
            if f"stop {uid}" not in self.acted:
                self.acted[f"stop {uid}"] = None
                self.after(STOP_SECONDS, "stop", key, uid)
        elif f"start {uid}" not in self.acted:
            self.acted[f"start {uid}"] = None
            self.after(START_SECONDS, "begin", key)

    def begin(self, key: str) -> None:
        """Writes the status of a pod that runs, or has run."""
        pod = self.pods.get(key)
        if pod is None:
            return
        images = [item["image"] for item in pod["spec"]["containers"]]
        if any(image.endswith("stuck") for image in images):
            return
        self.addresses += 1
        over = next((end for end in ("done", "fail") if images[0].endswith(end)), "")
        address = f"10.244.0.{self.addresses}"
        status = {
            "phase": {"done": "Succeeded", "fail": "Failed"}.get(over, "Running"),
            "hostIP": "192.168.0.9", "podIP": address, "podIPs": [{"ip": address}],
            "startTime": self.timestamp,
            "conditions": self._conditions(over),
            "containerStatuses": [self._container(pod, item, over)
                                  for item in pod["spec"]["containers"]],
        }  # fmt: skip
        self.patch("v1/Pod", namespace_of(pod), name_of(pod), {"status": status}, "status")

    def _conditions(self, over: str) -> list[dict[str, Any]]:
        held = {"lastProbeTime": None, "lastTransitionTime": self.timestamp}
        if over:
            reason = "PodFailed" if over == "fail" else "PodCompleted"
            return [{"type": "Ready", "status": "False", "reason": reason, **held}]
        return [
            {"type": type_, "status": "True", **held}
            for type_ in ("Initialized", "Ready", "ContainersReady")
        ]

    def _container(self, pod: Obj, item: Obj, over: str) -> dict[str, Any]:
        identity = f"x://{uid_of(pod)}{item['name']}"
        state: dict[str, Any] = {"running": {"startedAt": self.timestamp}}
        if over:
            state = {"terminated": {
                "exitCode": int(over == "fail"), "reason": "Error" if over == "fail" else
                "Completed", "startedAt": self.timestamp, "finishedAt": self.timestamp,
            }}  # fmt: skip
        return {
            "name": item["name"], "state": state, "lastState": {}, "ready": not over,
            "restartCount": 0, "image": item["image"], "imageID": "", "containerID": identity,
            "started": not over,
        }  # fmt: skip

    def stop(self, key: str, uid: str) -> None:
        """A pod's containers have ended: it may go."""
        namespace, _, name = key.partition("/")
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
        self.delete("v1/Pod", namespace, name, body=body)


class Scene(Server):
    """A control plane with controllers and a scheduler, three nodes, and a user."""

    def __init__(self, seed: int = 0) -> None:
        world = World(seed)
        self.history = History(world)
        self.token = 0
        world.add(Member("etcd-1"))
        world.add(APIServer("apiserver-1", address="192.168.0.2"))
        world.add(controller_manager(SERVERS))
        world.add(Scheduler("scheduler", SERVERS))
        world.add(StandIn())
        world.add(You(servers=SERVERS))
        self.history.settle(60)


class StoryMask(Mask):
    """Also masks where pods run, the suffixes of all generated names, and hashes of templates."""

    def __init__(self, request: Any, hashes: dict[str, None]) -> None:
        super().__init__(request)
        self.hashes = hashes

    def learn(self, value: Any) -> None:
        super().learn(value)
        self.generated = {
            name: masked
            for name, masked in self.generated.items()
            if GENERATED.fullmatch(name.rpartition("-")[2])
        }

    def value(self, key: str, value: Any) -> Any:
        if key in ("podIP", "hostIP", "ip") and str(value).startswith(("10.244.", "192.168.")):
            return "<podIP>" if key != "hostIP" else "<hostIP>"
        if key == "containerID":
            return UID.sub("<uid>", value)
        if key == "addresses" and isinstance(value, list):
            return ["<podIP>" if str(v).startswith("10.244.") else self.value("", v) for v in value]
        return super().value(key, value)

    def text(self, text: str) -> str:
        text = super().text(text)
        for word in self.hashes:
            text = text.replace(word, "<hash>")
        text = re.sub(f"(<hash>-)[{ALPHABET}]{{5}}\\b", r"\1<rand>", text)
        return re.sub(r"\bnode-[123]\b", "<node>", re.sub(r"\btick-\d+\b", "tick-<minutes>", text))


def hashes_in(value: Any) -> Iterator[str]:
    """The hashes of the pod templates of Deployments and DaemonSets that an answer names."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name in HASH_LABELS and isinstance(item, str) and "-" not in item:
                yield item
            else:
                yield from hashes_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from hashes_in(item)
    elif isinstance(value, str):
        yield from NAMED.findall(value)


def shown(event: Obj) -> dict[str, Any]:
    """What a recording keeps of an Event."""
    about = event["involvedObject"]
    kept = {
        "object": f"{about['kind']}/{about.get('name', '')}",
        "type": event.get("type"), "reason": event.get("reason"),
        "message": event.get("message"), "count": event.get("count"),
        "action": event.get("action"), "source": event.get("source"),
        "reportingComponent": event.get("reportingComponent"),
    }  # fmt: skip
    return {name: value for name, value in kept.items() if value is not None}


def in_order(value: Any) -> Any:
    """The same with lists of objects in the order of their text."""
    if not isinstance(value, dict):
        return value
    made = dict(value)
    for name in ("items", "events", "endpoints"):
        if isinstance(made.get(name), list):
            made[name] = [in_order(item) for item in made[name]]
            made[name] = sorted(made[name], key=lambda item: json.dumps(item, sort_keys=True))
    return made


def play(story: list[Any], scene: Scene) -> Iterator[tuple[str, Any, Any]]:
    """For each entry of a story that counts: its name, the recorded answer and ours, masked."""
    variables: dict[str, Any] = {}
    stand_in = scene.history.world.components["stand-in"]
    assert isinstance(stand_in, StandIn)
    hashes = dict.fromkeys(hashes_in(load("controllers.json")))
    for entry in story:
        request = fill(entry["request"], variables)
        if entry.get("sleep"):
            scene.history.run(entry["sleep"])
        response = scene.send(request)
        wanted, patience = entry.get("until") or {}, entry.get("patience", 60)
        ends = scene.history.world.now + patience * 1e9
        while scene.history.world.now < ends:
            held = response.body if isinstance(response.body, dict) else {}
            seen = {"code": response.status, **held}
            if all(dig(seen, path) == value for path, value in wanted.items()):
                break
            scene.history.run(0.2)
            response = scene.send(request)
        body = thaw(response.body)
        for name, path in (entry.get("save") or {}).items():
            variables[name] = dig(body, path)
        if entry.get("setup"):
            continue
        for path in ("/apis/apps/v1/replicasets", "/apis/apps/v1/controllerrevisions"):
            listed = scene.send({"method": "GET", "path": path}).body
            hashes |= dict.fromkeys(hashes_in(listed))
        mask = StoryMask(entry["request"], hashes)
        mask.learn(body)
        mask.generated |= stand_in.generated
        if entry.get("view") == "events":
            items = sorted(body["items"], key=lambda item: int(item["metadata"]["resourceVersion"]))
            body = {"events": [shown(item) for item in items]}
        theirs = StoryMask(entry["request"], hashes).value("", entry["response"]["body"])
        yield (
            entry["name"],
            {"code": entry["response"]["code"], "body": in_order(theirs)},
            {"code": response.status, "body": in_order(mask.value("", body))},
        )


def stories() -> dict[str, list[Any]]:
    """The recorded stories by name, each with its entries in order."""
    made: dict[str, list[Any]] = {}
    for entry in load("controllers.json"):
        made.setdefault(entry["story"], []).append(entry)
    return made
