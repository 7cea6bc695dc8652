"""How fast the bare kernel is: events between two components that do nothing but answer."""

from __future__ import annotations

from kubelab.sim.kernel import Component, World
from tests.bench.harness import Result, sizes, stopwatch, trace_digest


class Player(Component):
    """Plays the ball back until the game is over."""

    def __init__(self, name: str, other: str) -> None:
        super().__init__(name)
        self.other = other

    def ball(self, left: int) -> None:
        """The other one has hit the ball."""
        if left:
            self.send(self.other, "ball", left - 1)


@sizes(
    "events",
    small=100,
    usual=(100_000,),
    full=(1_000_000,),
    marks={100_000: 1.0, 1_000_000: 10.0},
)
def bench_kernel(events: int) -> Result:
    """Two components play ball."""
    world = World()
    world.add(Player("left", "right"))
    world.add(Player("right", "left"))
    while world.step() is not None:
        pass
    world.inject("left", "ball", (events - 1,))
    with stopwatch() as watch:
        count = 0
        while world.step() is not None:
            count += 1
    return Result(count, "events", watch.seconds, trace_digest(world.trace))
