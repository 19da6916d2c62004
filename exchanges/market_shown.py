"""What each venue shows of its market and how it is asked, as data. Without an entry: one small page, trusted little."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from exchanges.aliases import speaks_as

_NOTHING: Mapping[str, object] = MappingProxyType({})


class Tape(StrEnum):
    """How the public trades are read back to a moment in the past."""

    #: oldest first; from the moment, then after the last id
    BY_ID = "by_id"
    #: oldest first; from the moment, then from the last time seen
    FORWARD = "forward"
    #: newest first; then up to the oldest time seen
    BACKWARD = "backward"
    #: newest first; then before the oldest id seen
    BACKWARD_BY_ID = "backward_by_id"
    #: the last few, and no way to those before
    LAST = "last"


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketShown:
    #: candles that one request may ask for and surely gets
    candles_a_page: int = 100
    #: ccxt's fetch_ohlcv understands ``until``; elsewhere the page's length ends the span
    candles_until: bool = False
    #: the venue shows only this many of the newest candles of each interval; None: no such bound is known
    candles_kept: int | None = None
    tape: Tape = Tape.LAST
    #: trades of a full page; None: not known, so only an older trade beside them proves that none is missing
    trades_a_page: int | None = None
    #: ``params`` of ccxt's fetch_trades
    trades_params: Mapping[str, object] = field(default_factory=lambda: _NOTHING)
    #: the ``params`` key of the id to go on from
    trades_id_param: str = ""
    #: where a trade's id stands in the venue's own entry, if ccxt does not read it
    trade_id_at: str = ""
    #: a request by time looks at no more than this, in milliseconds; None: as far as it must
    trades_span_ms: int | None = None
    #: the side in a public trade is documented as the taker's
    side_is_takers: bool = False
    #: numbers of levels that may be asked for, rising: the only ones, or with one entry the most
    book_levels: tuple[int, ...] = (50,)
    #: where the levels stand in a reply, dotted; None: not known
    book_at: str | None = None
    #: where candles and trades stand, if not where the venue's other lists do; empty: the class sees to it itself
    lists_at: tuple[str, ...] | None = None

    @property
    def lists(self) -> bool | tuple[str, ...]:
        """What a reply with candles or trades must hold, as ``Caller.call`` takes it."""
        return True if self.lists_at is None else self.lists_at


SHOWN: Mapping[str, MarketShown] = {
    "binance": MarketShown(
        candles_a_page=1000,
        candles_until=True,
        tape=Tape.BY_ID,  # aggTrades
        trades_a_page=1000,
        trades_id_param="fromId",
        trades_span_ms=3_600_000,  # ccxt ends the first request an hour after its beginning
        side_is_takers=True,
        book_levels=(5000,),
        book_at="bids",
    ),
    "bybit": MarketShown(
        candles_a_page=1000,
        candles_until=True,
        trades_a_page=60,  # of spot; there is no way to older ones
        side_is_takers=True,
        book_levels=(200,),
        book_at="result.b",
    ),
    "okx": MarketShown(
        candles_a_page=100,  # its two lists of candles differ in the most; this both give
        candles_until=True,
        tape=Tape.BACKWARD_BY_ID,
        trades_a_page=100,
        trades_params=MappingProxyType({"method": "publicGetMarketHistoryTrades"}),
        trades_id_param="after",
        side_is_takers=True,
        book_levels=(400,),
        book_at="data",
    ),
    "kraken": MarketShown(
        candles_a_page=720,
        candles_kept=720,
        tape=Tape.FORWARD,
        trades_a_page=1000,
        side_is_takers=True,
        book_levels=(500,),
        book_at="result",
    ),
    "coinbase": MarketShown(
        candles_a_page=300,
        candles_until=True,
        tape=Tape.BACKWARD,
        trades_a_page=1000,
        book_levels=(1000,),
        book_at="pricebook",
        lists_at=("candles", "trades"),
    ),
    "kucoin": MarketShown(
        candles_a_page=1000,
        trades_a_page=100,
        trade_id_at="sequence",
        side_is_takers=True,
        book_levels=(20, 100),
        book_at="data",
    ),
    "gate": MarketShown(
        candles_a_page=900,
        candles_until=True,
        tape=Tape.BACKWARD,
        trades_a_page=1000,
        book_levels=(100,),
        book_at="bids",
    ),
    "bitget": MarketShown(
        candles_a_page=200,  # of its older candles; it gives more of the newest
        candles_until=True,
        tape=Tape.BACKWARD_BY_ID,
        trades_a_page=1000,
        trades_id_param="idLessThan",
        book_levels=(150,),
        book_at="data",
    ),
    "nobitex": MarketShown(
        candles_a_page=500,
        candles_until=True,
        book_levels=(24,),
        book_at="bids",
        lists_at=(),  # a time in which nothing traded has candles in no list, but a word for that
    ),
}
LITTLE = MarketShown()


def market_shown(ccxt_id: str) -> MarketShown:
    return SHOWN.get(speaks_as(ccxt_id), LITTLE)
