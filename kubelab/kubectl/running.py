"""kubectl run with -i, --attach and --rm: a pod that is stayed with until it ends.

In Kubernetes: k8s.io/kubectl/pkg/cmd/run (handleAttachPod, getExitCode).
"""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import Obj, get, name_of, namespace_of
from kubelab.api.rest import url
from kubelab.kubectl import containers, streaming
from kubelab.kubectl.errors import Failed, fail
from kubelab.kubectl.flags import Flags, seconds
from kubelab.kubectl.session import FOREVER_SECONDS, Session


def check(flags: Flags) -> bool:
    """Whether the pod is stayed with. Raises Failed for flags that do not go together."""
    attached = flags.on("attach", default=flags.on("stdin") or flags.on("tty"))
    if flags.on("tty") and not flags.on("stdin"):
        raise fail("-i/--stdin is required for containers with -t/--tty=true")
    if flags.on("rm") and not attached:
        raise fail("--rm should only be used for attached containers")
    if attached and flags.text("dry-run") in ("client", "server", "unchanged"):
        raise fail("--dry-run=[server|client] can't be used with attached containers options "
                   "(--attach, --stdin, or --tty)")  # fmt: skip
    return attached


def input_of(flags: Flags) -> dict[str, Any]:
    """What a container has of input and terminal."""
    held: dict[str, Any] = {}
    if flags.on("stdin"):
        held["stdin"] = True
        if not flags.on("leave-stdin-open"):
            held["stdinOnce"] = True
    if flags.on("tty"):
        held["tty"] = True
    return held


def follow(session: Session, pod: Obj, restart: str) -> None:
    """Attaches to the pod, or shows its log if it has ended; at the end perhaps removes it."""
    flags, name = session.flags, name_of(pod)
    where = (streaming.POD, namespace_of(pod), name)
    try:
        limit = seconds(flags.text("pod-running-timeout", "1m"))
        state = containers.awaited(session, pod, name, limit)
        if "terminated" in state:
            containers.show_log(session, pod, name)
        else:
            containers.attach_to(session, session.get(*where), name, stay=restart == "Never")
        if restart == "Never" and not flags.on("leave-stdin-open"):
            _ended(session, where)
    finally:
        if flags.on("rm"):
            session.call("DELETE", url(*where), {"propagationPolicy": "Background"})
            session.wait(*where, lambda obj: obj is None, FOREVER_SECONDS)
            session.print(f'pod "{name}" deleted from {namespace_of(pod)} namespace')


def _ended(session: Session, where: tuple[Any, str, str]) -> None:
    """Waits for the pod's end. Raises Failed with the exit code of its container."""
    ends = ("Succeeded", "Failed")
    session.wait(*where, lambda obj: get(obj, "status", "phase") in ends, FOREVER_SECONDS)
    rows = get(session.get(*where), "status", "containerStatuses", default=())
    ended = get(rows[0], "state", "terminated", default={}) if rows else {}
    code = int(ended.get("exitCode", 0))
    if code:
        reason = ended.get("reason") or "Error"
        raise Failed(f"pod {where[1]}/{where[2]} terminated ({reason})", code)
