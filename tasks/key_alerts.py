"""A key that a venue refuses, while others of its account go on: a person should mend it."""

from datetime import datetime

import structlog
from sqlalchemy import Engine

from exchanges.key_ring import ASIDE_S, KeySetAside
from storage.alerts import Severity, record_alert
from storage.engine import write

log = structlog.get_logger()

KIND = "VENUE_KEY_SET_ASIDE"


def alert_key_set_aside(engine: Engine, now: datetime, told: KeySetAside) -> None:
    """Never raises: the request that met the refusal goes on with another key, whatever becomes of this."""
    message = (
        f"{told.venue} refuses key {told.number} of the {told.of} that account {told.account} has: {told.message}. "
        f"The others go on, and this one is tried again in {ASIDE_S / 60:.0f} minutes: mend it at the venue, or take it "
        "out of the configuration"
    )
    log.warning("alert", kind=KIND, message=message)
    try:
        with write(engine) as conn:
            record_alert(
                conn,
                f"key-set-aside:{told.venue}:{told.account}:{told.number}:{now:%Y-%m-%dT%H}",
                kind=KIND,
                severity=Severity.WARNING,
                message=message,
                detail={"venue": told.venue, "account": told.account, "key": told.number, "of": told.of},
                now=now,
            )
    except Exception:
        log.exception("an alert could not be recorded", kind=KIND, venue=told.venue, account=told.account)
