"""Movements: deposits, withdrawals and transfers that a venue tells of are booked, once by its own ids."""

from datetime import timedelta

import structlog

from exchanges.evidence import VenueError
from failpoints import failpoint
from models.money import plain
from models.movement import Movement
from models.vocabulary import Mode
from storage.alerts import Severity, record_alert
from storage.engine import read, write
from storage.ledger import EntryConflict
from storage.movements import PostedMovement, opened_at, post_movement
from storage.outbox import Kind, enqueue
from storage.venue_states import closed_until
from tasks.queues import VENUE
from tasks.reads import note_failed_read
from tasks.runtime import Runtime
from tasks.step import step

log = structlog.get_logger()

TASK = "venues.movements"

#: How far back the venue's lists are read each time: a withdrawal may stand for days before it is done or returned.
LOOK_BACK = timedelta(days=30)
#: A deposit that began before our books were opened may have been credited after it.
BEFORE_OPENING = timedelta(days=7)


def book_movements(runtime: Runtime, venue: str, account: str) -> str:
    """Book what the venue tells of and our books lack. Any number of these may run at once. Raises VenueError."""
    gateway = runtime.gateways.get(venue, account)
    with read(runtime.engine) as conn:
        opened = opened_at(conn, venue, account)
    if opened is None:
        return "its books are not open"
    if not gateway.capabilities.tells_movements:
        return f"{venue} has no list of deposits that is known here"
    now = runtime.now()
    found = gateway.movements(max(opened - BEFORE_OPENING, now - LOOK_BACK))
    failpoint("movements.read")
    booked = sum(_book(runtime, venue, account, movement) for movement in found)
    return f"{booked} of {len(found)} movements booked"


def book_what_is_told(runtime: Runtime, venue: str, account: str) -> str:
    """The same for who goes on without the lists where the venue does not show them."""
    try:
        return book_movements(runtime, venue, account)
    except VenueError as error:
        log.info("the venue's lists of deposits could not be read", venue=venue, account=account, error=error.message)
        return error.message


def book_all(runtime: Runtime) -> str:
    """One message per venue account, so that one that hangs delays no other."""
    now, count = runtime.now(), 0
    with write(runtime.engine) as conn:
        for venue, configured in runtime.settings.venues.items():
            if configured.mode is Mode.DRY_RUN:
                continue
            for account in configured.accounts:
                kwargs = {"venue": venue, "account": account}
                enqueue(conn, Kind.TASK, TASK, VENUE, kwargs, now=now, due_at=now)
                count += 1
    return f"{count} venue accounts"


def book_account(runtime: Runtime, *, venue: str, account: str) -> str:
    if venue not in runtime.settings.venues or account not in runtime.settings.venues[venue].accounts:
        return f"{venue} ({account}) is not configured here"
    with read(runtime.engine) as conn:
        closed = closed_until(conn, venue, account)
    if closed is not None and closed > runtime.now():
        return f"{venue} wants to be left alone until {closed:%H:%M:%S}"
    try:
        return book_movements(runtime, venue, account)
    except VenueError as error:
        note_failed_read(runtime, venue, account, error)
        return f"{venue} could not be asked: {error.message}"


def _book(runtime: Runtime, venue: str, account: str, movement: Movement) -> bool:
    now = runtime.now()
    try:
        with write(runtime.engine) as conn:
            posted = post_movement(conn, venue, account, movement, at=now)
            failpoint("movements.posted")
            if posted.shortfall is not None:
                message = _short(venue, account, movement, posted)
                record_alert(
                    conn,
                    f"movement-short:{venue}:{account}:{movement.kind}:{movement.venue_id}",
                    kind="BOOKS_SHORT",
                    severity=Severity.CRITICAL,
                    message=message,
                    detail={"asset": movement.asset, "amount": plain(posted.shortfall.amount)},
                    now=now,
                )
                log.error("alert", kind="BOOKS_SHORT", message=message)
    except EntryConflict as conflict:
        _alert_contradiction(runtime, venue, account, movement, conflict)
        return False
    if posted.new:
        log.info(
            "a movement was booked", venue=venue, account=account, kind=movement.kind.value, id=movement.venue_id,
            asset=movement.asset, amount=plain(movement.amount), explained=plain(posted.explained),
        )  # fmt: skip
    return posted.new


def _short(venue: str, account: str, movement: Movement, posted: PostedMovement) -> str:
    missing = posted.shortfall.amount if posted.shortfall else 0
    return (
        f"{movement.kind.value} {movement.venue_id} took {missing} {movement.asset} more than was available in the books of "
        f"{venue} ({account}); booked against suspense. Orders may hold what is gone: compare the balances and cancel them."
    )


def _alert_contradiction(
    runtime: Runtime, venue: str, account: str, movement: Movement, conflict: EntryConflict
) -> None:
    message = (
        f"{venue} ({account}) told {movement.kind.value} {movement.venue_id} twice with different content. "
        f"The first stands in the books: {conflict}."
    )
    with write(runtime.engine) as conn:
        record_alert(
            conn,
            f"movement-contradiction:{venue}:{account}:{movement.kind}:{movement.venue_id}",
            kind="CONTRADICTORY_MOVEMENT",
            severity=Severity.CRITICAL,
            message=message,
            detail={"existing": dict(conflict.existing), "told": dict(conflict.posted)},
            now=runtime.now(),
        )
    log.error("alert", kind="CONTRADICTORY_MOVEMENT", message=message)


book_all_task = step("venues.movements_all")(book_all)
book_account_task = step(TASK)(book_account)
