"""What a planner is told of a market that is a tape: the same as live (tasks/market.py), and nothing of the future."""

from datetime import datetime, timedelta
from decimal import Decimal

from algorithms.parent import Market
from algorithms.replay_venue import ReplayVenue, VenueFill
from algorithms.tape import Tape
from algorithms.tape_figures import Lately, curve_before, lately
from algorithms.volume_curve import VolumeCurve
from models.algorithm import Adaptive, Algorithm, Pov, Vwap
from models.money import ZERO, add, subtract
from models.vocabulary import Liquidity

#: how long live planners work with the same estimates
LATELY_KEPT = timedelta(seconds=300)
CURVE_KEPT = timedelta(hours=1)

#: live planners read others' trades back no further
LONGEST_TAPE = timedelta(minutes=10)


class ReplayMarket:
    """One run's market; time goes forward only."""

    def __init__(self, tape: Tape, venue: ReplayVenue) -> None:
        self._tape, self._venue = tape, venue
        self._fills: list[VenueFill] = []
        self._lately: tuple[datetime, Lately] | None = None
        self._curve: tuple[datetime, VolumeCurve | None] | None = None

    def note(self, fill: VenueFill) -> None:
        """A fill of ours. What we took is on top of the tape; what came to us is a part of it."""
        self._fills.append(fill)

    def market(self, algorithm: Algorithm, now: datetime, start_at: datetime, looked_at: datetime | None) -> Market:
        quote = self._venue.quote(now)
        match algorithm:
            case Vwap(lookback_days=int(days)):
                curve = self._curve_of(now, days)
                observed = None
                if curve is not None and start_at < now:
                    taken = self._ours(start_at, now, Liquidity.TAKER)
                    observed = add(self._tape.volume(start_at, now), taken)
                return Market(bid=quote.bid, ask=quote.ask, volume_curve=curve, volume_since_start=observed)
            case Pov():
                since = max(looked_at or start_at, now - LONGEST_TAPE)
                others = ZERO
                if since < now:
                    others = subtract(self._tape.volume(since, now), self._ours(since, now, Liquidity.MAKER))
                return Market(bid=quote.bid, ask=quote.ask, others_volume=others)
            case Adaptive():
                known = self._lately_of(now)
                return Market(
                    bid=quote.bid, ask=quote.ask, daily_volume=known.daily_volume, volatility=known.volatility
                )
            case _:
                return Market(bid=quote.bid, ask=quote.ask)

    def _curve_of(self, now: datetime, days: int) -> VolumeCurve | None:
        if self._curve is None or now >= self._curve[0] + CURVE_KEPT:
            self._curve = now, curve_before(self._tape, now, days)
        return self._curve[1]

    def _lately_of(self, now: datetime) -> Lately:
        if self._lately is None or now >= self._lately[0] + LATELY_KEPT:
            self._lately = now, lately(self._tape, now)
        return self._lately[1]

    def _ours(self, since: datetime, until: datetime, liquidity: Liquidity) -> Decimal:
        total = ZERO
        for fill in reversed(self._fills):
            if fill.at < since:
                break
            if fill.at < until and fill.liquidity is liquidity:
                total = add(total, fill.quantity)
        return total
