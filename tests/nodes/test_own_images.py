"""A learner's own image is a small class; what is wrong with it is its own end only."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from kubelab import Cluster
from tests.nodes.lines import ask, cluster, pod, state, status


class Greeter:
    """Answers on port 80; does not say what a signal does."""

    def start(self, process: Any) -> None:
        self.count = 0
        process.listen(80)

    def request(self, process: Any, port: int, protocol: str, payload: Any) -> Any:
        self.count += 1
        return f"hello {self.count}"


class Raises:
    """Breaks at its start."""

    def start(self, process: Any) -> None:
        raise KeyError("oops")


class Loops:
    """Never returns, and catches what it can."""

    def start(self, process: Any) -> None:
        while True:
            with contextlib.suppress(Exception):
                self.n = 1


class Broken:
    """Cannot even be made."""

    def __init__(self) -> None:
        raise ValueError("no")


@pytest.fixture(scope="module")
def settled() -> Cluster:
    """A cluster that knows four images of a learner."""
    c = cluster()
    for name, program in (("greeter", Greeter), ("raises", Raises), ("my/loops", Loops)):
        c.act("runtime/node-1", "add_program", name, program)
    c.act("runtime/node-1", "add_program", "broken", Broken)
    return c


def test_an_own_image_serves_and_is_copied(settled: Cluster) -> None:
    """A class is what its image does; its state belongs to the world, so a fork has its own."""
    c = settled.fork()
    c.apply(pod("web", {"image": "greeter"}))
    c.settle()
    assert ask(c, "port_forward", "default", "web", 80, "hi")["payload"] == "hello 1"
    twin = c.fork()
    assert ask(c, "port_forward", "default", "web", 80, "hi")["payload"] == "hello 2"
    assert ask(twin, "port_forward", "default", "web", 80, "hi")["payload"] == "hello 2"


@pytest.mark.parametrize(
    ("image", "code", "line"),
    [
        ("raises", 1, "KeyError: 'oops'"),
        ("my/loops", 137, "the program runs on and on without a pause"),
    ],
)
def test_a_program_that_breaks(settled: Cluster, image: str, code: int, line: str) -> None:
    """What a program raises ends its container with a line in its log; one that loops is ended."""
    c = settled.fork()
    c.apply(pod("web", {"image": image}, restartPolicy="Never"))
    c.settle()
    assert status(c, "web")["phase"] == "Failed"
    assert state(c, "web")["state"]["terminated"]["exitCode"] == code
    answer = ask(c, "container_logs", "default", "web", "c", {})
    assert answer["text"] == f"{line}\n"


def test_a_program_that_cannot_be_made(settled: Cluster) -> None:
    """A class whose constructor raises is a container that does not start."""
    c = settled.fork()
    c.apply(pod("web", {"image": "broken"}, restartPolicy="Never"))
    c.run(10)
    ended = state(c, "web")["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert ended["message"].endswith("ValueError: no: unknown")
