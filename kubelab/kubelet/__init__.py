"""The kubelet: it speaks for its node, and makes the pods that are bound to it run.

Here belongs what one node decides by itself: admission, the order in which a pod comes up and
goes down, probes, restarts, status. How a container is run (`runtime`), where a pod belongs
(`scheduler`) and how many there are (`controllers`) does not belong here. Read `kubelet.py`, then
`podworker.py`.
"""
