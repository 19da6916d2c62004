"""Whether every venue account is still configured for the mode that its orders have had so far."""

from sqlalchemy import Engine

from settings import Settings
from storage.engine import read
from storage.venue_modes import mode_of, other_mode


def mode_conflicts(settings: Settings, engine: Engine) -> list[str]:
    """A sentence for each account that is configured for another mode; the database must have this version's schema."""
    found = []
    with read(engine) as conn:
        for name, venue in settings.venues.items():
            for account in venue.accounts:
                bound = mode_of(conn, name, account)
                if bound is not None and bound is not venue.mode:
                    found.append(other_mode(name, account, bound=bound, configured=venue.mode))
    return found
