"""The etcd view: what is remembered, since when, and who has heard of it?

A ribbon of revisions on top, each in the colour of the client that asked for the write; below, the
keys as a tree, the written key with its fields old and new, and the readers with the revision at
which they stand. A step is one revision; by message also each reader that hears of it. Heartbeats
(leases) and Events are left out of the steps unless they are asked for, and counted as "other".

In Kubernetes: `etcdctl get --prefix --keys-only /registry` and `etcdctl watch` show the same keys.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubelab.api import kinds
from kubelab.sim.kernel import Event
from kubelab.views import ribbon
from kubelab.views.changes import at_key, changed
from kubelab.views.cursor import Cursor
from kubelab.views.palette import actor_of, label_of
from kubelab.views.view import Kind, View
from kubelab.views.words import Table, Words, plural

# Under Raft a write is carried out where its entry is applied.
WRITES = ("put", "txn", "delete_range", "compact", "apply")
NOISE = ("/registry/leases/", "/registry/events/", "compact_rev_key")
NOISY_KINDS = ("Lease", "Event")

RIBBON = 13
FIELDS = 9
READERS = 9
# So many events back is looked for readers and revisions.
LOOK_BACK = 20_000


def show(
    cluster: Any,
    prefix: str = "/registry/",
    *,
    noise: bool = False,
    by: str = "message",
    play: bool = False,
    projector: bool = False,
) -> View:
    """etcd's writes below a prefix; `noise` takes in heartbeats and Events."""
    return View(
        cluster, KIND, {"prefix": prefix, "noise": noise}, by=by, play=play, projector=projector
    )


def is_write(event: Event, options: dict[str, Any]) -> bool:
    """Whether an event made a revision that this view shows."""
    if event.verb not in WRITES or not event.target.startswith("etcd"):
        return False
    detail = event.detail
    if event.verb == "compact":
        return "error" not in detail
    if not detail.get("change"):
        return False
    key = str(detail.get("key", ""))
    if not options.get("noise") and key.startswith(NOISE):
        return False
    return key.startswith(options.get("prefix") or "")


def is_stop(event: Event, by: str, options: dict[str, Any]) -> bool:
    """A write; by message also the news of it on its way to the readers."""
    if event.verb in WRITES:
        return is_write(event, options)
    if by != "message" or event.verb not in ("watch_response", "watched"):
        return False
    detail = event.detail
    if event.verb == "watched":
        quiet = detail.get("kind") in NOISY_KINDS or detail.get("type") == "BOOKMARK"
        kind = kind_named(str(detail.get("kind", "")))
        inside = kind is not None and kind.prefix.startswith(options.get("prefix") or "")
        return inside and (options.get("noise") or not quiet)
    key = str(detail.get("key", ""))
    return key.startswith(options.get("prefix") or "") and (
        bool(options.get("noise")) or not key.startswith(NOISE)
    )


def kind_named(name: str) -> Any:
    """A kind by its name alone."""
    return next((kind for kind in kinds.ALL if kind.kind == name), None)


def kind_of_key(key: str) -> str:
    """The kind whose objects lie at a key, or the empty string."""
    best = max(
        (kind for kind in kinds.ALL if key.startswith(kind.prefix)),
        key=lambda kind: len(kind.prefix),
        default=None,
    )
    return best.kind if best is not None else ""


def writer_of(trace: Any, event: Event) -> str:
    """The component whose request led to a write; the API server only carries it out."""
    at: Event | None = event
    while at is not None and at.cause:
        at = trace[at.cause - 1]
        if at.verb == "request" or (at.target == "you/etcd" and at.verb == "call"):
            return str(at.actor)
    return str(event.actor)


def matters(cluster: Any, by: str, options: dict[str, Any]) -> Callable[[Event], bool]:
    """The test for the view's stops. Of members that all make a revision the first one counts."""
    newest = [0]

    def is_new(event: Event) -> bool:
        if not is_stop(event, by, options):
            return False
        if event.verb not in WRITES:
            return True
        revision = int(event.detail["revision"])
        fresh = event.verb == "compact" or revision > newest[0]
        newest[0] = max(newest[0], revision)
        return fresh

    return is_new


def frame(cluster: Any, cursor: Cursor, options: dict[str, Any]) -> dict[str, Any]:
    """What there is to see at a moment."""
    trace = cluster.trace
    moment = cluster.at(event=cursor.event)
    writes = _writes(trace, cursor.event, options)
    current = _current(trace, cursor.focus, writes)
    keys = moment.keys(options["prefix"])
    data: dict[str, Any] = {
        "revision": moment.revision,
        "prefix": options.get("prefix"),
        "count": len(keys),
        "ribbon": writes[-RIBBON:],
        "current": current,
        "fields": [],
        "heard": "",
        "tree": _tree(keys, current["key"] if current else ""),
        "readers": [],
        "focus": cursor.focus,
    }
    if current and current["key"]:
        data["fields"], data["value"] = _fields(cluster, current)
        data["readers"] = _readers(trace, cursor.event, current)
    if cursor.focus and trace[cursor.focus - 1].verb in ("watched", "watch_response"):
        data["heard"] = trace[cursor.focus - 1].target
    return data


def _writes(trace: Any, event: int, options: dict[str, Any]) -> list[dict[str, Any]]:
    """The last writes up to an event, oldest first; of several members the first one's."""
    out: dict[Any, dict[str, Any]] = {}
    for index in range(event - 1, max(event - LOOK_BACK, 0) - 1, -1):
        item = trace[index]
        if item.verb in WRITES and is_write(item, options):
            row = _write(trace, item)
            number = (row["revision"], item.verb == "compact")
            if number not in out and len(out) > RIBBON:
                break
            out[number] = row
    return list(out.values())[::-1]


def _write(trace: Any, event: Event) -> dict[str, Any]:
    detail = event.detail
    who = writer_of(trace, event)
    return {
        "revision": detail["revision"],
        "key": str(detail.get("key", "")),
        "event": event.id,
        "verb": event.verb,
        "who": who,
        "actor": actor_of(who),
        "compare": str(detail.get("compare", "")),
        "woken": list(detail.get("woken") or ()),
    }


def _current(trace: Any, focus: int, writes: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The write that the step is about: made by it, or heard of in it."""
    if focus:
        event = trace[focus - 1]
        revision = str(event.detail.get("revision", ""))
        for row in reversed(writes):
            if focus == row["event"] or revision == str(row["revision"]):
                return dict(row)
    return writes[-1] if writes else None


def _tree(keys: Any, current: str) -> list[dict[str, Any]]:
    """The directories with their counts; that of the current key with the keys around it."""
    counts: dict[str, int] = {}
    for kv in keys:
        folder = kv.key.decode("utf-8", "replace").split("/")
        name = "/".join(folder[:3]) + "/" if len(folder) > 3 else "/".join(folder)
        counts[name] = counts.get(name, 0) + 1
    rows = []
    for name, count in counts.items():
        row: dict[str, Any] = {"name": name, "count": count, "keys": []}
        if current.startswith(name):
            inside = [
                kv.key.decode("utf-8", "replace") for kv in keys if kv.key.startswith(name.encode())
            ]
            at = inside.index(current) if current in inside else 0
            start = max(min(at - 2, len(inside) - 5), 0)
            row["keys"] = [key[len(name) :] for key in inside[start : start + 5]]
            row["current"] = current[len(name) :]
        rows.append(row)
    return rows


def _fields(cluster: Any, current: dict[str, Any]) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """The written key's fields that changed, and its numbers."""
    revision = int(current["revision"])
    after = at_key(cluster, revision, current["key"])
    before = at_key(cluster, revision - 1, current["key"]) if revision > 1 else None
    found = changed(before, after)
    rows = [row._asdict() for row in found[:FIELDS]]
    if len(found) > FIELDS:
        rows.append({"path": f"… {len(found) - FIELDS} more fields", "old": "", "new": ""})
    kv = after or before
    what = "deleted" if after is None else "created" if before is None else "changed"
    value = {
        "what": what,
        "create": kv.create_revision if kv else 0,
        "mod": kv.mod_revision if kv else 0,
        "version": kv.version if kv else 0,
        "lease": bool(kv and kv.lease),
    }
    return rows, value


def _readers(trace: Any, event: int, current: dict[str, Any]) -> list[dict[str, Any]]:
    """Who reads this kind of key, and up to which revision each has heard.

    Whom etcd itself wakes is known at once; whom the API server will tell only when it tells. A
    reader that asked for some objects only (a kubelet for its own pods) may rightly stay behind.
    """
    kind, revision = kind_of_key(current["key"]), int(current["revision"])
    last: dict[str, int] = {}
    for index in range(event - 1, max(event - LOOK_BACK, 0) - 1, -1):
        item = trace[index]
        detail = item.detail
        if item.verb == "watched" and detail.get("kind") == kind:
            last.setdefault(item.target, int(detail.get("revision") or 0))
        elif item.verb == "watch_response" and kind_of_key(str(detail.get("key", ""))) == kind:
            last.setdefault(item.target, int(detail.get("revision") or 0))
        elif detail.get("listed") is not None and detail.get("kind") == kind:
            last.setdefault(item.target, int(detail.get("revision") or 0))
    for name in current["woken"]:
        last.setdefault(name, 0)
    rows = [
        {
            "name": name,
            "label": label_of(name),
            "actor": actor_of(name),
            "revision": at,
            "state": "has it"
            if at >= revision
            else "on its way"
            if name in current["woken"]
            else "earlier",
        }
        for name, at in last.items()
    ]
    ranks = ("has it", "on its way", "earlier")
    rows.sort(key=lambda row: (ranks.index(row["state"]), row["actor"] != "api", row["name"]))
    return rows


def words(data: dict[str, Any]) -> Words:
    """Alt text and tables."""
    current = data["current"]
    if current is None:
        return Words(
            alt=f"etcd at revision {data['revision']} with {plural(data['count'], 'key')}."
        )
    what = data.get("value", {}).get("what", "written")
    alt = (
        f"etcd at revision {data['revision']} with {plural(data['count'], 'key')}. Revision "
        f"{current['revision']}: {current['key'] or 'compaction'} {what}, asked for by "
        f"{label_of(current['who'])}."
    )
    tables = [
        Table(
            "Revisions",
            ("revision", "key", "asked for by"),
            tuple(
                (str(row["revision"]), row["key"], label_of(row["who"])) for row in data["ribbon"]
            ),
        ),
        Table(
            "Fields changed",
            ("field", "old", "new"),
            tuple((row["path"], row["old"], row["new"]) for row in data["fields"]),
        ),
        Table(
            "Readers",
            ("reader", "stands at", "this revision"),
            tuple(
                (row["label"], str(row["revision"] or "–"), row["state"]) for row in data["readers"]
            ),
        ),
        Table(
            "Keys",
            ("directory", "keys"),
            tuple((row["name"], str(row["count"])) for row in data["tree"]),
        ),
    ]
    return Words(alt=alt, tables=tuple(table for table in tables if table.rows))


def title(data: dict[str, Any]) -> str:
    """The line above the picture."""
    return f"etcd · {data['prefix']}"


def pick(view: View, kind: str, name: str) -> bool:
    """A click on a revision goes there: the whole store as it was then."""
    if kind != "revision":
        return False
    for row in view.frame["ribbon"]:
        if str(row["revision"]) == name:
            view.jump(row["event"])
            return True
    return False


def inputs(data: dict[str, Any], options: dict[str, Any]) -> list[dict[str, Any]]:
    """Below which key, and whether heartbeats count."""
    noise = "all writes" if options.get("noise") else "without heartbeats"
    return [
        {"type": "text", "name": "prefix", "label": "Keys below", "value": options["prefix"]},
        {"type": "choice", "name": "noise", "label": "show", "value": noise,
         "options": ["without heartbeats", "all writes"]},
    ]  # fmt: skip


def use(view: View, name: str, value: str) -> View:
    """Looks at other keys."""
    if name == "prefix":
        return view.change(prefix=value.strip())
    if name == "noise":
        return view.change(noise=value == "all writes")
    raise ValueError(f"the etcd view has no input {name!r}")


KIND = Kind("etcd", title, frame, ribbon.draw, words, matters, inputs=inputs, use=use, pick=pick)
