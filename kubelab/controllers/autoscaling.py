"""How many pods an autoscaler wants: the ratio of what is used to what is aimed at.

A target is a share of what the pods request (`Target(50, percent=True)`) or an amount a pod. Pods
that have not been ready long enough to be measured are set aside. Pods without a metric are
reckoned against the move: whole use when pods would be taken away, none when pods would be added.
Where these assumptions turn the direction, nothing is done.

In Kubernetes: pkg/controller/podautoscaler/replica_calculator.go; numbers are floats there too, so
that what is rounded up comes out the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Tolerance(NamedTuple):
    """How far from 1 a ratio may be, below and above, before anything is done."""

    down: float = 0.1
    up: float = 0.1

    def holds(self, ratio: float) -> bool:
        """Whether a ratio is too near to 1 to act upon."""
        return 1.0 - self.down <= ratio <= 1.0 + self.up


class Usage(NamedTuple):
    """One pod as the autoscaler sees it; `ready` is False for one that is set aside.

    Numbers are thousandths; `used` is None where there is no metric.
    """

    requested: int
    used: int | None
    ready: bool


class Target(NamedTuple):
    """What is aimed at: per cent of the request, or thousandths of a unit a pod."""

    amount: int
    percent: bool

    def current(self, pods: Sequence[Usage]) -> int:
        """What the pods use, as the target counts it."""
        if self.percent:
            return utilization(pods)
        return average(pods)

    def ratio(self, pods: Sequence[Usage]) -> float:
        """Used to aimed at."""
        return self.current(pods) / self.amount if self.amount else 0.0

    def whole(self, pod: Usage) -> int:
        """What a pod of unknown use is taken to use when pods would be taken away."""
        if self.percent:
            return pod.requested * max(100, self.amount) // 100
        return self.amount


def utilization(pods: Sequence[Usage]) -> int:
    """Used per cent of what is requested, rounded down."""
    requested = sum(pod.requested for pod in pods)
    return 100 * sum(pod.used or 0 for pod in pods) // requested if requested else 0


def average(pods: Sequence[Usage]) -> int:
    """Used by one pod, rounded down."""
    return sum(pod.used or 0 for pod in pods) // len(pods) if pods else 0


def measured(pods: Sequence[Usage]) -> list[Usage]:
    """The pods that have a metric which counts."""
    return [pod for pod in pods if pod.ready and pod.used is not None]


def wanted(
    current: int, target: Target, pods: Sequence[Usage], tolerance: Tolerance = Tolerance()
) -> int:
    """The number of pods at which each would use what is aimed at."""
    known = measured(pods)
    if not known:
        return current
    ratio = target.ratio(known)
    missing = [pod for pod in pods if pod.ready and pod.used is None]
    waiting = [pod for pod in pods if not pod.ready]
    if not missing and not (waiting and ratio > 1):
        return current if tolerance.holds(ratio) else math.ceil(ratio * len(known))
    if ratio < 1:
        assumed = [pod._replace(used=target.whole(pod)) for pod in missing]
    else:
        assumed = [pod._replace(used=0) for pod in missing]
        assumed += [pod._replace(used=0) for pod in waiting if ratio > 1]
    every = [*known, *assumed]
    again = target.ratio(every)
    if tolerance.holds(again) or (ratio < 1 < again) or (again < 1 < ratio):
        return current
    count = math.ceil(again * len(every))
    if (again < 1 and count > current) or (again > 1 and count < current):
        return current
    return count
