"""What really runs the containers: the runtime of a node, images, and what the fake images do.

Here belongs what stands behind the CRI: sandboxes, containers, images, the programs inside them and
the shell they understand. When something is to be run, and what its end means for a pod, is decided
by the kubelet and does not belong here. Read `cri.py`, then `service.py` and `programs.py`.
"""
