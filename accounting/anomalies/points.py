"""From what happened to an order to points of series. What a point needs and nobody knows gives no point."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Context, Decimal

from accounting.anomalies.detector import Point
from accounting.anomalies.series import SeriesKey, SeriesKind

_CONTEXT = Context(prec=60)
_BPS = Decimal(10_000)
_MICROSECOND = timedelta(microseconds=1)

#: one point of one series
Told = tuple[SeriesKey, Point]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whose points they are."""

    order_id: str
    venue: str
    account: str
    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FillFacts:
    #: base and quote
    quantity: Decimal
    cost: Decimal
    fee: Decimal
    fee_asset: str | None
    liquidity: str | None
    traded_at: datetime
    booked_at: datetime


def fee_point(place: Place, fill: FillFacts, *, base: str, quote: str) -> Told | None:
    """None where the fee is in a third asset, whose worth nobody told, or there is none."""
    whole = {base: fill.quantity, quote: fill.cost}.get(fill.fee_asset or "")
    if whole is None or whole <= 0:
        return None
    rate = _CONTEXT.divide(_CONTEXT.multiply(fill.fee, _BPS), whole)
    subject = f"{place.symbol} {fill.liquidity or 'unknown'}"
    return _told(place, SeriesKind.FEE_BPS, subject, rate, fill.traded_at)


def balance_point(
    venue: str, account: str, asset: str, *, ours: Decimal, theirs: Decimal, at: datetime, source: str
) -> Told:
    """``source``: the run of reconciliation that saw it."""
    whole = max(ours.copy_abs(), theirs.copy_abs())
    difference = _CONTEXT.multiply(_CONTEXT.subtract(theirs, ours), _BPS)
    key = SeriesKey(kind=SeriesKind.BALANCE_BPS, venue=venue, account=account, subject=asset)
    value = _CONTEXT.divide(difference, whole) if whole else Decimal(0)
    return key, Point(value=value, at=at, source=source)


def slippage_point(place: Place, slippage_bps: Decimal | None, at: datetime) -> Told | None:
    """``slippage_bps`` as the order's document has it."""
    if slippage_bps is None:
        return None
    return _told(place, SeriesKind.SLIPPAGE_BPS, place.symbol, slippage_bps, at)


def delay_points(
    place: Place,
    *,
    intended_at: datetime,
    answered_at: datetime,
    first_booked_at: datetime | None,
    rests: bool,
) -> Iterator[Told]:
    """From the intent to the answer, and from there to the first fill; an order that rests waits for the market."""
    yield _told(place, SeriesKind.ACK_MS, "", _ms(answered_at - intended_at), answered_at)
    if first_booked_at is not None and not rests:
        yield _told(place, SeriesKind.FILL_MS, "", _ms(first_booked_at - answered_at), first_booked_at)


def _told(place: Place, kind: SeriesKind, subject: str, value: Decimal, at: datetime) -> Told:
    key = SeriesKey(kind=kind, venue=place.venue, account=place.account, subject=subject)
    return key, Point(value=value, at=at, source=place.order_id)


def _ms(delay: timedelta) -> Decimal:
    """A delay that a clock set back has made negative counts as none."""
    return _CONTEXT.divide(Decimal(max(delay // _MICROSECOND, 0)), Decimal(1000))
