"""The two lanes to a venue: what may wait, and what must get through."""

from enum import StrEnum


class Lane(StrEnum):
    #: new orders, and what is read for them or on a schedule
    ORDINARY = "ordinary"
    #: cancels, stops and lookups: they have a share of the rate to themselves, and pass an open breaker
    URGENT = "urgent"
