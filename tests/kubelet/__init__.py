"""Tests of the kubelet: one machine with its runtime, and a stub of the API server."""
