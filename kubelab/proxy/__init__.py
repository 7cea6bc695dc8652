"""kube-proxy: Services and EndpointSlices into the rules of a node's kernel.

Here belongs what decides which rules there should be. How rules act on a packet does not belong
here; that is `network`. Read `proxy.py`, then `iptables.py`.
"""
