"""How the streams are, told to everybody: rows that say until when they may be believed, and alerts."""

from dataclasses import asdict, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from exchanges.streams.status import StreamState, StreamStatus
from storage.alerts import Severity, last_alert, record_alert
from storage.engine import read, write
from storage.leases import end, take
from storage.streams import list_streams, tell_stream
from tasks.runtime import Runtime

log = structlog.get_logger()

#: how often the process that streams tells how its streams are
TELL_EVERY_S = 2.0
#: What it told is believed so long: two tellings may fail. This, and the time between slow polls, bound how late a fill
#: is found after the process was killed.
BELIEVED_S = 6.0
#: A subscription may take effect a moment after it was asked for, and the poll at that moment may be too early.
SETTLED_S = 5.0
#: a stream that is down for so long is a matter for a person
ALERT_AFTER_S = 60.0


def is_healthy(status: StreamStatus, now: datetime) -> bool:
    """Whether polling may be slower because of it."""
    return status.state is StreamState.LIVE and now - status.since >= timedelta(seconds=SETTLED_S)


def tell(conn: Connection, runtime: Runtime, place: tuple[str, str], status: StreamStatus) -> None:
    """One stream's row, and the alert that is due."""
    now = runtime.now()
    _keep(conn, runtime, place, status, now + timedelta(seconds=BELIEVED_S) if is_healthy(status, now) else None)
    if status.state is not StreamState.LIVE and now - status.since >= timedelta(seconds=ALERT_AFTER_S):
        _alert(conn, place, status.since, f"since {status.since:%H:%M:%S}: {status.error or 'it never came up'}", now)


def end_stream(conn: Connection, runtime: Runtime, place: tuple[str, str], status: StreamStatus) -> None:
    """The process ends: its word counts no longer, and the account is free for another."""
    _keep(conn, runtime, place, replace(status, state=StreamState.DOWN, error="the process has ended"), None)
    end(conn, _lease(place))


def _keep(
    conn: Connection, runtime: Runtime, place: tuple[str, str], status: StreamStatus, until: datetime | None
) -> None:
    row = {**asdict(status), "state": status.state.value, "owner": runtime.owner, "told_at": runtime.now()}
    tell_stream(conn, {"venue": place[0], "account": place[1], **row, "healthy_until": until})


def _lease(place: tuple[str, str]) -> str:
    return f"stream:{place[0]}:{place[1]}"


def is_ours(conn: Connection, runtime: Runtime, place: tuple[str, str]) -> bool:
    """Whether this process streams the account: one does, and another takes over when it is gone."""
    return take(conn, _lease(place), owner=runtime.owner, lease_ms=round(BELIEVED_S * 1000)) is not None


def alert_silent(runtime: Runtime) -> None:
    """A row that nobody has renewed for too long: the process that streams is gone, and polling alone goes on."""
    streaming = {name for name, venue in runtime.settings.venues.items() if venue.streams}
    if not streaming:
        return
    now = runtime.now()
    with read(runtime.engine) as conn:
        silent = [
            row
            for row in list_streams(conn)
            if row["venue"] in streaming
            and now - row["told_at"] >= timedelta(seconds=ALERT_AFTER_S)
            and last_alert(conn, _key((row["venue"], row["account"]), row["told_at"])) is None
        ]
    for row in silent:
        with write(runtime.engine) as conn:
            what = f"and no process has told of it since {row['told_at']:%H:%M:%S}"
            _alert(conn, (row["venue"], row["account"]), row["told_at"], what, now)


def _key(place: tuple[str, str], since: datetime) -> str:
    return f"stream-down:{place[0]}:{place[1]}:{since:%Y%m%dT%H%M%S}"


def _alert(conn: Connection, place: tuple[str, str], since: datetime, what: str, now: datetime) -> None:
    venue, account = place
    new = record_alert(
        conn,
        _key(place, since),
        kind="STREAM_DOWN",
        severity=Severity.WARNING,
        message=(
            f"the stream of {venue} ({account}) is down, {what}. Orders are polled as without one and nothing is lost; "
            "fills are heard of a moment later. Look at `steadfill ps` and at the log of the stream process, or set "
            "streams = false."
        ),
        detail={"venue": venue, "account": account},
        now=now,
    )
    if new:
        log.warning("alert", kind="STREAM_DOWN", venue=venue, account=account, what=what)
