"""Tests of the store. Read `test_mvcc.py` first."""
