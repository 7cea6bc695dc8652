"""Time lines of nodes and their pods, over a whole cluster."""
