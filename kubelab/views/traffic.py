"""The traffic view: how did this packet get to that pod?

A request is one event of a program in a pod and all that follows from it: the name is looked up,
the node's rules are gone through, a pod answers. Each rule that matched is a part of its own, with
the addresses before and after. The proxy program stands off the path: it has written the rules, no
packet passes through it. Bars count which endpoint has answered so far.

In Kubernetes: `iptables-save`, `conntrack -L` and a packet dump on the node show the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from kubelab.api.objects import EMPTY, get
from kubelab.sim.kernel import Event
from kubelab.views import roles, route, sweeps
from kubelab.views.causes import since
from kubelab.views.cursor import Cursor
from kubelab.views.palette import label_of
from kubelab.views.view import Kind, View
from kubelab.views.words import Table, Words, plural

PROGRAMS = ("curl", "connect")
BAD = ("lost", "refused", "rejected", "dropped", "timeout", "denied")
# So many events back is looked for answers to count and for who wrote the rules.
LOOK_BACK = 60_000
HUNDRED = 100
_CHANCE = re.compile(r"--probability ([0-9.]+)")
_ENDPOINT = re.compile(r'--comment "[^"]* -> ([^"]+)"')


def show(
    cluster: Any,
    pod: str = "default/client",
    url: str | None = None,
    protocol: str = "TCP",
    *,
    by: str = "message",
    play: bool = False,
    projector: bool = False,
) -> View:
    """A request from a pod, hop by hop; without a URL, whatever that pod's programs send."""
    pod = pod if "/" in pod else f"default/{pod}"
    protocol = protocol.upper()
    if protocol not in ("TCP", "UDP", "SCTP"):
        raise ValueError(f"protocol {protocol!r}: there are TCP, UDP and SCTP")
    return View(
        cluster,
        KIND,
        {"pod": pod, "url": url, "protocol": protocol},
        by=by,
        play=play,
        projector=projector,
    )


def place_of(url: str) -> tuple[str, int]:
    """Host and port of a URL or of `host:port`."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


class Requests:
    """Says which events belong to requests of one pod: a tree below `curl` or `connect`."""

    def __init__(self, cluster: Any, by: str, options: dict[str, Any]) -> None:
        self.by = by
        self.options = options
        # Event id to whether it belongs to the name's lookup, which is told as one step.
        self.members: dict[int, bool] = {}

    def __call__(self, event: Event) -> bool:
        if event.verb in PROGRAMS and event.target.startswith("tools/"):
            if not self._wanted(event):
                return False
            self.members[event.id] = False
            return True
        naming = self.members.get(event.cause or 0)
        if naming is None or event.verb == "finished":
            return False
        if event.verb == "lookup":
            naming = True
        elif event.verb == "resolved" and event.target.startswith("tools/"):
            naming = False
        self.members[event.id] = naming
        if naming:
            return self.by == "message" and event.verb == "lookup"
        return self.by == "message" or event.verb in ("resolved", "transmit", "answered")

    def _wanted(self, event: Event) -> bool:
        detail, url = event.detail, self.options.get("url")
        if detail.get("pod") != self.options["pod"]:
            return False
        if url is None or detail.get("url") == url:
            return True
        return event.verb == "connect" and place_of(url) == (detail.get("host"), detail.get("port"))


def matters(cluster: Any, by: str, options: dict[str, Any]) -> Callable[[Event], bool]:
    """The events of the requests that the view is about."""
    return Requests(cluster, by, options)


def parts(cluster: Any, event: Event, options: dict[str, Any]) -> int:
    """Each rule that matched is a part, and what became of the packet is the last."""
    rules = event.detail.get("rules") or ()
    return len(rules) + 1 if event.target.startswith("kernel/") else 1


def send(cluster: Any, options: dict[str, Any]) -> None:
    """Starts the request, as a program in the pod; stepping on shows how it goes."""
    pod, url, protocol = options["pod"], options.get("url"), options["protocol"]
    if url is None:
        raise ValueError('say what to request: views.traffic(c, "client", "http://web/")')
    _, _, node = cluster.whereabouts(pod)
    head = (f"tools/{node}", "you", -cluster.world.seq - 1, pod, "", EMPTY)
    if protocol == "TCP":
        cluster.history.inject(head[0], "curl", *head[1:], url)
    else:
        cluster.history.inject(head[0], "connect", *head[1:], *place_of(url), protocol)


def frame(cluster: Any, cursor: Cursor, options: dict[str, Any]) -> dict[str, Any]:
    """What there is to see: the hops so far, the endpoints, who wrote the rules."""
    trace = cluster.trace
    moment = cluster.at(event=cursor.event)
    root = _root(trace, cursor.focus)
    data: dict[str, Any] = {
        "revision": moment.revision,
        "pod": options["pod"],
        "url": options.get("url") or "",
        "focus": cursor.focus,
        "sent": root is not None,
        "host": "",
        "name": "",
        "address": "",
        "hops": [],
        "end": "",
        "answered_by": "",
        "node": "",
        "proxy": None,
        "service": "",
        "services": [],
        "endpoints": [],
    }
    if root is None:
        return data
    node = root.target.partition("/")[2]
    data |= {"node": node, "proxy": _written(trace, cursor.event, node)}
    data["url"] = str(root.detail.get("url") or _target(root))
    data["host"] = str(root.detail.get("host") or place_of(data["url"])[0])
    data |= _so_far(trace, root, cursor)
    data |= _endpoints(moment, data["address"])
    data["services"] = [
        f"{svc['metadata']['namespace']}/{svc['metadata']['name']}"
        for svc in moment.list("Service")
    ]
    counts = _answers(trace, cursor.event, data["host"])
    for row in data["endpoints"]:
        row["count"] = counts.get(row["name"], 0)
    return data


def _target(root: Event) -> str:
    return f"{root.detail.get('host')}:{root.detail.get('port')}"


def _root(trace: Any, focus: int) -> Event | None:
    """The program's run to which an event belongs."""
    event: Event | None = trace[focus - 1] if focus else None
    while event is not None and event.verb not in PROGRAMS:
        event = trace[event.cause - 1] if event.cause else None
    return event


def _so_far(trace: Any, root: Event, cursor: Cursor) -> dict[str, Any]:
    """The hops of a request as they stand at a part of an event of it."""
    out: dict[str, Any] = {"address": root.detail.get("connects", ""), "hops": []}
    members = {root.id: False}
    for index in range(root.id, cursor.focus):
        event = trace[index]
        naming = members.get(event.cause or 0)
        if naming is None:
            continue
        detail = event.detail
        if event.verb == "lookup":
            naming = True
            out["name"] = f"looks up {detail.get('name')}"
        elif event.verb == "resolved" and event.target.startswith("tools/"):
            naming = False
            out["address"] = detail.get("connects", "")
            out["name"] = f"DNS: {out['address'] or detail.get('rcode', 'no answer')}"
            out["end"] = "" if out["address"] else f"no address: {detail.get('rcode', '')}"
        members[event.id] = naming
        if naming or event.verb in ("lookup", "resolved", "finished"):
            continue
        shown = cursor.part if event.id == cursor.focus else None
        if event.target.startswith("kernel/"):
            out["hops"] += _hops(event, shown)
        elif event.verb == "received":
            out["hops"].append(_answer(event))
        elif event.verb == "answered" and event.target.startswith("tools/"):
            error, status = detail.get("error"), detail.get("status")
            out["answered_by"] = detail.get("answered_by") or ""
            out["end"] = str(error or (f"answer {status}" if status else "an answer"))
            out["failed"] = bool(error)
    return out


def _hops(event: Event, shown: int | None) -> list[dict[str, Any]]:
    """What a node's kernel did with a packet; `shown` counts the rules that are told so far."""
    detail = event.detail
    node = event.target.partition("/")[2]
    rules = list(detail.get("rules") or ())
    rows: list[dict[str, Any]] = []
    for at, (chain, rule, before, after) in enumerate(rules):
        if shown is not None and at > shown:
            return rows
        chance = _CHANCE.search(rule)
        leads = _ENDPOINT.search(rule)
        rows.append(
            {
                "where": node, "what": chain, "rule": rule, "before": before, "after": after,
                "actor": "proxy", "event": event.id, "bad": " REJECT" in rule or " DROP" in rule,
                "chance": round(1 / float(chance[1])) if chance else 0,
                "leads": leads[1] if leads else "",
            }
        )  # fmt: skip
    if shown is not None and shown < len(rules):
        return rows
    verdict = str(detail.get("verdict") or event.verb)
    bad = verdict in BAD
    packet = str(detail.get("packet") or detail.get("client") or "")
    to = str(detail.get("to") or "")
    text = {"forwarded": f"on to {to.partition('/')[2] or to}", "delivered": f"into pod {to}",
            "answered": "back to the program"}.get(verdict, verdict)  # fmt: skip
    if bad:
        text = f"{verdict}: {detail.get('why') or 'no answer in time'}"
    rows.append(
        {
            "where": node, "what": text, "rule": "", "before": packet, "after": packet,
            "actor": "kubelet", "event": event.id, "bad": bad, "chance": 0, "leads": "",
        }
    )  # fmt: skip
    return rows


def _answer(event: Event) -> dict[str, Any]:
    detail = event.detail
    where = str(detail.get("pod") or event.target.partition("/")[2])
    packet = str(detail.get("packet") or "")
    said = detail.get("answer") or detail.get("rcode") or detail.get("why") or "answers"
    return {
        "where": where.rpartition("/")[2], "what": f"pod answers {said}", "rule": "",
        "before": packet, "after": packet, "actor": "kubelet", "event": event.id,
        "bad": detail.get("verdict") in BAD, "chance": 0, "leads": "",
    }  # fmt: skip


def _written(trace: Any, event: int, node: str) -> dict[str, Any] | None:
    """When the node's proxy last changed its rules."""
    name = f"kube-proxy/{node}"
    for index in range(event - 1, max(event - LOOK_BACK, 0) - 1, -1):
        item = trace[index]
        if item.target == name and item.verb == "sync" and item.detail.get("changed"):
            return {"event": item.id, "clock": since(item.ns - trace[0].ns)}
    return None


def _endpoints(moment: Any, address: str) -> dict[str, Any]:
    """The Service that has an address, and the pods behind it."""
    for service in moment.list("Service"):
        if not address or get(service, "spec", "clusterIP") != address:
            continue
        metadata = service["metadata"]
        rows = []
        for slice_ in moment.list("EndpointSlice", metadata["namespace"]):
            labels = slice_["metadata"].get("labels") or {}
            if labels.get("kubernetes.io/service-name") != metadata["name"]:
                continue
            for item in slice_.get("endpoints") or ():
                ready = get(item, "conditions", "ready", default=True) is not False
                name = get(item, "targetRef", "name", default="")
                space = get(item, "targetRef", "namespace", default=metadata["namespace"])
                at = (item.get("addresses") or [""])[0]
                rows.append({"name": f"{space}/{name}", "address": at, "ready": ready, "count": 0})
        rows.sort(key=lambda row: row["name"])
        return {"service": f"{metadata['namespace']}/{metadata['name']}", "endpoints": rows}
    return {"service": "", "endpoints": []}


def _answers(trace: Any, event: int, host: str) -> dict[str, int]:
    """How often each pod has answered requests to a host, up to a moment."""
    counts: dict[str, int] = {}
    for index in range(event - 1, max(event - LOOK_BACK, 0) - 1, -1):
        item = trace[index]
        if item.verb == "answered" and item.target.startswith("tools/"):
            who = item.detail.get("answered_by")
            if who and item.detail.get("host") == host:
                counts[who] = counts.get(who, 0) + 1
    return counts


def sentence(data: dict[str, Any]) -> str:
    """The sentence of the part shown; empty where the event's own says it best."""
    hops = data["hops"]
    last = hops[-1] if hops else None
    if last is None or last["event"] != data["focus"] or not last["rule"]:
        return ""
    where = f"The rule in {last['what']} on {last['where']}"
    if last["bad"]:
        return f"{where} turns the packet away; no endpoint can take it."
    if last["before"] != last["after"]:
        place = last["after"].rpartition(" > ")[2]
        if last["what"] == "conntrack":
            return f"{where} gives the packet the address that its connection has had before."
        return f"{where} rewrites the destination to {place}; the client does not notice."
    if last["leads"]:
        chance = f" (chance 1 in {last['chance']} of the rest)" if last["chance"] else ""
        return f"{where} chooses {last['leads']}{chance}."
    return f"{where} matches the Service's address and port."


def words(data: dict[str, Any]) -> Words:
    """Alt text, sentence and tables."""
    pod, url = data["pod"], data["url"] or "anything"
    if not data["sent"]:
        said = f"Nobody in {pod} has requested {url} yet. Press Step to send it."
        return Words(alt=f"{pod} has not requested {url} yet.", sentence=said)
    alt = f"Request from {pod} to {url}: {plural(len(data['hops']), 'hop')} so far."
    if data["end"]:
        by = f" from {data['answered_by']}" if data["answered_by"] else ""
        alt += f" It ends with: {data['end'].rstrip('.')}{by}."
    if data["proxy"]:
        proxy = label_of(f"kube-proxy/{data['node']}")
        alt += f" {proxy} wrote the rules at {data['proxy']['clock']} and is not on the path."
    hops = tuple(
        (hop["where"], hop["what"], hop["before"], hop["after"], hop["rule"])
        for hop in data["hops"]
    )
    endpoints = tuple(
        (row["name"], row["address"], "ready" if row["ready"] else "not ready", str(row["count"]))
        for row in data["endpoints"]
    )
    tables = (
        Table("The way", ("where", "what", "addresses before", "after", "rule"), hops),
        Table("Endpoints", ("pod", "address", "state", "answers so far"), endpoints),
    )
    return Words(
        alt=alt, sentence=sentence(data), tables=tuple(table for table in tables if table.rows)
    )


def title(data: dict[str, Any]) -> str:
    """The line above the picture."""
    return f"traffic · {data['pod']} to {data['url'] or 'anywhere'}"


def inputs(data: dict[str, Any], options: dict[str, Any]) -> list[dict[str, Any]]:
    """What to request, from where; and a hundred times."""
    return [
        {"type": "text", "name": "url", "label": "Request", "value": data["url"]},
        {"type": "text", "name": "pod", "label": "from pod", "value": options["pod"]},
        {"type": "button", "name": "hundred", "label": "Send 100"},
    ]  # fmt: skip


def use(view: View, name: str, value: str) -> View:
    """Looks at another request, or sends a hundred; in the past that happens in a what-if."""
    if name == "hundred":
        where = view.fork() if view.is_past else view
        sweeps.requests(where.cluster, where.options, HUNDRED)
        return where.now()
    if name not in ("url", "pod"):
        raise ValueError(f"the traffic view has no input {name!r}")
    if name == "pod" and "/" not in value:
        value = f"default/{value}"
    return view.change(**{name: value.strip() or None})


KIND = Kind(
    "traffic", title, frame, route.draw, words, matters, parts, ("Send", send), inputs=inputs,
    use=use, play=roles.PROXY, sweep=sweeps.REQUEST_COUNT,
)  # fmt: skip
