"""A venue account that is simulated beside the real market: nothing private ever leaves."""
