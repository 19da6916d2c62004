"""plan(parent, market, now) -> slices, for each execution algorithm."""
