"""Chaos: real processes, real kills, cell by cell, and after each the venue's books against ours."""
