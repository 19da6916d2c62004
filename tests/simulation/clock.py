"""Virtual times as values. Many things happen at one virtual moment, so each is worked out once."""

from functools import lru_cache

from models.clock import from_micros

at_micros = lru_cache(maxsize=4_096)(from_micros)
