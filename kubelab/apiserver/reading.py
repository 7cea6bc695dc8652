"""Get, list and watch, and the form in which objects are shown.

A get or list without a resourceVersion asks etcd, so that it never shows less than what was written
before it; with `resourceVersion=0` the watch cache answers at once. A watch is served by the cache:
first what happened since the version that the client has seen, then each change as it comes.

In Kubernetes: k8s.io/apiserver/pkg/endpoints/handlers (get.go, watch.go, response.go).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubelab.api import errors, selectors
from kubelab.api.kinds import CustomKind, Kind
from kubelab.api.objects import EMPTY, Arr, Obj, labels_of
from kubelab.api.rest import SHARED, Request, Response
from kubelab.apiserver import (
    aggregation,
    cacher,
    components,
    convert,
    customresources,
    discovery,
    forms,
    list_options,
    stored,
)
from kubelab.apiserver.cacher import WatchCache, Watcher
from kubelab.apiserver.list_options import limit_of, version_of
from kubelab.apiserver.pending import Pending
from kubelab.apiserver.routes import is_true
from kubelab.etcd import records

if TYPE_CHECKING:
    from kubelab.apiserver.server import APIServer


# Items of a list do not repeat these.
HEAD = ("kind", "apiVersion")


def elsewhere(server: APIServer, request: Request) -> Response:
    """Paths that lead to no object: discovery, health, version; else 404."""
    rows = customresources.served(server.custom)
    response = discovery.answer(
        request, server.address, aggregation.served(server, rows), server.now
    )
    if response is not None:
        server.note(code=response.status)
        return response
    error = errors.no_resource()
    server.note(code=404)
    return Response(404, EMPTY, error.status)


def get_one(server: APIServer, pending: Pending) -> Response | None:
    """GET of one object."""
    route, kind = pending.route, pending.route.kind
    if route.subresource:
        from kubelab.apiserver import registry

        return registry.write(server, pending)  # type: ignore[return-value]
    forms.check(pending.request)
    if "get" not in kind.verbs:
        raise errors.method_not_allowed()
    version_of(pending.request.query)
    if not kind.stored:
        return components.one(server, pending)
    if pending.request.query.get("resourceVersion") == "0":
        known = server.cached(kind.prefix, route.key)
        if known is None:
            raise errors.not_found(kind, route.name)
        return present(server, pending, 200, known)
    key = stored.key(kind, route.namespace, route.name)
    server.etcd("range", records.RangeRequest(key=key), "read", pending.token)
    return None


def list_many(server: APIServer, pending: Pending) -> Response | None:
    """GET of a collection."""
    route, kind, query = pending.route, pending.route.kind, pending.request.query
    if "list" not in kind.verbs:
        raise errors.method_not_allowed()
    forms.check(pending.request)
    list_options.check(query, watch=False)
    chosen(kind, query)
    version = version_of(query)
    if not kind.stored:
        return components.many(server, pending)
    token = query.get("continue") or ""
    if token and version and version != "0":
        raise errors.bad_request("specifying resource version is not allowed when using continue")
    if version == "0" and not query.get("limit"):
        cache = server.caches[kind.prefix]
        found = _select(kind, query, cache.all(route.namespace))
        return _listed(server, pending, found, cache.revision, "", 0)
    start, end = stored.directory(kind.prefix, route.namespace)
    revision = 0
    if token:
        revision, start = list_options.continued(token, start)
    elif query.get("resourceVersionMatch") == "Exact":
        revision = int(version or 0)
    selected = query.get("labelSelector") or query.get("fieldSelector")
    limit = 0 if selected else limit_of(query)
    request = records.RangeRequest(key=start, range_end=end, limit=limit, revision=revision)
    server.etcd("range", request, "read", pending.token)
    return None


def answer(server: APIServer, pending: Pending, result: Any) -> Response:
    """etcd's answer to a get or list, as the client's answer. Raises ApiError."""
    try:
        return _answer(server, pending, result)
    except (TypeError, KeyError, ValueError, AttributeError, IndexError) as error:
        if isinstance(error, errors.ApiError):
            raise
        server.note(panic=f"{type(error).__name__}: {error}")
        raise errors.internal_error("This request caused apiserver to panic.") from None


def _answer(server: APIServer, pending: Pending, result: Any) -> Response:
    route, kind, query = pending.route, pending.route.kind, pending.request.query
    if isinstance(result, records.Failure):
        if "compacted" in result.message:
            raise list_options.too_old(query)
        raise errors.internal_error(result.message)
    cache = server.caches[kind.prefix]
    start = stored.directory(kind.prefix, route.namespace)[0]
    if route.verb == "get":
        if not result.kvs:
            raise errors.not_found(kind, route.name)
        _check_future(query, result.header.revision)
        return present(server, pending, 200, _shared(cache, result.kvs[0]))
    current = result.header.revision
    version = query.get("resourceVersion") or ""
    _check_future(query, current)
    found = _select(kind, query, [_shared(cache, kv) for kv in result.kvs])
    revision = current
    token = query.get("continue")
    if token:
        revision = list_options.continued(token, b"/")[0] or current
    elif query.get("resourceVersionMatch") == "Exact":
        revision = int(version or 0)
    if result.more:
        last = stored.text(result.kvs[-1].key)
        remaining = result.count - len(result.kvs)
        token = list_options.token(revision, last, start)
        return _listed(server, pending, found, revision, token, remaining)
    limit = limit_of(query)
    if limit and len(found) >= limit:
        # With a selector a page is full when so many match, and more keys may follow.
        last = stored.path(convert.stored_kind(kind), *stored.place(found[limit - 1]))
        if last != stored.text(result.kvs[-1].key):
            token = list_options.token(revision, last, start)
            return _listed(server, pending, found[:limit], revision, token, 0)
    return _listed(server, pending, found, revision, "", 0)


def _check_future(query: Obj, current: int) -> None:
    version = version_of(query)
    if version and int(version) > current:
        raise errors.too_large_resource_version(int(version), current)


def _shared(cache: WatchCache, kv: Any) -> Obj:
    """The object of a key, shared with the cache where that has the same version."""
    obj = stored.decode(kv)
    known = cache.objects.get(stored.cache_key(cache.prefix, kv.key))
    if known is not None and known["metadata"]["resourceVersion"] == str(kv.mod_revision):
        return known
    if obj is None:
        raise errors.internal_error("the value in the store is no JSON object")
    return obj


def chosen(kind: Kind, query: Obj) -> tuple[Any, Any]:
    by_label, by_field = query.get("labelSelector") or "", query.get("fieldSelector") or ""
    try:
        labels = selectors.parse_labels(by_label)
        fields = selectors.parse_fields(by_field)
    except selectors.SelectorError as error:
        raise errors.bad_request(str(error)) from None
    try:
        selectors.check_fields(kind, fields)
    except selectors.SelectorError as error:
        raise errors.bad_request(str(error)) from None
    return labels, fields


def _select(kind: Kind, query: Obj, objects: list[Obj]) -> list[Obj]:
    if not query.get("labelSelector") and not query.get("fieldSelector"):
        return objects
    labels, fields = chosen(kind, query)
    return [obj for obj in objects if labels.matches(labels_of(obj)) and fields.matches(obj)]


def _listed(
    server: APIServer, pending: Pending, found: list[Obj], revision: int, token: str, remaining: int
) -> Response:
    kind = pending.route.kind
    found = [convert.from_stored(kind, obj) for obj in found]
    if pending.request.headers.get("Accept") != SHARED:
        found = [item(kind, obj) for obj in found]
    body = as_list(kind, found, revision, token, remaining)
    server.note(items=len(found), revision=revision)
    return Response(200, EMPTY, forms.show(pending.request, kind, body, server.now))


def item(kind: Kind, obj: Obj) -> Obj:
    """An object as it stands in a list: only custom resources say there what they are."""
    if isinstance(kind, CustomKind):
        return obj
    return Obj({key: value for key, value in obj.items() if key not in HEAD})


def as_list(kind: Kind, objects: Any, revision: int, token: str = "", remaining: int = 0) -> Obj:
    """A List of objects."""
    metadata: dict[str, Any] = {"resourceVersion": str(revision)}
    if token:
        metadata["continue"] = token
    if remaining:
        metadata["remainingItemCount"] = remaining
    items = list(objects)
    return Obj({
        "kind": kind.list_kind,
        "apiVersion": kind.api_version,
        "metadata": Obj(metadata),
        "items": Arr(items),
    })  # fmt: skip


def present(server: APIServer, pending: Pending, status: int, body: Any) -> Response:
    """An object in the version and form that the client asked for."""
    kind = pending.route.kind
    if isinstance(body, dict) and body.get("kind") not in ("Status", "Scale"):
        body = convert.from_stored(kind, Obj(body))
        body = forms.show(pending.request, kind, body, server.now)
    return Response(status, EMPTY, body)


# Watches.


def watch(server: APIServer, pending: Pending) -> Response | None:
    """GET with `watch=true`: the answer opens the stream, events follow as messages."""
    route, kind, query = pending.route, pending.route.kind, pending.request.query
    if "watch" not in kind.verbs:
        raise errors.method_not_allowed()
    forms.check(pending.request)
    list_options.check(query, watch=True)
    labels, fields = chosen(kind, query)
    initial = is_true(query.get("sendInitialEvents"))
    text = query.get("fieldSelector") or ""
    field, equals, value = text.partition("=")
    simple = equals and "," not in text and "!" not in field and not value.startswith("=")
    watcher = Watcher(
        pending.client, pending.call_id, kind, route.namespace, route.name, labels, fields,
        is_true(query.get("allowWatchBookmarks")), (field, value) if simple else None,
        forms.wanted(pending.request), query.get("includeObject") or "Metadata",
    )  # fmt: skip
    cache = server.caches[kind.prefix]
    version = version_of(query)
    server._answer(pending, Response(200, EMPTY, None))
    if initial or version in ("", "0"):
        for obj in cache.all(route.namespace):
            if watcher.matches(obj):
                server.tell_watcher(watcher, "ADDED", obj)
        if watcher.bookmarks:
            server.tell_watcher(
                watcher, "BOOKMARK", cacher.bookmark(kind, cache.revision, initial=True)
            )
    else:
        missed = cache.since(int(version))
        if missed is None:
            error = errors.too_old(int(version), cache.oldest)
            server.send(watcher.client, "watched", watcher.call_id, "ERROR", error.status)
            return None
        for change in missed:
            news = cacher.translate(watcher, change)
            if news is not None:
                server.tell_watcher(watcher, *news)
    cache.watch(watcher)
    server.note(watchers=len(cache.watchers), revision=cache.revision)
    return None


def shown(server: APIServer, watcher: Watcher, obj: Any) -> Any:
    """An object of an event in the version and form that the watcher asked for."""
    if obj.get("kind") == "Status":
        return obj
    obj = convert.from_stored(watcher.kind, obj)
    if watcher.form == "Table":
        tabled, name = server.caches[watcher.kind.prefix].tabled, cacher.identify(watcher)
        first = name not in tabled
        tabled[name] = None
        return forms.row(watcher.kind, obj, server.now, watcher.include, first=first)
    return forms.event(watcher.form, watcher.kind, obj)


def bookmark(watcher: Watcher, cache: WatchCache) -> Obj:
    """The object of a periodic BOOKMARK."""
    return cacher.bookmark(watcher.kind, cache.revision)


READERS = {"get": get_one, "list": list_many, "watch": watch}
