"""Small worlds for the tests of the kernel."""

from __future__ import annotations

from typing import Any

from kubelab.sim.history import History
from kubelab.sim.kernel import Component, World
from kubelab.sim.tree import Obj


class Counter(Component):
    """Counts what it is told, keeps it in nested containers, and tells its neighbour."""

    def __init__(self, name: str, neighbour: str) -> None:
        super().__init__(name)
        self.neighbour = neighbour
        self.starts = 0

    def start(self) -> None:
        self.starts += 1
        self.seen: list[int] = []
        self.nested: dict[str, dict[str, list[int]]] = {"a": {"b": []}}
        self.lost: list[tuple[Any, ...]] = []

    def hit(self, number: int) -> None:
        self.seen.append(number)
        self.nested["a"]["b"].append(number)
        self.note(number=number, drawn=self.chance.below(1000))
        if number:
            self.send(self.neighbour, "hit", number - 1)

    def tick(self, every: float) -> None:
        self.after(every, "tick", every, background=True)

    def undelivered(self, target: str, verb: str, args: tuple[Any, ...], reason: str) -> None:
        self.lost.append((target, verb, args, reason))


def pair(seed: int = 0) -> History:
    """Two counters that play ball."""
    world = World(seed)
    world.add(Counter("a", "b"))
    world.add(Counter("b", "a"))
    history = History(world)
    history.run(0)
    return history


def state(world: World) -> Any:
    """Everything that a world remembers, comparable."""
    return (
        world.now,
        sorted(entry[:6] for entry in world.work),
        {
            name: {k: v for k, v in vars(component).items() if k != "world"}
            for name, component in world.components.items()
        },
        list(world.trace),
        Obj(),
    )
