"""Instruments where a step needs one: from the process, the store, or as a last resort the venue."""

import structlog

from exchanges.evidence import VenueError
from models.instrument import Instrument
from tasks.runtime import Runtime

log = structlog.get_logger()


def instrument_of(runtime: Runtime, venue: str, symbol: str) -> Instrument | None:
    """None when neither we nor the venue can say anything of the symbol now."""
    found = runtime.instruments.get(venue, symbol)
    if found is not None or runtime.instruments.known(venue):
        return found
    try:
        runtime.instruments.refresh(venue)
    except VenueError as error:
        log.warning("instruments could not be read", venue=venue, error=error.message)
        return None
    return runtime.instruments.peek(venue, symbol)
