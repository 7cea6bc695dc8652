"""A program outside the cluster that watches all pods, and holds what it is told to the truth."""

from __future__ import annotations

import contextlib
from typing import Any

from kubelab import Cluster
from kubelab.api.objects import name_of, namespace_of


class Follower:
    """Watches all pods as a program outside would: what it is told must have no gap."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.watch: Any = None
        self.held: dict[str, int] = {}
        self.read = 0
        self.last = 0

    def look(self, *, final: bool = False) -> None:
        """Takes in what came since the last look; after a break it lists anew."""
        if self.watch is None:
            self._list()
        if self.watch is None:
            return
        for event in self.watch.events[self.read :]:
            self.read += 1
            if event["type"] in ("BOOKMARK", "ERROR"):
                continue
            meta = event["object"]["metadata"]
            key, revision = f"{meta['namespace']}/{meta['name']}", int(meta["resourceVersion"])
            assert revision > self.last, f"{key} comes at {revision} after {self.last}"
            assert (event["type"] == "ADDED") == (key not in self.held), f"{event['type']} {key}"
            self.last = revision
            if event["type"] == "DELETED":
                del self.held[key]
            else:
                self.held[key] = revision
        you: Any = self.cluster.world.components["you"]
        if any(type_ == "CLOSED" for type_, _ in you.streams.get(self.watch._token, ())):
            self.watch = None
        elif final:
            pods = self.cluster.moment().list("Pod")
            real = {
                f"{namespace_of(pod)}/{name_of(pod)}": int(pod["metadata"]["resourceVersion"])
                for pod in pods
            }
            assert self.held == real, "what the watch told is not what is there"

    def _list(self) -> None:
        with contextlib.suppress(TimeoutError):
            answer = self.cluster.request("GET", "/api/v1/pods")
            if answer.status != 200:
                return
            revision = answer.body["metadata"]["resourceVersion"]
            self.held = {
                f"{namespace_of(pod)}/{name_of(pod)}": int(pod["metadata"]["resourceVersion"])
                for pod in answer.body["items"]
            }
            self.read, self.last = 0, int(revision)
            path = f"/api/v1/pods?watch=true&resourceVersion={revision}"
            opened = self.cluster.request("GET", path)
            self.watch = opened.body if opened.status == 200 else None
