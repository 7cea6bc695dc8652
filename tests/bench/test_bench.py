"""The benchmarks run, small, and do the same work each time."""

from __future__ import annotations

import pytest

from tests.bench.harness import benchmarks


@pytest.mark.parametrize("benchmark", benchmarks(), ids=lambda each: each.name)
def test_a_benchmark_runs_small(benchmark):
    """Each benchmark counts something, and two runs of it do the same work."""
    first, again = benchmark.run(benchmark.small), benchmark.run(benchmark.small)
    assert first.count > 0
    assert first.seconds >= 0
    assert first.hash == again.hash
