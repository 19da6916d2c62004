"""A person hears of a clock that is wrong, once while it stays so: requests are timed by the venue's clock meanwhile."""

import socket
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from exchanges.clock_skew import Skew, measure_skew
from exchanges.gateway import Gateway
from storage.alerts import Severity, last_alert, record_alert
from storage.engine import write
from tasks.clock import host_time
from tasks.runtime import Runtime

log = structlog.get_logger()

KIND = "CLOCK_SKEW"

#: A clock that was found right, or not looked at, for so long is wrong anew. Instruments are read again three times in it.
SPELL_ENDS_AFTER = timedelta(minutes=15)


def check_clock(runtime: Runtime, gateway: Gateway) -> str:
    """Compare this machine's clock with a venue's. Raises VenueError."""
    skew = measure_skew(gateway.time, host_time)
    limit_ms = runtime.settings.venues[gateway.venue].clock_skew_ms
    said = f"clocks are {skew.apart_ms} ms apart"
    if skew.at_least <= timedelta(milliseconds=limit_ms):
        return said
    message = sentence(gateway, skew, limit_ms)
    with write(runtime.engine) as conn:
        is_new = _alert(conn, gateway.venue, message, skew, runtime.now())
    if is_new:
        log.warning("alert", kind=KIND, message=message, venue=gateway.venue)
    return f"{said}: more than {limit_ms}"


def sentence(gateway: Gateway, skew: Skew, limit_ms: int) -> str:
    ahead = "ahead of" if skew.offset > timedelta() else "behind"
    return (
        f"The clock of {gateway.venue} is {skew.apart_ms} ms {ahead} that of {socket.gethostname()}, more than "
        f"clock_skew_ms {limit_ms}. {advice(gateway)}"
    )


def advice(gateway: Gateway) -> str:
    meanwhile = (
        "requests are timed by the venue's clock meanwhile"
        if gateway.capabilities.signs_milliseconds
        else "the venue may refuse our requests for their time until then"
    )
    return f"Set this machine's clock by NTP; {meanwhile}."


def _alert(conn: Connection, venue: str, message: str, skew: Skew, now: datetime) -> bool:
    place = f"clock-skew:{venue}:{socket.gethostname()}:"
    last = last_alert(conn, place)
    goes_on = last is not None and now - last["last_at"] <= SPELL_ENDS_AFTER
    return record_alert(
        conn,
        last["key"] if last is not None and goes_on else f"{place}{now.isoformat()}",
        kind=KIND,
        severity=Severity.WARNING,
        message=message,
        detail={"venue": venue, "host": socket.gethostname(), "apart_ms": skew.apart_ms},
        now=now,
    )
