"""kubectl logs: what containers have written.

A log that is followed is shown until the cluster has settled, or to its container's end.

In Kubernetes: k8s.io/kubectl/pkg/cmd/logs and polymorphichelpers/logsforobject.go.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kubelab.api.objects import Obj, annotations_of, name_of, namespace_of
from kubelab.api.rest import url
from kubelab.kubectl import streaming
from kubelab.kubectl.errors import fail, usage
from kubelab.kubectl.flags import seconds
from kubelab.kubectl.session import Session, quote

LOGS = (
    "container,c= follow,f previous,p tail= since= since-time= timestamps limit-bytes= "
    "all-containers selector,l= prefix all-pods max-log-requests= ignore-errors "
    "pod-running-timeout= insecure-skip-tls-verify-backend"
)
EXPECTED = (
    "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a required "
    "argument for the logs command"
)


class Source(NamedTuple):
    """A container whose log is wished."""

    pod: Obj
    container: str


def logs(session: Session, args: list[str]) -> None:
    """Runs `kubectl logs`."""
    flags = session.flags
    if len(args) > 2 or (not args and not flags.has("selector")):
        raise usage("logs", EXPECTED)
    if len(args) == 1 and flags.has("selector"):
        raise usage("logs", "only a selector (-l) or a POD name is allowed")
    query = _query(session)
    pods = _pods(session, args)
    container = args[1] if len(args) > 1 else flags.text("container")
    _validate(session, args, container)
    sources = [source for pod in pods for source in _sources(session, pod, container)]
    if flags.on("follow"):
        most = flags.number("max-log-requests", 5)
        if len(sources) > max(most, 1):
            raise fail(
                f"you are attempting to follow {len(sources)} log streams, but maximum allowed "
                f"concurrency is {most}, use --max-log-requests to increase the limit"
            )
        _follow(session, sources, query)
        return
    for source in sources:
        path = _path(source, query)
        _print(session, source, _text(session.call("GET", path, None, {"Accept": "*/*"})))


def _pods(session: Session, args: list[str]) -> list[Obj]:
    flags = session.flags
    if flags.has("selector"):
        pods: list[Obj] = session.list(streaming.POD, session.namespace, flags.text("selector"))
        if not pods:
            session.warn(f"No resources found in {session.namespace} namespace.")
        return pods
    if flags.on("all-pods") and "/" in args[0]:
        return streaming.pods_of(session, args[0])
    return [streaming.pod_of(session, args[0])]


def _validate(session: Session, args: list[str], container: str) -> None:
    flags = session.flags
    if flags.has("since-time") and flags.has("since"):
        raise fail("at most one of `sinceTime` or `sinceSeconds` may be specified")
    if flags.on("all-containers") and container:
        raise fail("--all-containers=true should not be specified with container name "
                   f"{container}")  # fmt: skip
    if flags.has("container") and len(args) == 2:
        raise fail("only one of -c or an inline [CONTAINER] arg is allowed")
    if flags.number("limit-bytes", 0) < 0:
        raise fail("--limit-bytes must be greater than 0")
    if flags.has("since") and seconds(flags.text("since")) < 0:
        raise fail("--since must be greater than 0")
    if flags.number("tail", -1) < -1:
        raise fail("--tail must be greater than or equal to -1")


def _query(session: Session) -> list[str]:
    """What is asked of each log, as parts of a query."""
    flags = session.flags
    query = [f"{name}=true" for name in ("follow", "previous", "timestamps") if flags.on(name)]
    tail = flags.text("tail", "10" if flags.has("selector") else "-1")
    if tail != "-1":
        query.append(f"tailLines={tail}")
    if flags.has("since"):
        try:
            query.append(f"sinceSeconds={round(seconds(flags.text('since')))}")
        except ValueError as error:
            given = flags.text("since")
            raise fail(f'invalid argument "{given}" for "--since" flag: {error}') from None
    if flags.has("since-time"):
        query.append(f"sinceTime={quote(flags.text('since-time'))}")
    if flags.number("limit-bytes", 0):
        query.append(f"limitBytes={flags.text('limit-bytes')}")
    return query


def _sources(session: Session, pod: Obj, container: str) -> list[Source]:
    every = streaming.containers_of(pod)
    if session.flags.on("all-containers"):
        return [Source(pod, name) for name in every]
    if container and container not in every:
        raise fail(f"container {container} is not valid for pod {name_of(pod)} out of: "
                   f"{streaming.described(pod)}")  # fmt: skip
    if not container and session.flags.has("selector"):
        plain = [one["name"] for one in pod["spec"]["containers"]]
        wished = annotations_of(pod).get(streaming.DEFAULT_CONTAINER)
        return [Source(pod, str(wished) if wished in plain else plain[0])]
    return [Source(pod, container or streaming.default_of(session, pod))]


def _path(source: Source, query: list[str]) -> str:
    path = url(streaming.POD, namespace_of(source.pod), name_of(source.pod), "log")
    return f"{path}?{'&'.join([f'container={quote(source.container)}', *query])}"


def _text(body: Any) -> str:
    return body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")


def _print(session: Session, source: Source, text: str) -> None:
    if session.flags.on("prefix"):
        head = f"[pod/{name_of(source.pod)}/{source.container}] "
        text = "".join(head + line for line in text.splitlines(keepends=True))
    if text:
        session.out.append(text)


def _follow(session: Session, sources: list[Source], query: list[str]) -> None:
    """Logs that go on: shown as far as they go, one after the other."""
    open_ones = []
    for source in sources:
        body = session.call("GET", _path(source, query), None, {"Accept": "*/*"})
        open_ones.append((source, body))
    streams = [body for _, body in open_ones if hasattr(body, "pieces")]
    if len(streams) > 1 and not hasattr(session.cluster, "settle"):
        raise fail("from afar this kubectl follows one log at a time")
    streaming.settled(session, *streams)
    for source, body in open_ones:
        if hasattr(body, "pieces"):
            _print(session, source, body.text(1))
            body.cancel()
        else:
            _print(session, source, _text(body))
