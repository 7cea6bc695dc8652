"""The nodes' Linux kernels and the wires between them: addresses, rules, packets.

Here belongs what a packet meets on its way: sockets, rule tables, connection tracking, routes,
and the plain records that travel. Who writes the rules (`proxy`), who answers for names (`dns`)
and what programs do with a request (`runtime`) does not belong here. Read `packet.py` first.
"""
