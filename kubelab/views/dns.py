"""The DNS view: which question found it?

The pod's resolv.conf on the left, the ladder of full names tried in the middle, on the right who
answered and where the answer comes from; below, the way of the question's packet, hop by hop. A
lookup is one event and all that follows from it, so a step is an event of that tree; by decision it
is one question with its reply. Where a packet ends without an answer, the picture shows the place.

In Kubernetes: `kubectl exec POD -- cat /etc/resolv.conf`, `dig +search +showsearch NAME`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubelab.api.objects import EMPTY
from kubelab.network import resolvconf
from kubelab.sim.kernel import Event
from kubelab.views import ladder, roles
from kubelab.views.cursor import Cursor
from kubelab.views.facts import find
from kubelab.views.palette import label_of
from kubelab.views.view import Kind, View
from kubelab.views.words import Table, Words, listed, plural

MILESTONES = ("lookup", "answered", "resolved")
HOPS = 10


def show(
    cluster: Any,
    name: str | None = None,
    *,
    pod: str = "default/client",
    type: str = "A",
    by: str = "message",
    play: bool = False,
    projector: bool = False,
) -> View:
    """A name's lookup from a pod, question by question; without a name, whatever is looked up."""
    pod = pod if "/" in pod else f"default/{pod}"
    return View(
        cluster,
        KIND,
        {"name": name, "pod": pod, "type": type.upper(), "hide": play},
        by=by,
        play=play,
        projector=projector,
    )


class Lookups:
    """Says which events belong to lookups of one name from one pod: a tree below `lookup`."""

    def __init__(self, cluster: Any, by: str, options: dict[str, Any]) -> None:
        self.trace = cluster.trace
        self.by = by
        self.options = options
        # Event id to the event that began the lookup.
        self.members: dict[int, int] = {}

    def __call__(self, event: Event) -> bool:
        if event.verb == "lookup" and event.target.startswith("resolver/"):
            if not self._wanted(event):
                return False
            self.members[event.id] = event.id
            return True
        root = self.members.get(event.cause or 0)
        if root is None:
            return False
        if event.verb == "resolved":
            return True
        self.members[event.id] = root
        return self.by == "message" or event.verb in MILESTONES

    def _wanted(self, event: Event) -> bool:
        options = self.options
        if options.get("name") is None:
            return True
        asker = asker_of(self.trace, event)
        return event.detail.get("name") == options["name"] and asker in (options["pod"], "")


def matters(cluster: Any, by: str, options: dict[str, Any]) -> Callable[[Event], bool]:
    """The events of the lookups that the view is about."""
    return Lookups(cluster, by, options)


def asker_of(trace: Any, lookup: Event) -> str:
    """The pod in which the program runs that looks a name up."""
    if not lookup.cause:
        return ""
    return str(trace[lookup.cause - 1].detail.get("pod") or "")


def ask(cluster: Any, options: dict[str, Any]) -> None:
    """Starts a lookup, as a program in the pod; stepping on shows how it goes."""
    pod, name = options["pod"], options.get("name")
    if name is None:
        raise ValueError('say which name to look up: views.dns(c, "web")')
    _, _, node = cluster.whereabouts(pod)
    token = -cluster.world.seq - 1
    cluster.history.inject(
        f"tools/{node}", "resolve", "you", token, pod, "", EMPTY, name, options["type"]
    )


def frame(cluster: Any, cursor: Cursor, options: dict[str, Any]) -> dict[str, Any]:
    """What there is to see: resolv.conf, the questions so far, the packet's way."""
    trace = cluster.trace
    moment = cluster.at(event=cursor.event)
    root = _root(trace, cursor.focus)
    data: dict[str, Any] = {
        "revision": moment.revision,
        "name": options.get("name") or "",
        "pod": options["pod"],
        "type": options["type"],
        "asked": root is not None,
        "focus": cursor.focus,
        "questions": [],
        "hops": [],
        "servers": _servers(moment),
        "result": "",
        "answers": [],
    }
    if root is not None:
        data["name"], data["type"] = root.detail["name"], root.detail["type"]
        data["pod"] = asker_of(trace, root) or options["pod"]
        data |= _so_far(trace, root, cursor.focus, bool(options.get("hide")))
    data |= _conf(find(moment, "Pod", data["pod"]), data["name"])
    return data


def _root(trace: Any, focus: int) -> Event | None:
    """The lookup to which an event belongs."""
    event: Event | None = trace[focus - 1] if focus else None
    while event is not None and event.verb != "lookup":
        event = trace[event.cause - 1] if event.cause else None
    return event


def _conf(pod: Any, name: str) -> dict[str, Any]:
    """The pod's resolv.conf and what it means for this name."""
    conf = resolvconf.resolv_conf(pod).conf if pod is not None else EMPTY
    ndots = next(
        (
            option.partition(":")[2]
            for option in conf.get("options", ())
            if option.startswith("ndots:")
        ),
        "1",
    )
    return {
        "file": resolvconf.render(conf).splitlines()
        if pod is not None
        else ["the pod is not there"],
        "dots": name.rstrip(".").count("."),
        "ndots": int(ndots or 1),
        "absolute": name.endswith("."),
    }


def _servers(moment: Any) -> list[dict[str, Any]]:
    """The CoreDNS pods, and whether they are ready."""
    out = []
    for pod in moment.list("Pod", "kube-system"):
        if (pod["metadata"].get("labels") or {}).get("k8s-app") != "kube-dns":
            continue
        conditions = (pod.get("status") or {}).get("conditions") or ()
        ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
        out.append({"name": pod["metadata"]["name"], "ready": ready})
    return out


def _so_far(trace: Any, root: Event, focus: int, hide: bool) -> dict[str, Any]:
    """The questions of a lookup as they stand after an event of it."""
    members = {root.id: None}
    questions: list[dict[str, Any]] = []
    hops: list[dict[str, Any]] = []
    out: dict[str, Any] = {"result": "", "answers": [], "found": root.detail.get("found", "")}
    candidates = list(root.detail.get("candidates") or ())
    types = ["A", "AAAA"] if root.detail["type"] == "A+AAAA" else [root.detail["type"]]
    if candidates:
        questions += _asked(candidates[0], types)
    for index in range(root.id, focus):
        event = trace[index]
        if event.cause not in members:
            continue
        members[event.id] = None
        detail = event.detail
        if event.target.startswith("kernel/"):
            hops += _hops(event)
        elif event.target.startswith("coredns/"):
            hops.append(_server_hop(event))
        elif event.verb == "answered" and detail.get("rcode"):
            _close(questions, event)
            if detail.get("next"):
                hops = []
                questions += _asked(detail["next"], types)
            elif detail.get("again"):
                hops = []
                questions += _asked(detail["name"], types, detail["again"])
            if detail.get("result"):
                out["result"] = detail["result"]
                out["answers"] = [row for question in questions for row in question["answers"]]
        elif event.verb == "resolved":
            break
    if root.detail.get("found"):
        out["result"] = "NOERROR"
    tried = [row["name"] for row in questions]
    rest = [name for name in candidates if name not in tried] if not out["result"] else []
    if not hide:
        questions += [{**row, "state": "not yet"} for name in rest for row in _asked(name, types)]
    return {**out, "questions": questions, "hops": hops[-HOPS:]}


def _asked(name: str, types: list[str], server: str = "") -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "type": type_,
            "state": "asked",
            "rcode": "",
            "server": server,
            "origin": "",
            "answers": [],
            "record": "",
            "event": 0,
        }
        for type_ in types
    ]


def _close(questions: list[dict[str, Any]], event: Event) -> None:
    """The reply to a question goes into its row."""
    detail = event.detail
    for row in questions:
        if row["state"] == "asked" and (row["name"], row["type"]) == (
            detail["name"],
            detail["type"],
        ):
            row.update(
                state="answered",
                rcode=detail["rcode"],
                server=detail.get("server", ""),
                origin=detail.get("origin") or "",
                answers=list(detail.get("answers") or ()),
                event=event.id,
            )
            return


def _hops(event: Event) -> list[dict[str, Any]]:
    """What a node's kernel did with a packet: the rules that matched, then where it went."""
    detail = event.detail
    node = event.target.partition("/")[2]
    rows = []
    for chain, rule, before, after in detail.get("rules") or ():
        if before != after:
            rows.append(
                {
                    "where": node,
                    "what": chain,
                    "text": f"{before}  →  {after}",
                    "actor": "proxy",
                    "event": event.id,
                    "bad": False,
                    "rule": rule,
                }
            )
    verdict = detail.get("verdict", "")
    ends = detail.get("packet", "")
    bad = verdict in ("lost", "refused", "rejected", "dropped", "timeout")
    if verdict == "forwarded":
        text = f"{ends}  to {str(detail.get('to', '')).partition('/')[2]}"
    elif bad:
        text = f"{ends or detail.get('client', '')}: {detail.get('why') or 'no answer in time'}"
    else:
        text = f"{ends}  {('to ' + detail['to']) if detail.get('to') else ''}".rstrip()
    rows.append(
        {
            "where": node,
            "what": verdict or event.verb,
            "text": text,
            "actor": "kubelet",
            "event": event.id,
            "bad": bad,
            "rule": "",
        }
    )
    return rows


def _server_hop(event: Event) -> dict[str, Any]:
    detail = event.detail
    rows = list(detail.get("answers") or ())
    said = listed([row.partition(" ")[2] for row in rows]) if rows else detail.get("rcode", "")
    origin = f" from {detail['origin']}" if detail.get("origin") else ""
    refused = bool(detail.get("refused"))
    text = "is stopped" if refused else f"{said or 'asks the server outside'}{origin}"
    return {
        "where": label_of(event.target),
        "what": "reply" if said else "question",
        "text": text,
        "actor": "dns",
        "event": event.id,
        "bad": refused,
        "rule": "",
    }


def words(data: dict[str, Any]) -> Words:
    """Alt text and tables."""
    name, pod = data["name"] or "a name", data["pod"]
    ready = sum(server["ready"] for server in data["servers"])
    if not data["asked"]:
        return Words(
            alt=f"{name} was not looked up from {pod} yet. {plural(ready, 'CoreDNS pod')} ready.",
            sentence=f"Nobody in {pod} has looked up {name} yet. Press Step to ask.",
        )
    done = [row for row in data["questions"] if row["state"] == "answered"]
    alt = f"Lookup of {data['type']} {name} from {pod}: {plural(len(done), 'question')} answered"
    if data["result"]:
        said = listed([row.partition(" ")[2] for row in data["answers"]])
        alt += f"; result {data['result']}" + (f", {said}." if data["answers"] else ".")
    else:
        alt += ", the next one is under way."
    questions = tuple(
        (
            row["name"],
            row["type"],
            row["rcode"] or row["state"],
            listed([a.partition(" ")[2] for a in row["answers"]]) if row["answers"] else "",
            row["origin"],
        )
        for row in data["questions"]
    )
    hops = tuple((hop["where"], hop["what"], hop["text"]) for hop in data["hops"])
    tables = (
        Table("Questions", ("full name", "type", "reply", "answers", "answered by"), questions),
        Table("The packet's way", ("where", "what", "addresses"), hops),
    )
    return Words(alt=alt, tables=tuple(table for table in tables if table.rows))


def title(data: dict[str, Any]) -> str:
    """The line above the picture."""
    return f"dns · {data['name'] or 'any name'} from {data['pod']}"


def inputs(data: dict[str, Any], options: dict[str, Any]) -> list[dict[str, Any]]:
    """What to look up, and from where."""
    return [
        {"type": "text", "name": "name", "label": "Name", "value": data["name"]},
        {"type": "choice", "name": "type", "label": "Type", "value": options["type"],
         "options": ["A", "AAAA", "SRV", "PTR", "CNAME"]},
        {"type": "text", "name": "pod", "label": "From pod", "value": options["pod"]},
    ]  # fmt: skip


def use(view: View, name: str, value: str) -> View:
    """Looks at another lookup; Ask then asks."""
    if name not in ("name", "type", "pod"):
        raise ValueError(f"the DNS view has no input {name!r}")
    if name == "pod" and "/" not in value:
        value = f"default/{value}"
    return view.change(**{name: value.strip() or None})


KIND = Kind(
    "dns", title, frame, ladder.draw, words, matters, action=("Ask", ask), inputs=inputs, use=use,
    play=roles.RESOLVER,
)  # fmt: skip
