"""Tests of the container runtime, the fake images and their shell."""
