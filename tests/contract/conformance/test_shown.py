"""What a venue shows: instruments, its time, prices, book, candles, balances."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.ccxt_public_trades import SOME
from exchanges.evidence import Evidence
from exchanges.gateway import Gateway
from exchanges.market_shown import Tape, market_shown
from models.clock import from_milliseconds, milliseconds
from models.vocabulary import Side
from tests.contract.conformance.orders import evidence, new_order
from tests.contract.dialects.book import ASKS, BIDS
from tests.contract.dialects.dialect import Dialect
from tests.contract.dialects.server import WITHOUT_DATA, Operation

D = Decimal
MINUTE = timedelta(minutes=1)


def test_the_instrument_has_the_venues_steps_exactly(gateway: Gateway, venue: Dialect) -> None:
    found = {instrument.symbol: instrument for instrument in gateway.instruments()}

    assert set(found) == {venue.symbol}
    shown = found[venue.symbol]
    assert (shown.venue, shown.base, shown.quote) == ("venue", *venue.symbol.split("/"))
    assert (shown.tick, shown.lot) == (venue.book.tick, venue.book.lot)
    assert shown.min_notional == (venue.book.min_notional if venue.tells_min_notional else 0)
    assert shown.active


def test_the_time_is_the_venues_also_where_it_differs_from_ours(lone: Dialect) -> None:
    ahead = timedelta(minutes=20) if lone.tells_time else timedelta(0)
    lone.set_clock(ahead // timedelta(milliseconds=1))
    gateway = CcxtGateway(lone.config())

    # What is signed is signed by the venue's time, far outside of which ours is.
    assert gateway.balances()
    assert abs(gateway.time() - (datetime.now(UTC) + ahead)) < timedelta(minutes=5)
    assert abs(gateway.estimated_time() - gateway.time()) < timedelta(minutes=5)
    report = gateway.create_order(new_order(gateway, lone))
    assert gateway.fetch_order(lone.symbol, report.venue_order_id).filled_quantity == 0
    gateway.close()


def test_the_quote_is_the_best_of_the_book_exactly(gateway: Gateway, venue: Dialect) -> None:
    quote = gateway.quote(venue.symbol)

    assert (quote.bid, quote.ask) == (BIDS[0][0], ASKS[0][0])


def test_the_book_has_its_levels_in_order_and_no_more_than_asked(gateway: Gateway, venue: Dialect) -> None:
    whole, best = gateway.order_book(venue.symbol, 20), gateway.order_book(venue.symbol, 1)

    assert (whole.bids, whole.asks) == (BIDS, ASKS)
    assert (best.bids, best.asks) == (BIDS[:1], ASKS[:1])


def test_candles_are_those_that_ended_in_the_time_asked_for(gateway: Gateway, venue: Dialect) -> None:
    now = gateway.time()
    since = now - MINUTE * 6

    found = gateway.candles(venue.symbol, MINUTE, since, now + MINUTE)

    shown = venue.candles(milliseconds(since), milliseconds(now))
    values = [(row.open_ms, row.open, row.high, row.low, row.close, row.volume) for row in shown]
    seen = [(milliseconds(c.open_at), c.open, c.high, c.low, c.close, c.volume) for c in found]
    assert len(seen) >= 5
    assert seen == values[: len(seen)], "none left out, every number exact"
    assert found[-1].open_at + MINUTE <= from_milliseconds(venue.book.now_ms()), "what still grows is left out"


def test_public_trades_come_oldest_first_each_once_and_tell_how_far_back_they_are_whole(
    gateway: Gateway, venue: Dialect
) -> None:
    traded = venue.trade_publicly(130)
    # Between two trades: some classes read times through floats, and are a millisecond off.
    since_ms = traded[4].at_ms - 500

    found = gateway.public_trades(venue.symbol, from_milliseconds(since_ms))

    wanted = [one for one in traded if one.at_ms >= since_ms]
    shown = market_shown(venue.ccxt_id)
    assert found.is_complete is (shown.tape is not Tape.LAST)
    assert len(found) >= min(len(wanted), venue.prints_a_page, SOME)
    wanted = wanted if found.is_complete else wanted[-len(found) :]
    assert [(trade.price, trade.quantity) for trade in found] == [(one.price, one.quantity) for one in wanted]
    assert all(abs(milliseconds(trade.at) - one.at_ms) <= 1 for trade, one in zip(found, wanted, strict=True))
    assert len({trade.id for trade in found}) == len(found)
    assert [trade.taker for trade in found] == [Side(one.side) if shown.side_is_takers else None for one in wanted]
    if not found.is_complete:
        assert found.complete_from == found[0].at + timedelta(milliseconds=1)


def test_public_trades_that_cannot_be_read_are_no_quiet_market(gateway: Gateway, venue: Dialect) -> None:
    since = gateway.time() - MINUTE
    venue.strike(WITHOUT_DATA, Operation.PUBLIC_TRADES)

    assert evidence(lambda: gateway.public_trades(venue.symbol, since)) is Evidence.AMBIGUOUS


def test_balances_tell_free_and_locked_exactly(gateway: Gateway, venue: Dialect) -> None:
    before = {balance.asset: balance for balance in gateway.balances()}
    gateway.create_order(new_order(gateway, venue))
    gateway.create_order(new_order(gateway, venue, side=Side.SELL, price=D("70000"), quantity=D("0.12345")))

    after = {balance.asset: balance for balance in gateway.balances()}

    assert set(after) == {"BTC", "USDT"}
    assert after["USDT"].used == D("500.0001")
    assert after["BTC"].used == D("0.12345")
    assert [after[asset].total for asset in after] == [before[asset].total for asset in after]
