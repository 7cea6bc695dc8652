"""kubectl logs, exec and what else reaches into containers, through the pod's subresources.

In Kubernetes: k8s.io/kubectl/pkg/cmd/logs, exec, attach, portforward and cp. The streams of a
terminal are left out: a command's output comes when it has ended.
"""

from __future__ import annotations

from typing import Any

from kubelab.api import kinds, selectors
from kubelab.api.errors import ApiError
from kubelab.api.objects import Obj, annotations_of, get, name_of
from kubelab.api.rest import url
from kubelab.kubectl.errors import Failed, fail, usage
from kubelab.kubectl.flags import seconds
from kubelab.kubectl.resources import kind_of, named
from kubelab.kubectl.session import Session, quote

LOGS = (
    "container,c= follow,f previous,p tail= since= since-time= timestamps limit-bytes= "
    "all-containers selector,l= prefix all-pods max-log-requests= ignore-errors "
    "pod-running-timeout="
)
EXEC = (
    "container,c= stdin,i tty,t quiet,q filename,f=* pod-running-timeout= address= no-preserve "
    "retries="
)
DEBUG = "image= target= container,c= stdin,i tty,t profile= copy-to= share-processes env=*"
POD = kinds.named("v1/Pod")
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket",
           "Sec-WebSocket-Protocol": "v5.channel.k8s.io"}  # fmt: skip
# A command that runs longer in virtual time is left.
LONGEST_SECONDS = 600
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


def logs(session: Session, args: list[str]) -> None:
    """Runs `kubectl logs`."""
    flags = session.flags
    if flags.has("selector"):
        pods = session.list(POD, session.namespace, flags.text("selector"))
    elif args:
        pods = [_pod_of(session, args[0])]
    else:
        raise usage("logs", "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or "
                    "TYPE/NAME is a required argument for the logs command")  # fmt: skip
    container = args[1] if len(args) > 1 else flags.text("container")
    for pod in pods:
        every = flags.on("all-containers")
        names = _containers(pod) if every else [container or _default(session, pod)]
        for name in names:
            _log(session, pod, name)


def _pod_of(session: Session, arg: str) -> Obj:
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
    held = get(obj, "spec", "selector") or {}
    selector = selectors.equal(held) if kind.kind == "Service" else selectors.compile_selector(held)
    pods = session.list(POD, session.namespace, str(selector))
    if not pods:
        raise fail(f"timed out waiting for the condition: no pod of {arg}")
    running = [pod for pod in pods if get(pod, "status", "phase") == "Running"]
    chosen = (running or pods)[0]
    if len(pods) > 1:
        session.warn(f"Found {len(pods)} pods, using pod/{name_of(chosen)}")
    return chosen  # type: ignore[no-any-return]


def _containers(pod: Obj) -> list[str]:
    spec = pod.get("spec") or {}
    return [
        container["name"]
        for field in ("initContainers", "containers", "ephemeralContainers")
        for container in spec.get(field) or ()
    ]


def _default(session: Session, pod: Obj) -> str:
    """The container that is meant where none is named."""
    wished = annotations_of(pod).get(DEFAULT_CONTAINER)
    names = [container["name"] for container in get(pod, "spec", "containers", default=())]
    if wished in names:
        return str(wished)
    if len(_containers(pod)) > 1:
        session.warn(f'Defaulted container "{names[0]}" out of: {_described(pod)}')
    return names[0] if names else ""


def _described(pod: Obj) -> str:
    spec = pod.get("spec") or {}
    texts = [container["name"] for container in spec.get("containers") or ()]
    texts += [f"{c['name']} (ephem)" for c in spec.get("ephemeralContainers") or ()]
    texts += [f"{c['name']} (init)" for c in spec.get("initContainers") or ()]
    return ", ".join(texts)


def _log(session: Session, pod: Obj, container: str) -> None:
    flags = session.flags
    if container not in _containers(pod):
        raise fail(f"container {container} is not valid for pod {name_of(pod)} out of: "
                   f"{_described(pod)}")  # fmt: skip
    query = [f"container={quote(container)}"]
    if flags.on("previous"):
        query.append("previous=true")
    if flags.on("timestamps"):
        query.append("timestamps=true")
    tail = flags.text("tail", "10" if flags.has("selector") else "-1")
    if not tail.startswith("-"):
        query.append(f"tailLines={tail}")
    if flags.has("since"):
        query.append(f"sinceSeconds={int(seconds(flags.text('since')))}")
    if flags.has("since-time"):
        query.append(f"sinceTime={quote(flags.text('since-time'))}")
    if flags.has("limit-bytes"):
        query.append(f"limitBytes={flags.text('limit-bytes')}")
    path = url(POD, session.namespace, name_of(pod), "log")
    text = _text(session.call("GET", f"{path}?{'&'.join(query)}", None, {"Accept": "*/*"}))
    if flags.on("prefix"):
        head = f"[pod/{name_of(pod)}/{container}] "
        text = "".join(head + line for line in text.splitlines(keepends=True))
    session.out.append(text)


def _text(body: Any) -> str:
    return body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")


def execute(session: Session, args: list[str]) -> None:
    """Runs `kubectl exec`."""
    flags = session.flags
    command = flags.rest or []
    if not args:
        raise usage("exec", "pod, type/name or --filename must be specified")
    if not command:
        raise usage("exec", "you must specify at least one command for the container")
    pod = _found(session, args[0])
    if flags.on("tty"):
        session.warn("Unable to use a TTY - input is not a terminal or the right kind of file")
    if get(pod, "status", "phase") in ("Succeeded", "Failed"):
        raise fail("cannot exec into a container in a completed pod; current phase is "
                   f"{pod['status']['phase']}")  # fmt: skip
    container = flags.text("container") or _default(session, pod)
    query = [f"command={quote(word)}" for word in command]
    query += [f"container={quote(container)}", "stdout=true", "stderr=true"]
    if flags.on("stdin"):
        query.append("stdin=true")
    path = url(POD, session.namespace, name_of(pod), "exec")
    _talk(session, f"{path}?{'&'.join(query)}")


def _talk(session: Session, path: str) -> None:
    """A command over an upgraded connection: its output, and its exit code."""
    response = session.cluster.request("GET", path, None, UPGRADE)
    if not response.ok:
        raise ApiError(response.body)
    stream = response.body
    if not hasattr(stream, "pieces"):
        raise fail("this server is too far away for streams; use a real kubectl")
    if session.flags.on("stdin"):
        stream.write(session.stdin, end=True)
    over = stream.wait(LONGEST_SECONDS)
    session.out.append(stream.text(1))
    if stream.text(2):
        session.err.append(stream.text(2))
    ends = [data for channel, data in stream.pieces if channel == 3]
    stream.cancel()
    if not over or not ends:
        raise fail(f"the command has not ended within {LONGEST_SECONDS} s")
    if ends[0].get("reason") == "NonZeroExitCode":
        code = int(ends[0]["details"]["causes"][0]["message"])
        raise Failed(f"command terminated with exit code {code}", code)
    if ends[0].get("status") != "Success":
        raise fail(ends[0].get("message", ""))


def _found(session: Session, arg: str) -> Obj:
    """The pod of an argument; the server's own words where it is not there."""
    if "/" in arg:
        target = named(session, [arg])[0]
        session.get(target.kind, target.namespace, target.name)
        return _pod_of(session, arg)
    return session.get(POD, session.namespace, arg)


def _beyond(session: Session, args: list[str], what: str) -> None:
    if args:
        _found(session, args[0].partition(":")[0])
    raise fail(f"the built-in kubectl does not {what}; use a real kubectl on `kubelab serve`")


def attach(session: Session, args: list[str]) -> None:
    """Refuses `kubectl attach`."""
    _beyond(session, args, "attach to containers")


def port_forward(session: Session, args: list[str]) -> None:
    """Refuses `kubectl port-forward`."""
    _beyond(session, args, "forward ports")


def copy(session: Session, args: list[str]) -> None:
    """Refuses `kubectl cp`."""
    _beyond(session, [arg for arg in args if ":" in arg][:1], "copy files")


def debug(session: Session, args: list[str]) -> None:
    """Refuses `kubectl debug`."""
    _beyond(session, args, "add debugging containers")
