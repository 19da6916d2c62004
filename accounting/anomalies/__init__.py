"""Anomalies: a series of figures that has moved away from what is usual for it, and stays away (docs/anomalies.md)."""
