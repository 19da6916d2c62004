"""One symbol's background market: a seeded random walk of its middle price, and the depth around a price."""

import math
import random

from exchanges.paper.amounts import floor_to
from exchanges.paper.instruments import Instrument

#: price levels offered on each side
LEVELS = 20
#: between levels, in parts of the price: 0.5 basis points
LEVEL_GAP = 20_000
#: standard deviation of one second's move: 1.5 basis points, about twice a usual day of BTC
MOVE_PER_SQRT_S = 1.5e-4
#: share of the distance to the start price that a second takes back, so that days do not drift away
PULL_PER_S = 1e-4
#: background trades per second of market time
TRADES_PER_S = 3.0
#: most background trades in one step, however fast the time runs
MAX_TRADES = 20


class Walk:
    """The same instrument and seed walk the same way over the same steps."""

    def __init__(self, instrument: Instrument, seed: int, start_e8: int) -> None:
        self.instrument = instrument
        self._random = random.Random(f"{seed}:{instrument.symbol}")
        self._anchor = instrument.price_e8
        self.middle_e8 = start_e8

    def step(self, seconds: float) -> None:
        """Move the middle by so many seconds of market time."""
        pull = PULL_PER_S * min(seconds, 1000.0) * math.log(self._anchor / self.middle_e8)
        move = self._random.gauss(0.0, MOVE_PER_SQRT_S * math.sqrt(seconds)) + pull
        self.middle_e8 = max(self.instrument.tick_e8 * 2, int(self.middle_e8 * math.exp(move)))

    def depth(self, middle_e8: int) -> tuple[dict[int, int], dict[int, int]]:
        """Bids and asks (price to quantity) around a middle. Prices sit on a fixed grid, so levels persist."""
        tick = self.instrument.tick_e8
        gap = max(tick, floor_to(middle_e8 // LEVEL_GAP, tick))
        bid = floor_to(middle_e8 - 1, tick)
        ask = bid + tick
        bids = {bid: self._size()}
        asks = {ask: self._size()}
        for level in range(1, LEVELS):
            below = floor_to(bid, gap) - gap * (level - 1)
            above = floor_to(ask, gap) + gap * level
            if 0 < below < bid:
                bids[below] = self._size()
            asks[above] = self._size()
        return bids, asks

    def trades(self, seconds: float) -> list[tuple[bool, int]]:
        """Background orders of so many seconds: (buys, quantity)."""
        count = min(MAX_TRADES, int(self._random.expovariate(1.0) * TRADES_PER_S * seconds + self._random.random()))
        return [(self._random.random() < 0.5, self._size() // 2) for _ in range(count)]

    def appetite_e8(self) -> int:
        """How much of a customer's resting order one move of the price may take."""
        return self._size() * 3

    def _size(self) -> int:
        typical = self.instrument.depth_e8
        drawn = int(typical * min(self._random.expovariate(1.0) + 0.1, 5.0))
        return max(self.instrument.lot_e8, floor_to(drawn, self.instrument.lot_e8))
