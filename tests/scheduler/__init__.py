"""Tests of the scheduler: plugins and cycles as functions, the component against a stub server."""
