"""Lifecycle hooks: what a pod wants to be done when a container has started, or before it stops.

A hook is a command in the container, a request to it, or a sleep. The worker's reply gets an
Answer: ok, or failed with the reason. A hook takes as long as it takes; who started it may give it
up.

In Kubernetes: pkg/kubelet/lifecycle/handlers.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubelab.api.objects import Obj, get
from kubelab.network.payloads import HttpRequest, HttpResponse, Outcome
from kubelab.runtime.cri import Answer, ContainerStatus, ExecResult

if TYPE_CHECKING:
    from kubelab.kubelet.podworker import PodWorker


def run(
    worker: PodWorker,
    hook: Obj,
    container: Obj,
    record: ContainerStatus,
    reply: str,
    context: tuple[Any, ...] = (),
) -> None:
    """Starts a hook; `reply(answer, *context)` of the worker is told of its end."""
    kubelet = worker.kubelet
    if "exec" in hook:
        command = tuple(get(hook, "exec", "command", default=()))
        kubelet.note(hook="exec", command=" ".join(command)[:120])
        kubelet.cri(worker, reply, "exec_sync", record.id, command, context=context)
    elif "sleep" in hook:
        seconds = get(hook, "sleep", "seconds", default=0)
        kubelet.note(hook="sleep", seconds=seconds)
        kubelet.after(seconds, "hook_over", worker.uid, worker.epoch, reply, context)
    elif "httpGet" in hook or "tcpSocket" in hook:
        action = hook.get("httpGet") or hook["tcpSocket"]
        port = port_of(action.get("port"), container)
        host, path = action.get("host") or worker.ip, action.get("path") or "/"
        kubelet.note(hook="httpGet", url=f"http://{host}:{port}{path}")
        token = ("hook", worker.uid, worker.epoch, reply, context)
        request = HttpRequest("GET", host, path) if "httpGet" in hook else None
        kubelet.kernel.open(kubelet.address, host, port, "TCP", request, kubelet.name, token)
    else:
        kubelet.after(0, "hook_over", worker.uid, worker.epoch, reply, context)


def port_of(port: Any, container: Obj) -> int:
    """A port by number, or by the name that the container declares; 0 if there is none."""
    if isinstance(port, int):
        return port
    for declared in get(container, "ports", default=()):
        if declared.get("name") == port:
            return int(declared["containerPort"])
    return int(port) if str(port).isdigit() else 0


def asked(spec: Obj, ip: str, container: Obj) -> tuple[Obj, str, int]:
    """What a probe by request says, and the address and port that it asks."""
    action: Obj = spec.get("httpGet") or spec.get("tcpSocket") or spec.get("grpc") or Obj()
    return action, action.get("host") or ip, port_of(action.get("port"), container)


def outcome(result: Outcome) -> Answer:
    """The end of a hook that was a request."""
    if not result.ok:
        return Answer(False, None, result.error)
    if isinstance(result.payload, HttpResponse) and result.payload.status >= 400:
        return Answer(False, None, f"HTTP status {result.payload.status}")
    return Answer(True)


def succeeded(answer: Answer) -> bool:
    """Whether a hook did what it should."""
    if isinstance(answer.value, ExecResult):
        return answer.value.exit_code == 0
    return answer.ok
