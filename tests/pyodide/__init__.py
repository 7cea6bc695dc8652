"""The suite on a second Python: the one that runs in browsers, Pyodide, here under node.

`prepare.py` fetches what is needed, `run.mjs` is `python -m` in Pyodide, `test_pyodide.py` runs the
suite there. Not here: tests of a browser's page; those stand in `tests/browser`.
"""
