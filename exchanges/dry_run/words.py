"""What a simulated venue makes of a request, and how it says what it knows."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from exchanges.dry_run.matching import held
from exchanges.dry_run.store import DryRunAccount
from exchanges.evidence import Evidence, VenueError
from exchanges.venue_clock import ticks_s
from models.dry_run import DryRunOrder
from models.instrument import Instrument
from models.money import ZERO, add
from models.reports import NewOrder, OrderReport, Trade, VenueStatus
from models.vocabulary import OrderType


class SimulatedClock:
    """The venue's time from here on, without asking anybody again."""

    def __init__(self, at: datetime) -> None:
        self._at, self._ticks = at, ticks_s()

    def now(self) -> datetime:
        return self._at + timedelta(seconds=ticks_s() - self._ticks)


def placed(order: NewOrder, client_id: str, instrument: Instrument, fee_in: str, now: datetime) -> DryRunOrder:
    return DryRunOrder(
        id=f"dry-{client_id}",
        client_order_id=client_id,
        symbol=order.symbol,
        base=instrument.base,
        quote=instrument.quote,
        side=order.side,
        type=order.type,
        quantity=order.quantity,
        price=None if order.type is OrderType.MARKET else order.price,
        status=VenueStatus.OPEN,
        lot=instrument.lot,
        maker_fee=instrument.maker_fee,
        taker_fee=instrument.taker_fee,
        fee_in=fee_in,
        seen_until=now,
        created_at=now,
    )


def report(order: DryRunOrder, trades: Sequence[Trade]) -> OrderReport:
    return OrderReport(
        symbol=order.symbol,
        venue_order_id=order.id,
        client_order_id=order.client_order_id,
        status=order.status,
        quantity=order.quantity,
        filled_quantity=order.filled_quantity,
        filled_cost=order.filled_cost,
        price=order.price,
        trades=tuple(trades),
        message="dry run: the book that is shown holds no more at its price"
        if order.status is VenueStatus.EXPIRED
        else "",
    )


def used_funds(account: DryRunAccount) -> dict[str, Decimal]:
    used: dict[str, Decimal] = {}
    for order in account.open_orders():
        asset, amount = held(order)
        used[asset] = add(used.get(asset, ZERO), amount)
    return used


def nothing_placed(venue: str, error: VenueError) -> VenueError:
    """The market could not be read: whatever that proves about the request, no order was placed."""
    kept = (Evidence.RATE_LIMITED, Evidence.REJECTED)
    return VenueError(
        error.evidence if error.evidence in kept else Evidence.NOT_SENT,
        f"dry run of {venue}: its market can't be read, so nothing was placed: {error.message}",
        code=error.code,
        retry_after_s=error.retry_after_s,
        status=error.status,
        outage=error.outage,
    )
