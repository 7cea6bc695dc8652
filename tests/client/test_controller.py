"""The loop that controllers share: queue, echoes of own writes, retries, informers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from kubelab.api.objects import Obj, freeze, key_of, with_
from kubelab.api.rest import Response
from kubelab.client.controller import Controller
from kubelab.sim import fork
from tests.controllers.stub import Scene, status_of


class Counting(Controller):
    """For each ConfigMap, as many Secrets as its data wishes."""

    name = "counting"

    def begin(self) -> None:
        self.turns: list[tuple[str, int, int]] = []
        self.maps = self.watch("v1/ConfigMap", "on_map")
        self.secrets = self.watch("v1/Secret", "on_secret")

    def on_map(self, old: Obj | None, new: Obj | None) -> None:
        if new is not None:
            self.enqueue(key_of(new))

    def on_secret(self, old: Obj | None, new: Obj | None) -> None:
        for obj in self.maps:
            self.enqueue(key_of(obj))

    def sync(self, key: str) -> None:
        obj = self.maps.get(key)
        if obj is None:
            return
        wish, seen = int(obj["data"]["wish"]), len(self.secrets)
        self.turns.append((key, wish, seen))
        for _ in range(wish - seen):
            self.create(secret(), "made")
        for item in [*self.secrets][wish:]:
            self.delete("v1/Secret", "default", item["metadata"]["name"])

    def made(self, response: Response) -> None:
        """A Secret is there, or was refused."""


def secret() -> Obj:
    metadata = {"generateName": "s-", "namespace": "default"}
    made: Obj = freeze({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
    return made


def config_map(wish: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"},
        "data": {"wish": str(wish)},
    }  # fmt: skip


@pytest.fixture
def scene() -> Scene:
    return Scene(Counting)


def counting(scene: Scene) -> Counting:
    return scene.manager.controllers["counting"]  # type: ignore[return-value]


def test_a_key_is_not_worked_before_the_caches_show_its_own_writes(scene: Scene) -> None:
    """One turn makes three; the next turn sees three, never one or two."""
    scene.make(config_map(3))
    scene.run(1)
    assert counting(scene).turns == [("default/c", 3, 0), ("default/c", 3, 3)]
    assert len(scene.list("secrets")) == 3


def test_the_same_holds_for_deletions_and_slow_links(scene: Scene) -> None:
    """With answers long before watch events, and the other way round, nothing is done twice."""
    scene.world.links.set_latency("apiserver-1", "controller-manager", 200_000_000)
    scene.make(config_map(5))
    scene.run(3)
    scene.change("configmaps", "default/c", ("data", "wish"), "1")
    for number in range(20):
        scene.change("configmaps", "default/c", ("metadata", "annotations", "n"), str(number))
        scene.run(0.1)
    scene.run(3)
    sent = [(r.method, r.path) for r in scene.server.asked if "secrets" in r.path and r.body]
    assert len([1 for method, _ in sent if method == "POST"]) == 5
    deletes = [r.path for r in scene.server.asked if r.method == "DELETE"]
    assert len(deletes) == len(set(deletes)) == 4


def test_a_failed_key_is_tried_again_after_growing_pauses(scene: Scene) -> None:
    """5 ms, 10 ms, 20 ms and so on; a success forgets the failures."""
    scene.server.refuse["POST", "secrets"] = status_of(500, "InternalError")
    scene.make(config_map(1))
    scene.run(1)
    times = [
        event.ns // 1_000_000
        for event in scene.world.trace
        if event.verb == "sync" and event.target == "controller-manager"
    ]
    pauses = [after - before for before, after in pairwise(times)]
    # Two milliseconds of each are the request's way and the answer's.
    assert pauses[:5] == [7, 12, 22, 42, 82]
    scene.server.refuse.clear()
    scene.run(5)
    assert len(scene.list("secrets")) == 1
    assert counting(scene).queue.failures == {}


def test_a_change_while_the_key_is_open_works_it_once_more(scene: Scene) -> None:
    """However many changes arrive meanwhile, one more turn follows."""
    scene.make(config_map(1))
    scene.run(0.002)
    for number in range(5):
        scene.change("configmaps", "default/c", ("metadata", "annotations", "n"), str(number))
    scene.run(1)
    assert len(counting(scene).turns) <= 3


def test_nothing_is_worked_before_all_caches_are_filled() -> None:
    """A controller that does not know yet what is there makes nothing."""
    scene = Scene(Counting)
    scene.world.halt("controller-manager")
    scene.make(config_map(2))
    for name in ("a", "b"):
        made = with_(secret(), ("metadata", "name"), name)
        scene.make(made)
    scene.world.begin("controller-manager")
    scene.run(1)
    assert counting(scene).turns == [("default/c", 2, 2)]


def test_a_restart_lists_and_goes_on(scene: Scene) -> None:
    """The process forgets everything when it stops, and needs nothing of it."""
    scene.make(config_map(2))
    scene.run(1)
    scene.world.halt("controller-manager")
    scene.change("configmaps", "default/c", ("data", "wish"), "4")
    scene.world.begin("controller-manager")
    scene.run(1)
    assert len(scene.list("secrets")) == 4


def test_a_broken_watch_is_taken_up_again_and_its_waiters_go_on(scene: Scene) -> None:
    """The connection ends between a write and its echo: the key closes after the next list."""
    scene.make(config_map(1))
    scene.run(1)
    informer = scene.manager.informers["secrets"]
    informer.revision = ""
    for (client, call_id), (plural, _) in list(scene.server.watches.items()):
        if plural == "secrets":
            del scene.server.watches[client, call_id]
            scene.server.send(client, "closed", call_id)
    scene.change("configmaps", "default/c", ("data", "wish"), "3")
    scene.run(5)
    assert len(scene.list("secrets")) == 3
    assert counting(scene).queue.open == {}


def test_of_several_delays_the_earliest_counts(scene: Scene) -> None:
    """A key that is put off twice comes once, at the earlier time."""
    queue = counting(scene).queue
    scene.make(config_map(0))
    scene.run(1)
    before = len(counting(scene).turns)
    queue.add_after("default/c", 10)
    queue.add_after("default/c", 5)
    queue.add_after("default/c", 20)
    scene.run(6)
    assert len(counting(scene).turns) == before + 1
    scene.run(60)
    assert len(counting(scene).turns) == before + 1


def test_a_fork_in_the_middle_goes_on_like_its_twin(scene: Scene) -> None:
    """Queue, echoes and caches are plain data: a copy of the world does the same."""
    scene.make(config_map(4))
    scene.run(0.003)
    twin = fork.copy(scene.world)
    for world in (scene.world, twin):
        end = world.now + 2_000_000_000
        while (due := world.next_time()) is not None and due <= end:
            world.step()
    assert [*scene.world.trace] == [*twin.trace]
    server = twin.components["apiserver-1"]
    assert len(server.store["secrets"]) == 4
