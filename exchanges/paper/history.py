"""Candles: recorded minutes since the start, and before it a made-up past, the same for the same seed."""

import math
import zlib
from collections.abc import Iterable
from dataclasses import replace

from exchanges.paper.amounts import product_e8
from exchanges.paper.instruments import Instrument
from exchanges.paper.prints import MINUTE_MS, Candle

HOUR_MS, DAY_MS = 60 * MINUTE_MS, 24 * 60 * MINUTE_MS
INTERVALS_MS = {
    "1s": 1000,
    **{f"{n}m": n * MINUTE_MS for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": n * HOUR_MS for n in (1, 2, 4, 6, 8, 12)},
    **{f"{n}d": n * DAY_MS for n in (1, 3)},
    "1w": 7 * DAY_MS,
    "1M": 30 * DAY_MS,
}
#: (amplitude as a share of the price, period in hours) of the made-up past
_WAVES = ((0.03, 91.0), (0.012, 23.0), (0.004, 3.7), (0.001, 0.41))
#: made-up volume per minute, in typical level sizes
_LEVELS_PER_MINUTE = 15


class History:
    def __init__(self, seed: int, started_ms: int) -> None:
        self._seed = seed
        self._started_ms = started_ms

    def candles(
        self, instrument: Instrument, recorded: Iterable[Candle], interval_ms: int, opens_ms: list[int]
    ) -> list[Candle]:
        """One candle per opening time (rising, multiples of the interval)."""
        by_open: dict[int, Candle] = {}
        for minute in recorded:
            at_ms = minute.opens_ms - minute.opens_ms % interval_ms
            if at_ms not in by_open and at_ms < self._started_ms:
                # The venue started inside this candle: its beginning is past.
                by_open[at_ms] = self._made_up(instrument, at_ms, self._started_ms - at_ms)
            if at_ms in by_open:
                by_open[at_ms].join(minute)
            else:
                by_open[at_ms] = replace(minute, opens_ms=at_ms)
        candles: list[Candle] = []
        for at_ms in opens_ms:
            candle = by_open.get(at_ms)
            if candle is None and at_ms < self._started_ms:
                candle = self._made_up(instrument, at_ms, min(interval_ms, self._started_ms - at_ms))
            elif candle is None:
                close_e8 = candles[-1].close_e8 if candles else instrument.price_e8
                candle = Candle(at_ms, close_e8, close_e8, close_e8, close_e8)
            candles.append(candle)
        return candles

    def _made_up(self, instrument: Instrument, at_ms: int, interval_ms: int) -> Candle:
        open_e8, close_e8 = self._price(instrument, at_ms), self._price(instrument, at_ms + interval_ms)
        dice = zlib.crc32(f"{self._seed}:{instrument.symbol}:{at_ms}".encode()) / 2**32
        tick = instrument.tick_e8
        reach = 1 + int(open_e8 * 0.0004 * (0.2 + dice) * math.sqrt(interval_ms / MINUTE_MS)) // tick
        high_e8 = max(open_e8, close_e8) + reach * tick
        low_e8 = max(tick, min(open_e8, close_e8) - reach * tick)
        hour = at_ms / HOUR_MS % 24
        # Busiest in the afternoon (UTC), as the real ones are; a day's candle sees the average.
        bend = 0.6 * math.cos((hour - 15) / 24 * 2 * math.pi) if interval_ms < DAY_MS else 0.0
        levels = _LEVELS_PER_MINUTE * interval_ms / MINUTE_MS * (1 + bend) * (0.6 + 0.8 * dice)
        volume_e8 = int(instrument.depth_e8 * levels) // instrument.lot_e8 * instrument.lot_e8
        bought_e8 = volume_e8 // 2 // instrument.lot_e8 * instrument.lot_e8
        middle_e8 = (open_e8 + close_e8) // 2
        return Candle(
            at_ms,
            open_e8,
            high_e8,
            low_e8,
            close_e8,
            volume_e8,
            product_e8(middle_e8, volume_e8),
            max(1, int(levels * 2)),
            bought_e8,
            product_e8(middle_e8, bought_e8),
        )

    def _price(self, instrument: Instrument, at_ms: int) -> int:
        """The past ends exactly at the instrument's price when the venue starts."""
        share = self._swing(instrument.symbol, at_ms) - self._swing(instrument.symbol, self._started_ms)
        price_e8 = int(instrument.price_e8 * (1 + share))
        return max(instrument.tick_e8, price_e8 - price_e8 % instrument.tick_e8)

    def _swing(self, symbol: str, at_ms: int) -> float:
        phase = zlib.crc32(f"{self._seed}:{symbol}".encode()) % 1000
        return sum(size * math.sin(at_ms / HOUR_MS / hours * 2 * math.pi + phase) for size, hours in _WAVES)
