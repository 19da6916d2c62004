"""Track: what rests at a venue is followed to its end, by open orders and trades per account and symbol."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from exchanges.evidence import Evidence, VenueError
from exchanges.gateway import Gateway
from exchanges.protection.lanes import in_lane
from exchanges.protection.refused import BudgetSpent, GateClosed, NotAdmitted
from failpoints import failpoint
from models.order import ChildOrder
from models.reports import OrderReport, Trade
from risk.lane import Lane
from storage.alerts import Severity, record_alert
from storage.attention import Watched, watched
from storage.children import children_at_venue, children_by_venue_ids
from storage.engine import is_unavailable, read, write
from storage.fills import booked_trades
from storage.leases import end, give_back, is_held, take
from storage.orders import Stale
from storage.track_cursors import cursor_of, move_cursor
from storage.venue_states import closed_until
from tasks.heartbeat import heartbeat_of
from tasks.larger_at_venue import is_larger, withdraw_if_larger
from tasks.look import hint_of, is_due, look_now
from tasks.outcomes import MovedOn
from tasks.reads import note_failed_read
from tasks.runtime import Runtime
from tasks.settle import apply_report, merged, with_all_trades
from tasks.step import step
from tasks.stream_health import alert_silent

log = structlog.get_logger()

#: After so many visibility lags an acknowledged order that is not shown is a matter for a person.
NOT_SHOWN_LAGS = 5

#: Trades are read again this far back, since venues may show them late and out of order.
OVERLAP = timedelta(seconds=30)

#: A symbol that was not looked at for so long may take the urgent lane.
STARVED_MS = 5_000
#: holder of the lease that says that a symbol was looked at
LOOKED = "look"

#: Nearer to the last moment whose trades a venue still shows than this is not asked for.
TRADES_KEPT_MARGIN = timedelta(hours=1)


def watch(runtime: Runtime) -> str:
    """Start one look for each venue account and symbol with something of ours at the venue.

    Where a healthy stream tells what happens, a look is due less often; the stream itself asks for those in between.
    """
    with read(runtime.engine) as conn:
        places = watched(conn)
    of_account = Counter((place.venue, place.account) for place in places)
    for place in places:
        if is_due(runtime, place, symbols=of_account[place.venue, place.account]):
            look_now(runtime, place)
    alert_silent(runtime)
    return f"{len(places)} symbols with orders at a venue"


def _looked(place: Watched) -> str:
    return f"looked:{place.venue}:{place.account}:{place.symbol}"


def track(runtime: Runtime, *, venue: str, account: str, symbol: str) -> str:
    """One look at one symbol: trades since the cursor, open orders, and each order that is no longer open."""
    place = Watched(venue=venue, account=account, symbol=symbol)
    name = f"track:{venue}:{account}:{symbol}"
    lease_ms = runtime.settings.execution.lease_ms
    with write(runtime.engine) as conn:
        epoch = take(conn, name, owner=f"{runtime.owner}:{threading.get_ident()}", lease_ms=lease_ms)
        closed = closed_until(conn, venue, account)
        starved = not is_held(conn, _looked(place))
        if epoch is None:
            # The hint has done its work: were it kept, one who looks after a killed one's lease would be called late.
            end(conn, hint_of(place))
    if epoch is None:
        return MovedOn("somebody else is looking")
    failpoint("track.leased")
    looked = False
    try:
        if closed is not None and closed > runtime.now():
            return f"{venue} wants to be left alone until {closed:%H:%M:%S}"
        with heartbeat_of(runtime).keeping_lease(name, epoch):
            said = _look_in_a_lane(runtime, place, starved=starved)
            looked = True
            return said
    except VenueError as error:
        note_failed_read(runtime, venue, account, error)
        return f"the venue could not be asked: {error.message}"
    finally:
        with write(runtime.engine) as conn:
            give_back(conn, name, epoch)
            end(conn, hint_of(place))
            if looked:
                take(conn, _looked(place), owner=LOOKED, lease_ms=STARVED_MS)


def _look_in_a_lane(runtime: Runtime, place: Watched, *, starved: bool) -> str:
    """A symbol that found no room among the orders for long is looked at like a send in doubt: fills must be known."""
    try:
        return _look(runtime, place)
    except BudgetSpent as refused:
        if not starved or isinstance(refused, GateClosed):
            raise
    with in_lane(Lane.URGENT):
        return _look(runtime, place)


def _look(runtime: Runtime, place: Watched) -> str:
    with read(runtime.engine) as conn:
        children = children_at_venue(conn, place.venue, place.account, place.symbol)
        since = cursor_of(conn, place)
    if not children:
        return "nothing rests"
    gateway = runtime.gateways.get(place.venue, place.account)
    oldest = min(child.sent_at or runtime.now() for child in children) - OVERLAP
    # What is older than all that lives here is of no interest, however long nothing was read.
    since = max(since, oldest) if since is not None else oldest
    kept = gateway.capabilities.trades_kept
    if kept is not None:
        # Whether an older one is missing shows in what the order says has filled, and keeps the child live.
        since = max(since, runtime.now() - kept + TRADES_KEPT_MARGIN)
    # Open orders are read BEFORE the trades: a fill between the two looks shows in the trades at least.
    open_orders = {report.venue_order_id: report for report in gateway.open_orders(place.symbol)}
    trades = gateway.trades_since(place.symbol, since)
    failpoint("track.read")
    with read(runtime.engine) as conn:
        traded = children_by_venue_ids(
            conn, place.venue, place.account, place.symbol, {trade.venue_order_id for trade in trades}
        )
        # Ended ones as well: a fill that turns up after the end is booked.
        booked = booked_trades(conn, [child.id for child in traded if child.is_final])
    late = [
        child
        for child in traded
        if child.is_final and any(_is_of(trade, child) and trade.venue_trade_id not in booked for trade in trades)
    ]
    all_followed = True
    for child in (*children, *late):
        report = open_orders.get(child.venue_order_id or "")
        all_followed = _follow_safely(runtime, gateway, child, report, trades) and all_followed
        failpoint("track.followed")
    if all_followed:  # else the same trades are read again: one that was not booked must not fall behind the cursor
        _remember(runtime, place, trades, since)
        failpoint("track.remembered")
    return f"{len(children)} orders, {len(open_orders)} open, {len(trades)} trades since {since:%H:%M:%S}"


def _follow_safely(
    runtime: Runtime, gateway: Gateway, child: ChildOrder, report: OrderReport | None, trades: Sequence[Trade]
) -> bool:
    """One child that can't be followed keeps nobody from following the others; False for such a one."""
    try:
        _follow(runtime, gateway, child, report, trades)
        return True
    except VenueError as error:
        if error.evidence is Evidence.RATE_LIMITED or error.outage or isinstance(error, NotAdmitted):
            raise  # the others would wait for the same silence
        log.warning("an order could not be read", child_id=child.id, error=error.message)
    except Stale:
        log.info("an order moved on while it was followed", child_id=child.id)
    except Exception as error:
        if is_unavailable(error):
            raise
        log.exception("an order could not be followed; the others are", child_id=child.id)
    return False


def _is_of(trade: Trade, child: ChildOrder) -> bool:
    return trade.venue_order_id == child.venue_order_id


def _follow(
    runtime: Runtime, gateway: Gateway, child: ChildOrder, report: OrderReport | None, trades: Sequence[Trade]
) -> None:
    own = tuple(trade for trade in trades if _is_of(trade, child))
    if report is None:
        report = _fetch(runtime, gateway, child)
    if report is None:
        return
    apply_report(
        runtime,
        child.id,
        with_all_trades(runtime, child, replace(report, trades=merged(report.trades, own))),
        source="track",
    )
    if is_larger(child, report):
        withdraw_if_larger(runtime, gateway, child.id)


def _fetch(runtime: Runtime, gateway: Gateway, child: ChildOrder) -> OrderReport | None:
    """The order's own page. None while the venue does not show it: its lists lag, and that proves nothing."""
    assert child.venue_order_id is not None
    try:
        return gateway.fetch_order(child.symbol, child.venue_order_id)
    except VenueError as error:
        if error.evidence is Evidence.NOT_FOUND:
            _alert_not_shown(runtime, child)
            return None
        raise


def _alert_not_shown(runtime: Runtime, child: ChildOrder) -> None:
    """The venue acknowledged it and does not show it: its lists lag, or something is badly wrong."""
    now = runtime.now()
    patience = NOT_SHOWN_LAGS * timedelta(milliseconds=runtime.settings.venues[child.venue].visibility_lag_ms)
    if child.sent_at is None or now < child.sent_at + patience:
        return
    message = (
        f"{child.venue} acknowledged order {child.venue_order_id} (ours: {child.order_id}) and does not show it. It "
        "is asked for on. Look at the venue's own page; if the order is not there, call the venue."
    )
    with write(runtime.engine) as conn:
        record_alert(
            conn,
            f"not-shown:{child.id}",
            kind="ORDER_NOT_SHOWN",
            severity=Severity.CRITICAL,
            message=message,
            detail={"order_id": child.order_id, "child_id": child.id, "venue_order_id": child.venue_order_id},
            now=now,
        )


def _remember(runtime: Runtime, place: Watched, trades: Sequence[Trade], since: datetime) -> None:
    if not trades:
        return
    newest = max(trade.traded_at for trade in trades) - OVERLAP
    if newest > since:
        with write(runtime.engine) as conn:
            move_cursor(conn, place, newest)


watch_task = step("orders.watch")(watch)
track_task = step("orders.track")(track)
