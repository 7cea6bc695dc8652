"""The tests. `tests/PACKAGE/test_FILE.py` tests one file of the package; the rest stands here.

Not here: anything that the package needs to run. Read `conftest.py` first, then `tidy.py`.
"""
