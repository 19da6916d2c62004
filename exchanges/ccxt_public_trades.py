"""A venue's public trades through ccxt, read back to a moment in the past, and how far back that went."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from exchanges.ccxt_call import Caller, Unreadable
from exchanges.ccxt_parse import required
from exchanges.ccxt_session import Exchange
from exchanges.evidence import Evidence, VenueError
from exchanges.market_shown import MarketShown, Tape, market_shown
from models.clock import from_milliseconds, milliseconds
from models.market_data import PublicTrade, PublicTrades
from models.vocabulary import Side

#: requests of one look; who wants the volume of a longer time reads candles
MAX_PAGES = 60
SECOND_MS = 1000
#: entries asked for where the length of a page is not known
SOME = 100

Entry = Mapping[str, Any]


class TradeTape:
    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._shown = market_shown(caller.config.ccxt_id)

    def since(self, symbol: str, since: datetime) -> PublicTrades:
        look = _Look(self._caller, self._shown, symbol, milliseconds(since))
        reach = {
            Tape.BY_ID: look.by_id,
            Tape.FORWARD: look.forward,
            Tape.BACKWARD: look.backward,
            Tape.BACKWARD_BY_ID: look.backward,
            Tape.LAST: look.last,
        }[self._shown.tape]
        complete_from_ms = reach()
        found = sorted((public_trade(entry, self._shown) for entry in look.entries()), key=_age)
        return PublicTrades(
            trades=tuple(trade for trade in found if trade.at >= since),
            since=since,
            complete_from=max(since, from_milliseconds(complete_from_ms)),
        )


class _Look:
    """One look. Its ways return the time from which on nothing is missing, in milliseconds; 0: of what was asked, nothing."""

    def __init__(self, caller: Caller, shown: MarketShown, symbol: str, since_ms: int) -> None:
        self._caller = caller
        self._shown = shown
        self._symbol = symbol
        self._since_ms = since_ms
        self._found: dict[str, Entry] = {}
        self._asked = 0

    def entries(self) -> list[Entry]:
        return list(self._found.values())

    def by_id(self) -> int:
        span_ms = self._shown.trades_span_ms
        assert span_ms is not None
        # An hour without a trade is an empty page, and more may follow it.
        now_ms, at_ms = self._caller.time_ms(), self._since_ms
        page = self._page(at_ms)
        while not page and at_ms + span_ms < now_ms:
            at_ms += span_ms
            page = self._page(at_ms)
        while self._is_full(page):
            # Exact where many trades share a millisecond; the venue takes no time beside an id.
            page = self._page(None, {self._shown.trades_id_param: max(int(key) for key in self._found) + 1})
        return 0

    def forward(self) -> int:
        # ccxt asks in whole seconds and leaves out what came before, so a full page would seem to be none.
        at_ms = self._since_ms // SECOND_MS * SECOND_MS
        page = self._page(at_ms)
        while self._is_full(page):
            before = len(self._found)
            at_ms = self._newest_ms() // SECOND_MS * SECOND_MS
            page = self._page(at_ms)
            if len(self._found) == before and self._is_full(page):
                raise VenueError(
                    Evidence.AMBIGUOUS,
                    f"{self._caller.config.name} has more trades of {self._symbol} in one second than it shows at once",
                )
        return 0

    def backward(self) -> int:
        """Ends at a trade that is older than asked for: a short page may be short for another reason."""
        further: dict[str, object] = {}
        if self._shown.tape is Tape.BACKWARD:
            further["until"] = self._caller.time_ms() + SECOND_MS
        while True:
            before = len(self._found)
            self._page(None, further)
            if not self._found or self._oldest_ms() < self._since_ms:
                return 0
            if len(self._found) == before or self._asked >= MAX_PAGES:
                return self._after_the_oldest_ms()
            further = self._before_the_oldest()

    def last(self) -> int:
        page = self._page(None)
        whole = self._shown.trades_a_page is not None and not self._is_full(page)
        if whole or (page and self._oldest_ms() < self._since_ms):
            return 0
        # An empty page of unknown length is all there is; of a full one the oldest millisecond may be cut.
        return self._after_the_oldest_ms() if page else 0

    def _before_the_oldest(self) -> dict[str, object]:
        oldest = min(self._found.values(), key=lambda entry: (entry["timestamp"], _number(entry["id"])))
        if self._shown.tape is Tape.BACKWARD_BY_ID:
            return {self._shown.trades_id_param: oldest["id"]}
        # These venues count in seconds: up to the end of the oldest one, what is there again is known by its id.
        return {"until": oldest["timestamp"] + SECOND_MS}

    def _page(self, since_ms: int | None, further: Mapping[str, object] | None = None) -> list[Entry]:
        self._asked += 1
        if self._asked > MAX_PAGES:
            raise VenueError(
                Evidence.REJECTED,
                f"{self._caller.config.name} has more trades of {self._symbol} since then than are read at once: ask for "
                "a shorter time, or for candles",
                code="TOO_MANY_TRADES",
            )
        params = {**self._shown.trades_params, **(further or {})}
        limit = self._shown.trades_a_page or SOME

        def read(exchange: Exchange) -> list[Entry]:
            page = exchange.fetch_trades(self._symbol, since_ms, limit, params)
            return [self._known(entry) for entry in page]

        page = self._caller.call(read, signed=False, lists=self._shown.lists)
        self._found.update((str(entry["id"]), entry) for entry in page)
        return page

    def _known(self, entry: Entry) -> Entry:
        """With an id and a time."""
        said = entry.get("info")
        trade_id = entry.get("id") or (said.get(self._shown.trade_id_at) if isinstance(said, Mapping) else None)
        if not trade_id or not isinstance(entry.get("timestamp"), int):
            raise Unreadable("it shows a trade without its id or time")
        return {**entry, "id": str(trade_id)}

    def _is_full(self, page: list[Entry]) -> bool:
        return len(page) >= (self._shown.trades_a_page or SOME)

    def _oldest_ms(self) -> int:
        return min(int(entry["timestamp"]) for entry in self._found.values())

    def _newest_ms(self) -> int:
        return max(int(entry["timestamp"]) for entry in self._found.values())

    def _after_the_oldest_ms(self) -> int:
        return self._oldest_ms() + 1


def public_trade(entry: Entry, shown: MarketShown) -> PublicTrade:
    side = entry.get("side") if shown.side_is_takers else None
    return PublicTrade(
        id=str(entry["id"]),
        price=required(entry.get("price"), "price of a trade"),
        quantity=required(entry.get("amount"), "quantity of a trade"),
        at=from_milliseconds(entry["timestamp"]),
        taker=Side(side) if side in {"buy", "sell"} else None,
    )


def _age(trade: PublicTrade) -> tuple[datetime, int, str]:
    return trade.at, _number(trade.id), trade.id


def _number(trade_id: object) -> int:
    text = str(trade_id)
    return int(text) if text.isascii() and text.isdigit() else 0
