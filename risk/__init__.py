"""Pre-trade checks: what a request, a configuration and an instrument decide. Pure: facts come in as arguments."""
