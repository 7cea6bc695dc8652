"""What the past costs: a copy of a running cluster, and the way back to an earlier event.

The mark is the prototype's: 10,000 pods copied in 5 ms.
"""

from __future__ import annotations

from tests.bench.bench_cluster import running
from tests.bench.harness import Result, sizes, stopwatch, trace_digest

FORKS = 5
REWINDS = 8


@sizes("pods", small=3, usual=(50, 500), full=(5000,), marks={5000: 0.0025 * FORKS})
def bench_fork(pods: int) -> Result:
    """Five copies of a cluster with so many pods."""
    cluster = running(pods)
    with stopwatch() as watch:
        twins = [cluster.fork() for _ in range(FORKS)]
    return Result(FORKS, "forks", watch.seconds, trace_digest(twins[-1].trace))


@sizes("pods", small=3, usual=(50, 500), full=(5000,))
def bench_rewind(pods: int) -> Result:
    """Back to eight events, spread over the whole past."""
    cluster = running(pods)
    last = len(cluster.trace)
    seconds, twin = 0.0, cluster
    for number in range(REWINDS):
        twin = cluster.fork()
        with stopwatch() as watch:
            twin.rewind(1 + last * number // REWINDS)
        seconds += watch.seconds
    return Result(REWINDS, "rewinds", seconds, trace_digest(twin.trace))
