"""The kubelet view: where in its life is this pod?

A strip of stations from bound to gone, the one it stands at edged, with what it waits for and who
can end the wait; below, a lane for each container with its probes as ticks, its restarts, and the
runtime's calls. All of it is read from the events of the pod's kubelet and runtime up to the moment
shown, so a deleted pod's life can be looked at too.

In Kubernetes: `kubectl describe pod` and `crictl ps -a` show parts of the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubelab.sim.kernel import Event
from kubelab.views import strip
from kubelab.views.cursor import Cursor
from kubelab.views.view import Kind, View
from kubelab.views.words import Table, Words, plural

STATIONS = (
    "bound", "secrets, volumes", "sandbox, address", "pull", "create", "start", "ready",
    "stopping", "gone",
)  # fmt: skip
# What a runtime's answer completes.
DONE = {
    "run_pod_sandbox": "sandbox, address", "pull_image": "pull", "create_container": "create",
    "start_container": "start",
}  # fmt: skip
CALLS = ("run_pod_sandbox", "pull_image", "create_container", "start_container", "stop_container",
         "stop_pod_sandbox", "remove_pod_sandbox")  # fmt: skip
# So many events back is looked for the pod's life; so many ticks and calls are drawn.
LOOK_BACK = 60_000
TICKS, CALLS_SHOWN = 14, 8


def show(
    cluster: Any,
    pod: str = "default/client",
    *,
    by: str = "message",
    play: bool = False,
    projector: bool = False,
) -> View:
    """A pod's life on its node: stations, containers, probes, runtime calls."""
    pod = pod if "/" in pod else f"default/{pod}"
    return View(cluster, KIND, {"pod": pod}, by=by, play=play, projector=projector)


def is_about(event: Event, pod: str) -> bool:
    """Whether an event of a kubelet or runtime is about a pod."""
    if not event.target.startswith(("kubelet/", "runtime/")):
        return False
    detail = event.detail
    if detail.get("pod") == pod:
        return True
    named = f"{detail.get('namespace')}/{detail.get('name')}"
    return event.verb == "watched" and detail.get("kind") == "Pod" and named == pod


def is_stop(event: Event, by: str, options: dict[str, Any]) -> bool:
    """By message calls, probes and news; by decision what changes the pod; by outcome its status.

    The echo of the kubelet's own status writes tells nothing new and is left out.
    """
    if not is_about(event, options["pod"]):
        return False
    detail = event.detail
    if by == "outcome":
        return bool(detail.get("status"))
    echo = event.verb == "response" and detail.get("method") == "PATCH"
    heard = event.verb == "watched" and not (
        detail.get("arrives") or detail.get("ends") or detail.get("type") == "DELETED"
    )
    if echo or heard or event.verb == "changed":
        return False
    if by == "message":
        return True
    steady = event.verb in ("probe", "answered") and not detail.get("changed")
    return event.target.startswith("kubelet/") and not steady


def matters(cluster: Any, by: str, options: dict[str, Any]) -> Callable[[Event], bool]:
    """The test for the view's stops."""
    return lambda event: is_stop(event, by, options)


def frame(cluster: Any, cursor: Cursor, options: dict[str, Any]) -> dict[str, Any]:
    """What there is to see: the life of the pod as far as its node knows it at a moment."""
    pod = options["pod"]
    life = Life(pod)
    trace = cluster.trace
    for index in range(max(cursor.event - LOOK_BACK, 0), cursor.event):
        if is_about(trace[index], pod):
            life.take(trace[index])
    at = life.station
    return {
        "revision": cluster.at(event=cursor.event).revision,
        "pod": pod,
        "focus": cursor.focus,
        "node": life.node,
        "phase": life.phase,
        "address": life.address,
        "waits": life.waits,
        "station": at,
        "stations": [
            {"name": name, "state": _state(life, name, at), "event": life.done.get(name, 0)}
            for name in STATIONS
        ],
        "containers": list(life.containers.values()),
        "calls": life.calls[-CALLS_SHOWN:],
    }


def _state(life: Life, name: str, at: str) -> str:
    if name == at:
        if life.waits:
            return "failed" if life.failing else "waiting"
        return "ready" if name in life.done else "working"
    return "ready" if name in life.done else "stopped" if at == "gone" else "waiting"


class Life:
    """A pod's life, built up from the events about it in order."""

    def __init__(self, pod: str) -> None:
        self.pod = pod
        self.begin()

    def begin(self) -> None:
        """A pod arrives; what an earlier one of the same name went through is past."""
        self.node = ""
        self.phase = ""
        self.address = ""
        self.waits = ""
        self.failing = False
        self.station = ""
        # Station to the event that completed it.
        self.done: dict[str, int] = {}
        self.containers: dict[str, dict[str, Any]] = {}
        self.calls: list[dict[str, Any]] = []

    def take(self, event: Event) -> None:
        """One more event of the pod."""
        detail, verb = event.detail, event.verb
        if detail.get("arrives"):
            self.begin()
            self.node = event.target.partition("/")[2]
            self._reach("bound", event)
            self.station = "secrets, volumes"
        if verb in CALLS:
            self._call(event)
        elif verb == "cri_answered" and detail.get("call") in DONE:
            self._completed(event)
        elif detail.get("outcome"):
            self._probe(event)
        self._waiting(event)
        if detail.get("ends"):
            self.station, self.waits = "stopping", ""
        if detail.get("type") == "DELETED":
            self._reach("gone", event)
        if detail.get("status"):
            self._status(event)

    def _reach(self, name: str, event: Event) -> None:
        if name == "pull" and name in self.done:
            # An image that is there already is looked for at each try; what it waits for stays.
            return
        self.done.setdefault(name, event.id)
        self.station, self.waits, self.failing = name, "", False

    def _container(self, name: str) -> dict[str, Any]:
        return self.containers.setdefault(
            name,
            {
                "name": name, "state": "waiting", "word": "waits", "restarts": 0, "image": "",
                "ticks": {},
            },
        )  # fmt: skip

    def _waiting(self, event: Event) -> None:
        """What the pod waits for, and until when."""
        detail = event.detail
        if detail.get("does") == "makes a sandbox":
            self._reach("secrets, volumes", event)
            self.station = "sandbox, address"
        elif detail.get("waits_for") or str(detail.get("event", "")).startswith("Failed"):
            self.waits = str(detail.get("event") or f"waits for {detail['waits_for'][0]}")
            self.waits += _remedy(detail)
            seconds = detail.get("next_try_seconds") or detail.get("backoff_seconds")
            if seconds:
                self.waits += f"; next try in {seconds:g} s"
            self.failing = True

    def _call(self, event: Event) -> None:
        detail = event.detail
        self.calls.append(
            {
                "call": event.verb, "container": str(detail.get("container") or ""),
                "steps": list(detail.get("steps") or ()), "event": event.id,
            }
        )  # fmt: skip
        if event.verb == "run_pod_sandbox":
            self.station, self.address = "sandbox, address", str(detail.get("ip") or "")
        elif event.verb == "create_container":
            row = self._container(str(detail.get("container")))
            row["restarts"] = int(detail.get("attempt") or 0)
            row["image"] = str(detail.get("image") or "")
            row["state"], row["word"] = "working", "is made"
        elif event.verb == "stop_container":
            row = self._container(str(detail.get("container")))
            row["state"], row["word"] = "leaving", "is stopped"
        elif event.verb == "stop_pod_sandbox":
            self._reach("stopping", event)

    def _completed(self, event: Event) -> None:
        detail = event.detail
        if detail.get("error") or str(detail.get("event", "")).startswith("Failed"):
            self.station = DONE[detail["call"]]
            return
        self._reach(DONE[detail["call"]], event)
        self.address = str(detail.get("ip") or self.address)
        if detail["call"] == "start_container":
            for row in self.containers.values():
                if row["state"] == "working":
                    row["state"], row["word"] = "ready", "runs"

    def _probe(self, event: Event) -> None:
        detail = event.detail
        row = self._container(str(detail.get("container")))
        ticks = row["ticks"].setdefault(str(detail.get("probe")), [])
        ticks.append(
            {
                "good": detail["outcome"] == "success", "event": event.id,
                "row": detail.get("in_a_row", 0), "threshold": detail.get("threshold", 0),
            }
        )  # fmt: skip
        del ticks[:-TICKS]

    def _status(self, event: Event) -> None:
        status = event.detail["status"]
        self.phase = str(status.get("phase", ""))
        if "Ready" in (status.get("true") or ()):
            self._reach("ready", event)
        elif "ready" in self.done and self.station != "stopping":
            del self.done["ready"]
            self.station = "start"
        for name, reason in (status.get("waiting") or {}).items():
            row = self._container(name)
            row["state"] = "failed" if reason.endswith(("BackOff", "Error")) else "waiting"
            row["word"] = f"waits: {reason}"
            if row["state"] == "failed":
                self.waits, self.failing = f"container {name}: {reason}", True
        for name, reason in (status.get("ended") or {}).items():
            row = self._container(name)
            row["state"] = "stopped" if reason == "Completed" else "failed"
            row["word"] = f"has ended: {reason}"


def _remedy(detail: Any) -> str:
    """Who can end a wait."""
    about = str((detail.get("waits_for") or ("",))[0]) + str(detail.get("event") or "")
    for kind in ("Secret", "ConfigMap", "PersistentVolumeClaim"):
        if kind.lower() in about.lower():
            return "; you can create it"
    return "; you can correct the image's name" if "image" in about.lower() else ""


def words(data: dict[str, Any]) -> Words:
    """Alt text and tables."""
    if not data["node"]:
        pod = data["pod"]
        return Words(
            alt=f"No kubelet has heard of pod {pod}: it is not bound to a node yet.",
            sentence="" if data["focus"] else f"No kubelet has heard of pod {pod} yet.",
        )
    waits = f", held up: {data['waits']}" if data["waits"] else ""
    restarts = sum(row["restarts"] for row in data["containers"])
    alt = (
        f"Pod {data['pod']} on {data['node']} stands at {data['station']}{waits}. "
        f"{data['phase'] or 'No phase'}, address {data['address'] or 'none'}, "
        f"{plural(len(data['containers']), 'container')}, {plural(restarts, 'restart')}."
    )
    stations = tuple((row["name"], row["state"]) for row in data["stations"])
    lanes = tuple(
        (row["name"], row["word"], str(row["restarts"]), row["image"], said(row["ticks"]))
        for row in data["containers"]
    )
    calls = tuple((row["call"], row["container"], ", ".join(row["steps"])) for row in data["calls"])
    tables = (
        Table("Stations", ("station", "state"), stations),
        Table("Containers", ("container", "state", "restarts", "image", "probes"), lanes),
        Table("Runtime calls", ("call", "container", "steps"), calls),
    )
    return Words(alt=alt, tables=tuple(table for table in tables if table.rows))


def said(ticks: dict[str, list[dict[str, Any]]]) -> str:
    """The last probes in a few words: `liveness failed 2 of 3`."""
    out = []
    for probe, row in ticks.items():
        last = row[-1]
        word = "passes" if last["good"] else f"failed {last['row']} of {last['threshold']} in a row"
        out.append(f"{probe} {word}")
    return ", ".join(out)


def title(data: dict[str, Any]) -> str:
    """The line above the picture."""
    return f"kubelet · {data['pod']}{' on ' + data['node'] if data['node'] else ''}"


KIND = Kind("kubelet", title, frame, strip.draw, words, matters)
