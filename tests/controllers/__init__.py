"""Tests of the controllers, each alone in a World against a stub of the API server (`stub.py`)."""
