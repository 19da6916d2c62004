"""Deterministic simulation of the order protocol: one process, one seed, virtual time; see docs/adr/0015."""
