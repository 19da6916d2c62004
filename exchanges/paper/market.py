"""The background market of all symbols: moves prices, keeps depth, and trades against resting customer orders."""

from exchanges.paper.amounts import floor_to
from exchanges.paper.config import PaperConfig
from exchanges.paper.engine import ALL_E8, Engine
from exchanges.paper.tape import Tape
from exchanges.paper.walk import Walk

#: recorded this often, so that a restart goes on near where the market was
MARK_EVERY_MS = 10_000
#: a pause of the process is not caught up beyond this
MAX_STEP_MS = 5_000


class Market:
    """Drives the engine; the only source of orders that are no customer's."""

    def __init__(self, engine: Engine, config: PaperConfig, now_ms: int) -> None:
        self._engine = engine
        self._speed = config.speed
        self._still = config.market == "still"
        self.paused = False
        self._tape = Tape(config.replay) if config.replay else None
        self._tape_symbol = config.instruments[0].symbol if self._tape else ""
        self._tape_ms = 0.0
        self.walks = {
            instrument.symbol: Walk(instrument, config.seed, self._start_price(instrument.symbol))
            for instrument in config.instruments
        }
        self._advanced_ms = self._marked_ms = now_ms
        for symbol in self.walks:
            self._requote(symbol, now_ms, appetite_e8=ALL_E8)

    def price_e8(self, symbol: str) -> int:
        return self.walks[symbol].middle_e8

    @property
    def tape_finished(self) -> bool:
        return self._tape is not None and self._tape.finished

    def advance(self, now_ms: int) -> None:
        """Let the time since the last call pass, times the speed."""
        elapsed_ms = min(max(now_ms - self._advanced_ms, 0), MAX_STEP_MS) * self._speed
        self._advanced_ms = now_ms
        if self.paused or not elapsed_ms:
            return
        for symbol, walk in self.walks.items():
            if symbol == self._tape_symbol:
                self._play(elapsed_ms, now_ms)
                continue
            if not self._still:
                walk.step(elapsed_ms / 1000)
                for buys, quantity_e8 in walk.trades(elapsed_ms / 1000):
                    self._engine.sweep(symbol, buys=buys, limit_e8=None, quantity_e8=quantity_e8, now_ms=now_ms)
            appetite_e8 = walk.appetite_e8() * max(1, int(elapsed_ms / 1000))
            self._requote(symbol, now_ms, appetite_e8=appetite_e8)
        if now_ms - self._marked_ms >= MARK_EVERY_MS:
            self._mark(now_ms)

    def move_to(self, symbol: str, price_e8: int, now_ms: int, *, appetite_e8: int = ALL_E8) -> None:
        """Set the price at once; customers who rest across it trade, each side for at most ``appetite_e8``."""
        self.walks[symbol].middle_e8 = max(price_e8, self.walks[symbol].instrument.tick_e8 * 2)
        self._engine.trade_through(symbol, price_e8, appetite_e8, now_ms)
        self._requote(symbol, now_ms, appetite_e8=0)
        self._engine.mark(symbol, price_e8, now_ms)

    def _play(self, elapsed_ms: float, now_ms: int) -> None:
        assert self._tape is not None
        symbol, walk = self._tape_symbol, self.walks[self._tape_symbol]
        self._tape_ms += elapsed_ms
        for trade in self._tape.due(self._tape_ms):
            self._engine.print_from_outside(
                symbol,
                price_e8=trade.price_e8,
                quantity_e8=trade.quantity_e8,
                taker_buys=trade.taker_buys,
                now_ms=now_ms,
            )
            walk.middle_e8 = trade.price_e8
        # What the tape's own trades left of customers across the new price stays for the trades to come.
        self._requote(symbol, now_ms, appetite_e8=0)

    def _requote(self, symbol: str, now_ms: int, *, appetite_e8: int) -> None:
        walk, book = self.walks[symbol], self._engine.books[symbol]
        bids, asks = walk.depth(walk.middle_e8)
        self._engine.requote(symbol, bids, asks, now_ms, appetite_e8=appetite_e8)
        # Where a customer still stands in the way, the market comes up to that price and waits behind it.
        ask, bid = book.asks.best_customer_e8(), book.bids.best_customer_e8()
        if ask is not None and ask <= max(bids):
            self._engine.requote(symbol, *walk.depth(ask), now_ms, appetite_e8=0)
        elif bid is not None and bid >= min(asks):
            self._engine.requote(symbol, *walk.depth(bid + walk.instrument.tick_e8), now_ms, appetite_e8=0)

    def _start_price(self, symbol: str) -> int:
        if symbol == self._tape_symbol and self._tape is not None:
            return self._tape.first.price_e8
        instrument = self._engine.instruments[symbol]
        start_e8 = self._engine.state.prices_e8.get(symbol, instrument.price_e8)
        return max(floor_to(start_e8, instrument.tick_e8), instrument.tick_e8 * 2)

    def _mark(self, now_ms: int) -> None:
        self._marked_ms = now_ms
        if self._still:
            return
        for symbol, walk in self.walks.items():
            self._engine.mark(symbol, walk.middle_e8, now_ms)
