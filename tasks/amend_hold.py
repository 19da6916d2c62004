"""What an order must hold once it is amended: for what is left of it, at its new price."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection

from accounting.holds import FeeIn, Hold, hold_needed, market_buy_price
from exchanges.capabilities import capabilities
from models.amendment import Amendment
from models.instrument import Instrument
from models.money import EXACT, ZERO, multiply, round_up_to, subtract
from models.order import Order
from storage.ledger_amends import lower_hold, raise_hold
from storage.ledger_reads import held_for
from tasks.runtime import Runtime

#: the step that a share of a hold is rounded up to, in its asset: finer than any venue's
_STEP = EXACT.scaleb(Decimal(1), -18)


def hold_wanted(
    conn: Connection,
    runtime: Runtime,
    order: Order,
    instrument: Instrument,
    *,
    quantity: Decimal,
    price: Decimal | None,
) -> Hold:
    """``quantity``: the new total; ``price``: the new limit, None for a market order.

    A market buy keeps what it holds for each unit, or what its arrival price asks for where that is more: so nobody
    has to ask the venue for a price before an amendment can be taken.
    """
    remaining = subtract(quantity, order.filled_quantity)
    execution, venue = runtime.settings.execution, runtime.settings.venues[order.venue]
    at = price if price is not None else market_buy_price(order.arrival_price or ZERO, execution.market_hold_buffer)
    hold = hold_needed(
        side=order.side,
        base=order.base,
        quote=order.quote,
        remaining=remaining,
        price=at,
        fee_rate=instrument.taker_fee,
        fee_in=FeeIn(capabilities(venue.ccxt_id).fee_in),
    )
    if price is not None or order.remaining_quantity <= 0:
        return hold
    held = held_for(conn, order.id).get(hold.asset, ZERO)
    share = round_up_to(EXACT.divide(multiply(held, remaining), order.remaining_quantity), _STEP)
    return Hold(asset=hold.asset, amount=max(hold.amount, share))


def raise_to(conn: Connection, order: Order, hold: Hold, amendment: Amendment, now: datetime) -> Decimal:
    """Before anything else of the amendment. Raises InsufficientFunds."""
    return raise_hold(
        conn,
        order_id=order.id,
        venue=order.venue,
        account=order.account,
        asset=hold.asset,
        to=hold.amount,
        amendment_id=amendment.id,
        at=now,
    )


def lower_to(conn: Connection, order: Order, hold: Hold, amendment: Amendment, now: datetime) -> Decimal:
    """After all else of the amendment, with nothing of the order in doubt."""
    return lower_hold(
        conn,
        order_id=order.id,
        venue=order.venue,
        account=order.account,
        asset=hold.asset,
        to=hold.amount,
        amendment_id=amendment.id,
        at=now,
    )
