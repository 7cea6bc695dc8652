"""The scheduler: which node is best for a pod, and why.

Here belong the scheduling cycle, its queue, its picture of the nodes, the framework of extension
points and the plugins that stand at them, one file a plugin. What starts a pod once it is bound
belongs to the kubelet; who makes pods, to the controllers. Read `scheduler.py` first, then
`framework.py` and any file of `plugins/`.
"""
