"""Kubernetes' protobuf form of objects: what kubectl and other Go clients put into their bodies.

Here: the table of field numbers with its generator, and the reader. Not here: what a body is used
for (`apiserver/decoding.py`), and answers, which every client takes in JSON. Read `wire.py` first.
"""
