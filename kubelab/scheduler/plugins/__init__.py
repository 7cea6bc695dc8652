"""The scheduler's plugins, one file each: the rule, its formula, the words that users read.

Here belongs what decides about one node for one pod. The order in which plugins are asked and their
weights stand in `../profile.py`; how their answers become a decision, in `../cycle.py`. Read
`nodeunschedulable.py` first, the smallest one, then `noderesourcesfit.py`.
"""
