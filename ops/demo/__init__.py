"""``steadfill demo``: a deployment of its own, orders, faults, a killed worker, and a verdict from the venue's own log."""
