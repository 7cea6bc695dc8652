"""The sentences that tell what a kubelet does.

Each is made from the event's detail alone: who acts, on what, and why.

In Kubernetes: no counterpart; the kubelet writes log lines.
"""

from __future__ import annotations

from kubelab.api.objects import Obj
from kubelab.client import sentences
from kubelab.sim.kernel import Event

# What an answer of the runtime means, by the call.
DONE = {
    "run_pod_sandbox": "the sandbox is made",
    "pod_sandbox_status": "the sandbox is ready",
    "image_status": "the image was looked up",
    "pull_image": "the image is there",
    "create_container": "the container is created",
    "start_container": "the container is started",
    "stop_container": "the container has ended",
    "stop_pod_sandbox": "the sandbox is stopped",
    "remove_container": "an old container is removed",
    "exec_sync": "the command has ended",
    "exec": "the command has ended",
    "exec_stream": "the command has ended",
    "attach": "the process that somebody is attached to has ended",
}


def tell(event: Event) -> str:
    """One sentence for an event that a kubelet handled."""
    detail = event.detail
    who = f"Kubelet {event.target.partition('/')[2]}"
    if event.verb == "watched":
        return _watched(who, detail)
    if event.verb == "probe":
        return _probe(who, detail)
    said = _did(detail)
    if event.verb == "response":
        what = f"{detail.get('method')} {detail.get('path')}"
        return f"{who} gets the answer {detail.get('code')} to {what}{said}."
    if event.verb == "cri_answered":
        call = detail.get("call", "")
        of = f" for {detail['pod']}" if detail.get("pod") else ""
        if "error" in detail:
            return f"{who} hears from its runtime that {call} has failed{of}{said}."
        return f"{who} hears that {DONE.get(call, f'{call} is done')}{of}{said}."
    pods = ", ".join(detail.get("pods", ())) or "its pods"
    where = f"{detail.get('container')} of {detail.get('pod')}"
    told = {
        "container_logs": f"is asked for the log of {where}",
        "attach_to": f"is asked for the output of {where}",
        "exec_in": f"is asked to run a command in {where}",
        "port_forward": f"hands a request on to port {detail.get('port')} of {detail.get('pod')}",
        "usage": f"tells what its {detail.get('pods')} pods use",
        "page": f"is asked for its page {detail.get('path')}",
        "forward_ports": f"is asked to forward ports of {detail.get('pod')}",
        "forward_connect": f"connects to port {detail.get('port')} inside {detail.get('pod')}",
        "stream_input": f"takes {detail.get('bytes', 0)} bytes from a client and hands them on",
        "exec_output": f"sends on {detail.get('bytes', 0)} bytes that a command has written",
        "follow": (
            "sends what is new in a log that somebody follows"
            if "lines" in detail
            else "finds that nobody follows a log any longer"
        ),
        "stream_closed": "hears that a client has left its stream",
        "start": "starts and registers its node, because nobody else does",
        "changed": f"is told that a container of {detail.get('pod')} has ended",
        "relist": f"looks at what its runtime has for {pods}",
        "wake": f"looks at {detail.get('pod')} again because its wait is over",
        "renew_lease": "renews its lease, so that everybody knows that it lives",
        "report_node": "looks at the state of its node",
        "file_changed": f"sees that the file {detail.get('file')} has changed",
        "reflect": "tries again to show its static pod to the API server",
        "shut_down": (
            f"hears that its machine goes off in {detail.get('shuts_down_in_seconds')} s, "
            "and ends its pods"
        ),
        "end_critical": "ends the critical pods, because the others have had their time",
        "refetch": f"reads the mounted configuration of {detail.get('pod')} again",
        "hook_over": f"sees that a hook of {detail.get('pod')} is over",
        "probe_timeout": f"has no answer to a probe of {detail.get('container')} in time",
        "answered": "gets the outcome of a request that it sent to a container",
    }
    if event.verb not in told:
        return sentences.heard(who, event)
    return f"{who} {told[event.verb]}{said}."


def _did(detail: Obj) -> str:
    """What was decided in the event, as the end of a sentence."""
    if "waits_for" in detail:
        return f"; the pod waits for its volumes {', '.join(detail['waits_for'])}"
    if "ends" in detail:
        return f"; it takes {detail.get('pod')} down because {detail['ends']}"
    if "waits_seconds" in detail:
        return (
            f"; {detail.get('container')} must wait {detail['waits_seconds']} s before it restarts"
        )
    if "starts" in detail:
        return f"; next it starts the container {detail['starts']}"
    if "does" in detail:
        return f"; next it {detail['does']}"
    status = detail.get("status")
    if status:
        ready = "Ready" in status.get("true", ())
        return f"; it reports {status.get('phase')}{' and Ready' if ready else ''}"
    if detail.get("reported"):
        return f"; it reports the node {'Ready' if detail.get('ready') else 'not ready'}"
    return ""


def _watched(who: str, detail: Obj) -> str:
    kind, name = detail.get("kind"), detail.get("name")
    if detail.get("arrives"):
        return (
            f"{who} sees the pod {name} with its node's name on it; nobody called it{_did(detail)}."
        )
    return f"{who} sees that {kind} {name} was {str(detail.get('type', '')).lower()}{_did(detail)}."


def _probe(who: str, detail: Obj) -> str:
    what = f"{detail.get('container')} of {detail.get('pod')}"
    if "skipped" in detail:
        return f"{who} does not ask {what} yet: {detail['skipped']}."
    head = f"{who} asks {what} ({detail.get('probe')})"
    if "outcome" not in detail:
        return f"{head} and waits for the answer."
    count = f"{detail.get('in_a_row')} in a row, threshold {detail.get('threshold')}"
    return f"{head}: {detail['outcome']}, {count}{_did(detail)}."
