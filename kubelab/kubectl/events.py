"""kubectl events: what has been reported, in the order of time.

In Kubernetes: k8s.io/kubectl/pkg/cmd/events.
"""

from __future__ import annotations

from typing import Any

from kubelab.api import kinds
from kubelab.api.durations import since
from kubelab.api.objects import Arr, Obj, get, namespace_of
from kubelab.kubectl import output, tabwriter
from kubelab.kubectl.errors import fail
from kubelab.kubectl.resources import kind_of
from kubelab.kubectl.session import Session
from kubelab.sim.kernel import parse_timestamp

FLAGS = "all-namespaces,A for= types=* no-headers output,o= watch,w chunk-size="
EVENT = kinds.named("v1/Event")


def last_seen(event: Obj) -> int:
    """When an Event came last, in nanoseconds."""
    series = get(event, "series", "lastObservedTime")
    found = series or event.get("lastTimestamp") or event.get("eventTime")
    found = found or get(event, "metadata", "creationTimestamp")
    return parse_timestamp(found) if found else 0


def interval(event: Obj, now_ns: int) -> str:
    """How long ago an Event came, and how often since when."""
    first = event.get("firstTimestamp") or event.get("eventTime")
    started = since(first, now_ns)
    if event.get("series"):
        last = since(get(event, "series", "lastObservedTime"), now_ns)
        return f"{last} (x{event['series'].get('count')} over {started})"
    if event.get("count", 1) > 1:
        return f"{since(event.get('lastTimestamp'), now_ns)} (x{event['count']} over {started})"
    return started


def run(session: Session, args: list[str]) -> None:
    """Runs the command."""
    flags = session.flags
    if args:
        raise fail(f'unknown command {args[0]!r} for "kubectl events"'.replace("'", '"'))
    if flags.on("watch"):
        raise fail("the built-in kubectl does not watch: nothing moves until time is told to")
    fields = _fields(session, flags.text("for")) if flags.has("for") else ""
    everywhere = flags.on("all-namespaces")
    found = session.list(EVENT, "" if everywhere else session.namespace, "", fields)
    wished = [word.lower() for given in flags.many("types") for word in given.split(",")]
    found = [event for event in found if not wished or event.get("type", "").lower() in wished]
    found.sort(key=last_seen)
    if not found:
        where = "" if everywhere else f" in {session.namespace} namespace"
        session.warn(f"No events found{where}.")
        return
    form = flags.text("output")
    if form:
        if form != "name":
            body = Obj(apiVersion="v1", kind="EventList", metadata=Obj(), items=Arr(found))
            session.out.append(output.render(body, form))
        return
    head = ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    rows = [["NAMESPACE", *head] if everywhere else head]
    rows = [] if flags.on("no-headers") else rows
    for event in found:
        row = _row(event, session.now_ns)
        rows.append([namespace_of(event), *row] if everywhere else row)
    session.out.append(tabwriter.rows(rows))


def _row(event: Obj, now_ns: int) -> list[str]:
    about: Any = event.get("involvedObject") or {}
    return [
        interval(event, now_ns), event.get("type", ""), event.get("reason", ""),
        f"{about.get('kind', '')}/{about.get('name', '')}", event.get("message", "").strip(),
    ]  # fmt: skip


def _fields(session: Session, text: str) -> str:
    word, slash, name = text.partition("/")
    if not slash:
        raise fail("--for must be in resource/name form")
    kind = kind_of(session, word)
    return (
        f"involvedObject.kind={kind.kind},involvedObject.apiVersion={kind.api_version},"
        f"involvedObject.name={name}"
    )
