"""Which pod and container a command means, and the streams that lead into them.

A stream is what the cluster answers to an upgraded request: it has the pieces that have come, and
takes input (`Cluster.request`, or `remote.py` for a server far away). In this process nothing moves
by itself: a command that would go on for ever is shown until the cluster has settled.

In Kubernetes: k8s.io/kubectl/pkg/polymorphichelpers and pkg/cmd/util/podcmd.
"""

from __future__ import annotations

from typing import Any

from kubelab.api import kinds, selectors
from kubelab.api.errors import ApiError
from kubelab.api.objects import Obj, annotations_of, get, name_of, namespace_of
from kubelab.api.rest import url
from kubelab.kubectl.errors import Failed, fail
from kubelab.kubectl.resources import kind_of, named
from kubelab.kubectl.session import Session, quote

POD = kinds.named("v1/Pod")
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket"}
NEWEST, PORTS = "v5.channel.k8s.io", "v4.channel.k8s.io"
# A command that runs longer in virtual time is left.
LONGEST_SECONDS = 600
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
FIELDS = ("initContainers", "containers", "ephemeralContainers")


def pod_of(session: Session, arg: str) -> Obj:
    """The pod that is meant by name, or the first one of a workload."""
    word, slash, name = arg.partition("/")
    kind = kind_of(session, word) if slash else POD
    try:
        obj = session.get(kind, session.namespace, name if slash else arg)
        if kind.kind == "Pod":
            return obj
    except ApiError as error:
        if error.code == 404:
            text = error.status.get("message", "")
            raise fail(
                f'error from server (NotFound): {text} in namespace "{session.namespace}"'
            ) from None
        raise
    pods = _selected(session, obj)
    if not pods:
        raise fail(f"timed out waiting for the condition: no pod of {arg}")
    running = [pod for pod in pods if get(pod, "status", "phase") == "Running"]
    best = (running or pods)[0]
    if len(pods) > 1:
        session.warn(f"Found {len(pods)} pods, using pod/{name_of(best)}")
    return best


def _selected(session: Session, obj: Obj) -> list[Obj]:
    """The pods that a workload or a service selects."""
    held = get(obj, "spec", "selector") or {}
    plain = obj["kind"] in ("Service", "ReplicationController")
    selector = selectors.equal(held) if plain else selectors.compile_selector(held)
    pods: list[Obj] = session.list(POD, session.namespace, str(selector))
    return pods


def pods_of(session: Session, arg: str) -> list[Obj]:
    """All pods of a workload."""
    target = named(session, [arg])[0]
    return _selected(session, session.get(target.kind, target.namespace, target.name))


def containers_of(pod: Obj) -> list[str]:
    spec = pod.get("spec") or {}
    return [container["name"] for field in FIELDS for container in spec.get(field) or ()]


def default_of(session: Session, pod: Obj) -> str:
    """The container that is meant where none is named."""
    wished = annotations_of(pod).get(DEFAULT_CONTAINER)
    names = [container["name"] for container in get(pod, "spec", "containers", default=())]
    if wished in names:
        return str(wished)
    if len(containers_of(pod)) > 1:
        session.warn(f'Defaulted container "{names[0]}" out of: {described(pod)}')
    return names[0] if names else ""


def described(pod: Obj) -> str:
    spec = pod.get("spec") or {}
    texts = [container["name"] for container in spec.get("containers") or ()]
    texts += [f"{c['name']} (ephem)" for c in spec.get("ephemeralContainers") or ()]
    texts += [f"{c['name']} (init)" for c in spec.get("initContainers") or ()]
    return ", ".join(texts)


def found(session: Session, arg: str) -> Obj:
    """The pod of an argument; the server's own words where it is not there."""
    if "/" in arg:
        target = named(session, [arg])[0]
        session.get(target.kind, target.namespace, target.name)
        return pod_of(session, arg)
    return session.get(POD, session.namespace, arg)


def chosen(session: Session, pod: Obj, *, doing: str = "") -> str:
    """The container that is meant, by the flag or by default; `doing` stands before a failure."""
    asked = session.flags.text("container")
    if asked and asked not in containers_of(pod):
        raise fail(f"{doing}container {asked} is not valid for pod {name_of(pod)} out of: "
                   f"{described(pod)}")  # fmt: skip
    return asked or default_of(session, pod)


def opened(session: Session, pod: Obj, door: str, query: list[str], protocol: str = NEWEST) -> Any:
    """A stream into a pod. Raises ApiError."""
    path = url(POD, namespace_of(pod), name_of(pod), door)
    headers = {**UPGRADE, "Sec-WebSocket-Protocol": protocol}
    response = session.cluster.request("GET", f"{path}?{'&'.join(query)}", None, headers)
    if not response.ok:
        if isinstance(response.body, Obj):
            raise ApiError(response.body)
        raise fail(f"unable to upgrade connection: {str(response.body).strip()}")
    return response.body


def asking(command: list[str], container: str, stdin: bool) -> list[str]:
    """The query of a command, or of attaching."""
    query = [f"command={quote(word)}" for word in command]
    query += [f"container={quote(container)}", "stdout=true", "stderr=true"]
    return [*query, "stdin=true"] if stdin else query


def settled(session: Session, *streams: Any) -> None:
    """Lets time pass until streams are over, or nothing is to be expected any more."""
    cluster = session.cluster
    if hasattr(cluster, "settle"):
        cluster.settle()
    else:
        for stream in streams:
            stream.wait(LONGEST_SECONDS)


def status_of(stream: Any) -> Any:
    """The Status at the end of a stream; None while it goes on."""
    return next((data for channel, data in reversed(stream.pieces) if channel == 3), None)


def finish(session: Session, stream: Any) -> None:
    """Prints what a command has written. Raises Failed with its exit code."""
    session.out.append(stream.text(1))
    if stream.text(2):
        session.err.append(stream.text(2))
    status = status_of(stream)
    stream.cancel()
    if status is None:
        raise fail(f"the command has not ended within {LONGEST_SECONDS} s")
    if status.get("reason") == "NonZeroExitCode":
        code = int(status["details"]["causes"][0]["message"])
        raise Failed(f"command terminated with exit code {code}", code)
    if status.get("status") != "Success":
        raise fail(status.get("message", ""))


def run_in(
    session: Session, pod: Obj, container: str, command: list[str], stdin: str | None = None
) -> tuple[str, Any]:
    """Runs a command for kubectl's own use: its output, and its Status."""
    stream = opened(session, pod, "exec", asking(command, container, stdin is not None))
    if stdin is not None:
        stream.write(stdin, end=True)
    stream.wait(LONGEST_SECONDS)
    status, text = status_of(stream) or {}, stream.text(1)
    if stream.text(2):
        session.err.append(stream.text(2))
    stream.cancel()
    return text, status
