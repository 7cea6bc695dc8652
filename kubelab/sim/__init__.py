"""Time and chance: the simulation kernel, which knows nothing of Kubernetes.

Here belong virtual time, events, components, links between components, seeded chance, copies of a
world and its history. What an API object is does not belong here, nor does anything that reads a
wall clock, a socket or a thread. Read `kernel.py` first.
"""
