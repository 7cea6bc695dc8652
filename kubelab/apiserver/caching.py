"""The watch caches of the API server: filled from etcd, kept by a watch, read by all.

For each directory of etcd there is one cache. It asks for the contents once and then watches from
that revision on; each change goes into the cache and on to the watchers whom it concerns. If etcd
ends the watch, cache and watchers begin anew.

In Kubernetes: k8s.io/apiserver/pkg/storage/cacher.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from kubelab.api.objects import Obj, key_of
from kubelab.apiserver import aggregation, reading, stored
from kubelab.apiserver.cacher import WatchCache, Watcher, translate
from kubelab.apiserver.customresources import DEFINITIONS
from kubelab.apiserver.defining import SERVICES
from kubelab.apiserver.pending import Pending
from kubelab.etcd import records
from kubelab.sim.kernel import SECOND, Routine

if TYPE_CHECKING:
    from kubelab.apiserver.server import APIServer

BOOKMARK_SECONDS = 60


class Caching(aggregation.Aggregating):
    """The part of the API server that keeps its watch caches."""

    caches: dict[str, WatchCache]
    watches: dict[int, str]
    members: tuple[str, ...]
    member: int
    last_call: int

    def etcd(self, method: str, request: Any, then: str, token: Any = 0) -> int:
        """Calls etcd; see `APIServer`."""
        raise NotImplementedError

    def retry(self, token: int) -> None:
        """Works a waiting request again; see `APIServer`."""
        raise NotImplementedError

    def open_cache(self, prefix: str, pending: Pending | None = None) -> bool:
        """Whether the cache of a directory is filled; if not, `pending` goes on when it is."""
        cache = self.caches.get(prefix)
        if cache is None:
            cache = self.caches[prefix] = WatchCache(prefix)
            start, end = stored.directory(prefix)
            self.etcd("range", records.RangeRequest(key=start, range_end=end), "filled", prefix)
        if not cache.filled and pending is not None:
            cache.waiting.append(pending.token)
        return cache.filled

    def cached(self, prefix: str, key: str) -> Obj | None:
        """An object from a cache that is filled."""
        return self.caches[prefix].objects.get(key)

    def filled(self, result: Any, prefix: str) -> None:
        """The first contents of a cache."""
        cache = self.caches[prefix]
        if isinstance(result, records.Failure):
            start, end = stored.directory(prefix)
            request = records.RangeRequest(key=start, range_end=end)
            self.after(1, "recall", "range", request, "filled", prefix)
            return
        objects = {}
        for kv in result.kvs:
            obj = stored.decode(kv)
            if obj is not None:
                objects[key_of(obj)] = obj
        cache.fill(objects, result.header.revision)
        for name, obj in objects.items() if prefix in (DEFINITIONS, SERVICES) else ():
            self.look_at_definition(prefix, name, obj)
        self.note(cache=prefix, objects=len(objects), revision=cache.revision)
        start, end = stored.directory(prefix)
        watch = records.WatchRequest(key=start, range_end=end, start_revision=cache.revision + 1)
        self.last_call += 1
        self.watches[self.last_call] = prefix
        self.send(self.members[self.member], "watch", self.name, self.last_call, watch)

    def watch_response(self, call_id: int, response: Any) -> None:
        """Changes from etcd: into the cache, and on to the watchers whom they concern."""
        if call_id not in self.watches:
            return
        cache = self.caches[self.watches[call_id]]
        if response.created:
            self._opened(cache)
        if response.canceled:
            self._reopen(cache, call_id)
            return
        self.note(cache=cache.prefix)
        told = 0
        for event in response.events:
            key, obj = stored.change(cache.prefix, event)
            change = cache.apply(key, obj, event.kv.mod_revision)
            if change is None:
                continue
            self.note(key=stored.text(event.kv.key), revision=change.revision)
            self.look_at_definition(cache.prefix, key, obj)
            for watcher in cache.concerned(change):
                news = translate(watcher, change)
                if news is not None:
                    told += 1
                    self.tell_watcher(watcher, *news)
        self.note(told=told)

    def _opened(self, cache: WatchCache) -> None:
        """The watch that keeps a cache is open: from here on the cache may be used."""
        cache.filled = True
        waiting, cache.waiting = cache.waiting, []
        for waiter in waiting:
            self.retry(waiter)

    def _reopen(self, cache: WatchCache, call_id: int) -> None:
        """etcd has ended the watch of a cache: its watchers must list anew, and so must we."""
        del self.watches[call_id], self.caches[cache.prefix]
        for watcher in cache.watchers.values():
            self.send(watcher.client, "closed", watcher.call_id)
        for waiter in cache.waiting:
            self.retry(waiter)
        self.open_cache(cache.prefix)

    def tell_watcher(self, watcher: Watcher, type_: str, obj: Any) -> None:
        """Sends one event to one watcher, in the version and form that it asked for."""
        shown = reading.shown(cast("APIServer", self), watcher, obj)
        self.send(watcher.client, "watched", watcher.call_id, type_, shown)

    def bookmark(self) -> None:
        """Once a minute: watchers learn how far they are, though nothing happened."""
        self.after(BOOKMARK_SECONDS, "bookmark", background=True)
        sent = 0
        for cache in self.caches.values():
            for watcher in cache.watchers.values():
                if watcher.bookmarks:
                    sent += 1
                    self.tell_watcher(watcher, "BOOKMARK", reading.bookmark(watcher, cache))
        self.note(bookmarks=sent)

    def routine(self, verb: str, args: tuple[Any, ...]) -> Routine | None:
        return (
            Routine(BOOKMARK_SECONDS * SECOND, free=True)
            if verb == "bookmark"
            else (super().routine(verb, args))
        )
