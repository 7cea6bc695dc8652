"""The world: components that meet by message, one event at a time, in virtual time.

Everything that happens is an event: at a time, a message with a verb and arguments reaches one
component, whose method of that name handles it to its end. The handler reads and changes its own
attributes and sends further messages; it never waits. So the state of the world is plain data: the
attributes of the components and the messages under way. It can be stepped, copied and compared.

What must hold: events are handled in the order (time, seq); `seq`, ids and chance come from the
world, never from the process; messages carry only immutable values; a component touches another one
only by `send`. Each event knows the event that caused it. Messages that periodic timers send are
background, and so is all that follows until somebody calls `promote`; `idle_until` tells when the
next foreground event is due, which is how a settled world is recognised.

In Kubernetes: nothing like it; a real cluster's processes run at once and its history is lost. The
shape is that of deterministic simulation testing (FoundationDB, TigerBeetle).
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple

from kubelab.sim.chance import Chance
from kubelab.sim.links import Links
from kubelab.sim.log import Log
from kubelab.sim.tree import EMPTY, Obj, freeze

SECOND = 1_000_000_000
UNIX = datetime(1970, 1, 1, tzinfo=timezone.utc)
EPOCH_NS = int((datetime(2026, 1, 1, tzinfo=timezone.utc) - UNIX).total_seconds()) * SECOND

# A request that is lost on a cut link is given up by its sender after so long.
TIMEOUT_NS = 10 * SECOND
# Messages along an open connection: one that is lost ends the connection, for both ends.
STREAM_VERBS = ("watched", "closed")

# Older events keep their line in the trace but lose their detail, so that memory is bounded.
DETAILS_KEPT = 400_000


class Event(NamedTuple):
    """Something that happened: `actor` sent `verb` to `target`, which has handled it.

    `detail` holds the numbers and names that the handler noted; `cause` is the id of the event
    during which the message was sent, or None for what came from outside. `ns` is nanoseconds since
    1970 in virtual time.
    """

    id: int
    ns: int
    actor: str
    verb: str
    target: str
    detail: Obj
    cause: int | None

    @property
    def time(self) -> datetime:
        """The virtual time of the event, UTC."""
        return to_datetime(self.ns)


def to_datetime(ns: int) -> datetime:
    """Nanoseconds since 1970 as an aware datetime (microseconds, rounded down)."""
    return UNIX + timedelta(microseconds=ns // 1000)


def from_datetime(moment: datetime) -> int:
    """Nanoseconds since 1970 of an aware datetime."""
    return (moment - UNIX) // timedelta(microseconds=1) * 1000


def timestamp(ns: int) -> str:
    """metav1.Time: RFC 3339 in whole seconds."""
    return to_datetime(ns).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_timestamp(ns: int) -> str:
    """metav1.MicroTime: RFC 3339 with six digits."""
    return to_datetime(ns).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_timestamp(text: str) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time in UTC or with an offset."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    delta = moment - UNIX
    return (delta.days * 86400 + delta.seconds) * SECOND + delta.microseconds * 1000


class Routine(NamedTuple):
    """A timer that finds the same each time for as long as nothing else happens.

    It comes every `period_ns`; a turn at `ends_ns` or later (None: no turn) must be handled. One
    that is `free` finds the same whatever else happens.
    """

    period_ns: int
    ends_ns: int | None = None
    free: bool = False


class Component:
    """A process of the cluster. Its methods are the verbs it understands.

    `__init__` takes the configuration and what survives a crash (a disk); `start` makes what a
    process holds in memory and sends its first messages. A stopped component handles nothing.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.world: World = None  # type: ignore[assignment]  # set by World.add
        self.stopped = True
        self.incarnation = 0

    def start(self) -> None:
        """Begins, or begins again after a stop, with empty memory."""

    def stop(self) -> None:
        """Told just before the component stops; it can send nothing any more."""

    def undelivered(self, target: str, verb: str, args: tuple[Any, ...], reason: str) -> None:
        """A message of ours was not delivered: `refused` at once, or `timeout` after a while."""

    def routine(self, verb: str, args: tuple[Any, ...]) -> Routine | None:
        """What is regular about a timer of ours, None if each turn must be handled (`lapse.py`)."""
        return None

    def passed(self, verb: str, args: tuple[Any, ...], turns: int, due: int) -> None:
        """So many turns of a routine timer were passed over; the next one is at `due`."""

    def send(self, target: str, verb: str, *args: Any) -> int:
        """Sends a message; it arrives after the link's latency. Returns the message's seq."""
        return self.world.send(self.name, target, verb, args)

    def after(self, seconds: float, verb: str, *args: Any, background: bool | None = None) -> int:
        """A timer: calls our own `verb` later, unless cancelled or we are stopped before.

        `background=True` marks a periodic timer, for which `settle` does not wait.
        """
        return self.world.after(self, round(seconds * SECOND), verb, args, background)

    def cancel(self, timer: int | None) -> None:
        """Cancels a timer; one that is over or None is ignored."""
        if timer is not None:
            self.world.cancelled[timer] = None

    def because(self, event_id: int | None) -> int | None:
        """What we send from here on has that event as its cause; returns the cause until now.

        For work that is taken up later than it became due: of many causes that wait in a queue, the
        one of the piece at hand.
        """
        before, self.world.current = self.world.current, event_id or self.world.current
        return before

    def note(self, **detail: Any) -> None:
        """Adds to the detail of the event being handled: what explains the decision."""
        self.world.detail.update(detail)

    def promote(self) -> None:
        """From here on, what this event causes counts as work that `settle` waits for."""
        self.world.background = False

    @property
    def now(self) -> int:
        """Virtual time, nanoseconds since 1970."""
        return self.world.now

    @property
    def timestamp(self) -> str:
        """Virtual time as metav1.Time."""
        return timestamp(self.world.now)

    @property
    def chance(self) -> Chance:
        """Our own stream of draws."""
        return self.world.stream(self.name)

    @staticmethod
    def tell(event: Event) -> str:
        """One plain sentence about an event that this kind of component handled."""
        return f"{event.actor} sends {event.verb} to {event.target}."


class Broken(AssertionError):
    """What must never happen has happened: a bug in kubelab, not in the learner's objects."""


class World:
    """All components, the messages under way, and the trace of what happened."""

    def __init__(self, seed: int | str = 0, epoch_ns: int = EPOCH_NS) -> None:
        self.seed = seed
        self.epoch = epoch_ns
        self.now = epoch_ns
        # When the last event was handled that is more than routine.
        self.stirred = epoch_ns
        self.seq = 0
        self.components: dict[str, Component] = {}
        self.links = Links()
        self.streams: dict[str, Chance] = {}
        # Two heaps of (time, seq, sender, target, verb, args, cause, incarnation).
        self.work: list[tuple[Any, ...]] = []
        self.periodic: list[tuple[Any, ...]] = []
        self.cancelled: dict[int, None] = {}
        self.trace: Log[Event] = Log()
        self.forgotten = 0
        # While an event is handled: its id, its notes, whether it is background. Then its seq.
        self.current: int | None = None
        self.handled = 0
        self.detail: dict[str, Any] = {}
        self.background = False

    def add(self, component: Component, *, start: bool = True) -> Component:
        """Adds a component; with `start` it begins as soon as the world moves on."""
        component.world = self
        self.components[component.name] = component
        if start:
            self.begin(component.name)
        return component

    def remove(self, name: str) -> None:
        """Takes a component away; messages to it are refused from now on."""
        component = self.components.pop(name, None)
        if component is not None:
            component.stopped = True
            self._void_timers(name)

    def stream(self, name: str) -> Chance:
        """The stream of draws of this name."""
        stream = self.streams.get(name)
        if stream is None:
            stream = self.streams[name] = Chance(self.seed, name)
        return stream

    def begin(self, name: str) -> None:
        """Starts a stopped component (a message `start` to it)."""
        component = self.components[name]
        if component.stopped:
            component.stopped = False
            self.push(self.now, name, name, "start", (), component.incarnation)

    def halt(self, name: str) -> None:
        """Stops a component at once: its timers are void, messages to it are refused."""
        component = self.components[name]
        if not component.stopped:
            component.stop()
            component.stopped = True
            component.incarnation += 1
            self._void_timers(name)

    def _void_timers(self, name: str) -> None:
        """Drops the timers of a process that is gone, so that nobody waits for one of them."""
        for heap in (self.work, self.periodic):
            kept = [entry for entry in heap if entry[3] != name or entry[7] is None]
            if len(kept) < len(heap):
                heap[:] = kept
                heapify(heap)

    def send(self, sender: str, target: str, verb: str, args: tuple[Any, ...]) -> int:
        """Puts a message under way."""
        if self.links.groups and self.links.is_cut(sender, target):
            return self._lose(sender, target, verb, args)
        arrival = self.links.arrival_ns(self.now, sender, target)
        return self.push(arrival, sender, target, verb, args, None)

    def _lose(self, sender: str, target: str, verb: str, args: tuple[Any, ...]) -> int:
        """A message into a cut is lost; its sender, and who waits for it, find out in time."""
        arrival = self.now + TIMEOUT_NS
        if verb == "response":
            waiting = self.components.get(target)
            epoch = waiting.incarnation if waiting else None
            lost = (sender, "request", args, "timeout")
            return self.push(arrival, target, target, "undelivered", lost, epoch)
        if verb in STREAM_VERBS and target in self.components:
            # Both ends of a connection find out by themselves that it no longer carries anything.
            life = self.components[target].incarnation
            self.push(arrival, target, target, "closed", args[:1], life)
        epoch = self.components[sender].incarnation if sender in self.components else None
        lost = (target, verb, args, "timeout")
        return self.push(arrival, sender, sender, "undelivered", lost, epoch)

    def after(
        self,
        component: Component,
        delay_ns: int,
        verb: str,
        args: tuple[Any, ...],
        background: bool | None,
    ) -> int:
        """Sets a timer of a component."""
        before = self.background
        if background is not None:
            self.background = background
        name = component.name
        seq = self.push(self.now + delay_ns, name, name, verb, args, component.incarnation)
        self.background = before
        return seq

    def push(
        self,
        time: int,
        sender: str,
        target: str,
        verb: str,
        args: tuple[Any, ...],
        incarnation: int | None,
    ) -> int:
        self.seq += 1
        heap = self.periodic if self.background else self.work
        heappush(heap, (time, self.seq, sender, target, verb, args, self.current, incarnation))
        return self.seq

    def _head(self) -> list[tuple[Any, ...]] | None:
        """The heap that holds the next event, with cancelled ones dropped."""
        work, periodic, cancelled = self.work, self.periodic, self.cancelled
        if cancelled:
            while work and work[0][1] in cancelled:
                del cancelled[heappop(work)[1]]
            while periodic and periodic[0][1] in cancelled:
                del cancelled[heappop(periodic)[1]]
        if not work:
            return periodic or None
        if not periodic or work[0] < periodic[0]:
            return work
        return periodic

    def next_time(self) -> int | None:
        """When the next event is due, or None."""
        heap = self._head()
        return heap[0][0] if heap else None

    def idle_until(self) -> int | None:
        """When the next event that is not periodic is due, or None."""
        self._head()
        return self.work[0][0] if self.work else None

    def step(self) -> Event | None:
        """Handles the next event; None if there is none, or if it fell to a stopped component."""
        while True:
            heap = self._head()
            if heap is None:
                return None
            entry = heappop(heap)
            time, seq, sender, target, verb, args, cause, incarnation = entry
            component = self.components.get(target)
            alive = component is not None and not component.stopped
            life = component.incarnation if component is not None else None
            if incarnation is None or (alive and life == incarnation):
                break
            # A timer of a process that is gone.
        self.now = time
        self.background = heap is self.periodic
        number = self.current = len(self.trace) + 1
        self.detail = {}
        if alive:
            getattr(component, verb)(*args)
        elif sender in self.components and sender != target:
            epoch = self.components[sender].incarnation
            self.detail["refused"] = True
            back = time + self.links.latency_ns(target, sender)
            lost = (target, verb, args, "refused")
            self.push(back, sender, sender, "undelivered", lost, epoch)
        if not self.background:
            self.stirred = time
        detail = freeze(self.detail) if self.detail else EMPTY
        event = Event(number, time, sender, verb, target, detail, cause)
        self.current, self.background, self.handled = None, False, seq
        self.trace.append(event)
        self._forget()
        return event

    def _forget(self) -> None:
        """Drops the detail of old events, a chunk at a time."""
        if len(self.trace) - self.forgotten > DETAILS_KEPT + Log.CHUNK:
            self.trace.replace_chunk(
                self.forgotten // Log.CHUNK,
                [
                    event._replace(detail=EMPTY)
                    for event in self.trace.chunk(self.forgotten // Log.CHUNK)
                ],
            )
            self.forgotten += Log.CHUNK

    def inject(
        self, target: str, verb: str, args: tuple[Any, ...], cause: int | None = None
    ) -> int:
        """A message from outside the world, of the actor `you`, handled next."""
        before = self.current
        self.current = cause
        seq = self.push(self.now, "you", target, verb, args, None)
        self.current = before
        return seq
