"""kubectl, built in: for where the real one cannot run, and for `Cluster.apply`.

Here belongs what kubectl does on its own side: reading manifests, apply's three-way merge,
printing. What the server answers does not belong here: kubectl knows the cluster only by
requests. Read `commands.py` first.
"""
