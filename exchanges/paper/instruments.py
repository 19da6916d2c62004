"""What can be traded, with the venue's filters."""

from dataclasses import dataclass
from typing import Self

from exchanges.paper.amounts import E8, parse_e8

#: ICEBERG_PARTS: an iceberg may come in at most so many
MAX_ICEBERG_PARTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One symbol. Every ``_e8`` field counts 1e-8 of its asset."""

    symbol: str
    base: str
    quote: str
    #: PRICE_FILTER: prices are multiples of it
    tick_e8: int
    #: LOT_SIZE: quantities are multiples of it, and at least it
    lot_e8: int
    max_quantity_e8: int
    #: MARKET_LOT_SIZE: the most that one market order may ask for
    max_market_quantity_e8: int
    #: NOTIONAL, in quote
    min_notional_e8: int
    max_notional_e8: int
    #: where the market starts
    price_e8: int
    #: what background participants typically offer per price level, in base
    depth_e8: int

    @classmethod
    def of(cls, base: str, quote: str, *, tick: str, lot: str, min_notional: str, price: str, depth: str) -> Self:
        """Build one from decimal strings. Raises ValueError where the filters could not be kept exactly."""
        tick_e8, lot_e8 = parse_e8(tick), parse_e8(lot)
        if not tick_e8 or not lot_e8 or tick_e8 * lot_e8 % E8:
            raise ValueError(
                f"{base}{quote}: tick {tick} times lot {lot} must be a positive multiple of 0.00000001, "
                "so that every trade's value is exact; use a larger tick or lot"
            )
        price_e8 = parse_e8(price)
        if not price_e8 or price_e8 % tick_e8:
            raise ValueError(f"{base}{quote}: the price {price} must be a positive multiple of the tick {tick}")
        return cls(
            symbol=base + quote,
            base=base,
            quote=quote,
            tick_e8=tick_e8,
            lot_e8=lot_e8,
            max_quantity_e8=90_000 * E8 if price_e8 > E8 else 90_000_000 * E8,
            max_market_quantity_e8=900 * parse_e8(depth),
            min_notional_e8=parse_e8(min_notional),
            max_notional_e8=9_000_000 * E8,
            price_e8=price_e8,
            depth_e8=parse_e8(depth),
        )


#: The symbols that can be switched on by name; filters as Binance had them for these pairs.
KNOWN = {
    instrument.symbol: instrument
    for instrument in (
        Instrument.of("BTC", "USDT", tick="0.01", lot="0.00001", min_notional="5", price="62000", depth="0.4"),
        Instrument.of("ETH", "USDT", tick="0.01", lot="0.0001", min_notional="5", price="2600", depth="6"),
        Instrument.of("SOL", "USDT", tick="0.01", lot="0.001", min_notional="5", price="155", depth="90"),
        Instrument.of("XRP", "USDT", tick="0.0001", lot="0.1", min_notional="5", price="0.6", depth="9000"),
        Instrument.of("DOGE", "USDT", tick="0.00001", lot="1", min_notional="1", price="0.11", depth="60000"),
        Instrument.of("ETH", "BTC", tick="0.00001", lot="0.001", min_notional="0.0001", price="0.042", depth="4"),
    )
}

DEFAULT_SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
