"""The controller manager: loops that bring the cluster nearer to what is wished.

Here belongs one file for each control loop that runs in `controller-manager`, and what several of
them share (`pods.py`, `ownership.py`, `conditions.py`, `revisions.py`). The loop itself, informers
and work queues are in `kubelab/client`; nothing here knows the scheduler, the kubelet or etcd. Read
`replicaset.py` first, then `deployment.py`; `manager.py` lists all loops.
"""
