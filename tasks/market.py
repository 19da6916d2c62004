"""What a planner is told of the market: only what its algorithm needs, asked of the venue now or a little while ago."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from algorithms.candle import Candle as PlannerCandle
from algorithms.impact import volatility
from algorithms.parent import Market
from algorithms.volume_curve import VolumeCurve, volume_curve
from exchanges.evidence import Evidence, VenueError
from exchanges.gateway import Gateway
from models.algorithm import Adaptive, Algorithm, Pov, Vwap
from models.market_data import BookSide, Candle
from models.money import EXACT, ZERO, add, multiply, subtract
from models.order import Order
from models.vocabulary import Side
from storage.engine import read
from storage.fills import volume_booked
from storage.schedules import Schedule
from tasks.market_cache import MarketCache
from tasks.runtime import Runtime

T = TypeVar("T")

MILLISECOND, MINUTE = timedelta(milliseconds=1), timedelta(minutes=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
#: candles of the volatility and of the day's volume: every venue has them, and a day of them is one request at most
LATELY = timedelta(minutes=5)

#: how long a curve is kept: it is made of whole days
CURVE_KEPT_S = 3_600.0
#: and what a day of candles says
LATELY_KEPT_S = 300.0

#: Trades are read back no further than this. Who was not looked after for longer makes good for none of it anyway.
LONGEST_TAPE = timedelta(minutes=10)
#: A longer time is measured in candles: minutes for half a day, beyond that hours.
MINUTES_UP_TO = timedelta(hours=12)

#: levels of the book that depth is measured in, up to DEPTH_BPS away from the best price
BOOK_LEVELS = 50
DEPTH_BPS = Decimal(10)

_CACHE = MarketCache()


def market_for(
    runtime: Runtime,
    order: Order,
    algorithm: Algorithm,
    schedule: Schedule,
    *,
    now: datetime | None = None,
    cache: MarketCache = _CACHE,
) -> Market:
    """Ask for what ``algorithm`` needs. A VenueError goes through; what a venue refuses to show stays unknown.

    ``now`` ends the time in which others' volume is counted, and ``schedule.looked_at`` begins it: nothing is counted
    twice, and nothing left out, where the next ``looked_at`` is this ``now``. None: the present.
    """
    now = now or runtime.now()
    gateway = runtime.gateways.get(order.venue, order.account)
    match algorithm:
        case Vwap():
            return _for_vwap(runtime, gateway, order, algorithm, schedule, now, cache)
        case Pov():
            return _for_pov(runtime, gateway, order, schedule, now)
        case Adaptive():
            return _for_adaptive(gateway, order, cache)
        case _:
            return _quoted(gateway, order)


def _quoted(gateway: Gateway, order: Order) -> Market:
    quote = gateway.quote(order.symbol)
    return Market(bid=quote.bid, ask=quote.ask)


def _for_vwap(
    runtime: Runtime,
    gateway: Gateway,
    order: Order,
    vwap: Vwap,
    schedule: Schedule,
    now: datetime,
    cache: MarketCache,
) -> Market:
    quote = gateway.quote(order.symbol)
    if vwap.lookback_days is None:
        return Market(bid=quote.bid, ask=quote.ask)
    days = vwap.lookback_days
    curve: VolumeCurve | None = cache.get(
        gateway, ("curve", order.symbol, days), CURVE_KEPT_S, lambda: _curve(gateway, order.symbol, days)
    )
    start_at = schedule.start_at
    observed = None
    if curve is not None and start_at is not None and start_at < now:
        shift = _shift(gateway, runtime.now())
        observed = _if_shown(lambda: _volume_since(gateway, order.symbol, start_at + shift, now + shift))
    return Market(bid=quote.bid, ask=quote.ask, volume_curve=curve, volume_since_start=observed)


def _for_pov(runtime: Runtime, gateway: Gateway, order: Order, schedule: Schedule, now: datetime) -> Market:
    """Others' volume is everybody's less what was booked of ours meanwhile; below 0 where more of ours was booked."""
    quote = gateway.quote(order.symbol)
    since = max(schedule.looked_at or schedule.start_at or now, now - LONGEST_TAPE)
    if since >= now:
        return Market(bid=quote.bid, ask=quote.ask, others_volume=ZERO)
    shift = _shift(gateway, runtime.now())
    everybody = _if_shown(lambda: _traded(gateway, order.symbol, since + shift, now + shift))
    with read(runtime.engine) as conn:
        ours = volume_booked(conn, order.venue, order.symbol, since, now)
    others = None if everybody is None else subtract(everybody, ours)
    return Market(bid=quote.bid, ask=quote.ask, others_volume=others)


def _for_adaptive(gateway: Gateway, order: Order, cache: MarketCache) -> Market:
    book = gateway.order_book(order.symbol, BOOK_LEVELS)
    candles: Sequence[Candle] = cache.get(
        gateway, ("lately", order.symbol), LATELY_KEPT_S, lambda: _lately(gateway, order.symbol)
    )
    depth, depth_bps = depth_of(book.asks if order.side is Side.BUY else book.bids)
    return Market(
        bid=book.bids[0][0] if book.bids else None,
        ask=book.asks[0][0] if book.asks else None,
        daily_volume=_per_day(candles),
        volatility=volatility(_for_planners(candles)),
        depth=depth,
        depth_bps=depth_bps,
    )


def depth_of(side: BookSide) -> tuple[Decimal | None, Decimal | None]:
    """Base on offer within DEPTH_BPS of the best price, and how far that reaches in basis points.

    Where the levels that the venue showed end sooner, the last of them is how far is known. An estimate of the market
    and no amount of ours: the reach is cut to 80 digits.
    """
    if not side:
        return None, None
    best = side[0][0]
    total, reach = ZERO, ZERO
    for price, quantity in side:
        away = EXACT.divide(multiply(EXACT.abs(subtract(price, best)), Decimal(10_000)), best)
        if away > DEPTH_BPS:
            return total, DEPTH_BPS
        total, reach = add(total, quantity), away
    return (total, reach) if reach > 0 else (None, None)


def _curve(gateway: Gateway, symbol: str, days: int) -> VolumeCurve | None:
    """From the whole days before today."""
    venue_now = gateway.estimated_time()
    today = venue_now.replace(hour=0, minute=0, second=0, microsecond=0)
    candles = _if_shown(lambda: gateway.candles(symbol, HOUR, today - DAY * days, today))
    return volume_curve(_for_planners(candles)) if candles else None


def _lately(gateway: Gateway, symbol: str) -> Sequence[Candle]:
    venue_now = gateway.estimated_time()
    return _if_shown(lambda: gateway.candles(symbol, LATELY, venue_now - DAY, venue_now)) or ()


def _per_day(candles: Sequence[Candle]) -> Decimal | None:
    """Base a day: of a venue that shows less than a day, what the shown time makes of one."""
    if not candles:
        return None
    shown = candles[-1].open_at + LATELY - candles[0].open_at
    return EXACT.divide(multiply(_volume(candles), Decimal(DAY // MINUTE)), Decimal(shown // MINUTE))


def _volume_since(gateway: Gateway, symbol: str, since: datetime, until: datetime) -> Decimal | None:
    """Everybody's volume between two of the venue's times; of a longer time from candles, whose first counts by share."""
    if until - since <= LONGEST_TAPE:
        return _traded(gateway, symbol, since, until)
    span = MINUTE if until - since <= MINUTES_UP_TO else HOUR
    first = _floor(since, span)
    candles = gateway.candles(symbol, span, first, until)
    total = _volume(candles)
    if candles and candles[0].open_at == first:
        before = EXACT.divide(Decimal((since - first) // MILLISECOND), Decimal(span // MILLISECOND))
        total = subtract(total, multiply(before, candles[0].volume))
    ended = _floor(until, span)
    if until - ended > LONGEST_TAPE:
        # The hour that has not ended, in minutes; less than one of them is left out.
        return add(total, _volume(gateway.candles(symbol, MINUTE, ended, until)))
    return add(total, _traded(gateway, symbol, ended, until)) if ended < until else total


def _traded(gateway: Gateway, symbol: str, since: datetime, until: datetime) -> Decimal:
    """What the venue shows of it: less than all where it keeps few trades."""
    total = ZERO
    for trade in gateway.public_trades(symbol, since):
        if trade.at < until:
            total = add(total, trade.quantity)
    return total


def _shift(gateway: Gateway, now: datetime) -> timedelta:
    """What turns our time into the venue's."""
    return gateway.estimated_time() - now


def _if_shown(ask: Callable[[], T]) -> T | None:
    """None where the venue refuses to show it: it will not show it to a later look either."""
    try:
        return ask()
    except VenueError as error:
        if error.evidence is not Evidence.REJECTED:
            raise
        return None


def _for_planners(candles: Sequence[Candle]) -> list[PlannerCandle]:
    return [PlannerCandle(opened_at=entry.open_at, close=entry.close, volume=entry.volume) for entry in candles]


def _volume(candles: Sequence[Candle]) -> Decimal:
    total = ZERO
    for entry in candles:
        total = add(total, entry.volume)
    return total


def _floor(at: datetime, span: timedelta) -> datetime:
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (at - midnight) // span * span
