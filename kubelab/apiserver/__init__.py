"""The API server: the one place where all components meet.

Here belongs a request's way from its path to the store and back: routes, admission, defaults,
validation, the registry, watch caches, tables and discovery. The server keeps no state of its own
that it could not read again from etcd. What reacts to objects (controllers, scheduler, kubelets)
does not belong here. Read `server.py` first.
"""
