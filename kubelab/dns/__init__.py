"""Names: the cluster's DNS server, what it answers, and the resolver inside the pods.

Here belongs everything about DNS messages, records and search paths. How a query travels does not
belong here; that is `network`. Read `records.py`, then `server.py` and `resolver.py`.
"""
