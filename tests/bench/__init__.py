"""Benchmarks: how long things take, how that grows, and whether the result stayed the same.

`bench_WHAT.py` holds functions `bench_*` that take a size and return a `Result`; `harness.py` says
what that is. `python -m tests.bench [NAME…] [--full]` runs them and prints a table with the
previous run beside it; under pytest the same functions run small, so that they cannot rot.
"""
