"""What the handlers work on: engine, journal, market and the rest of one running venue."""

import time
from collections.abc import Callable, Sequence

from exchanges.paper.amounts import parse_e8
from exchanges.paper.config import PaperConfig
from exchanges.paper.engine import Engine, Fees
from exchanges.paper.events import Event
from exchanges.paper.faults import Faults
from exchanges.paper.history import History
from exchanges.paper.journal_file import Journal, read_events
from exchanges.paper.limits import WeightLimiter
from exchanges.paper.market import Market


class Venue:
    """One venue. ``clock_ms`` is a hook for tests; everything runs on one thread."""

    def __init__(self, config: PaperConfig, *, clock_ms: Callable[[], int] | None = None) -> None:
        self.config = config
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000 + config.clock_offset_ms)
        self.started_ms = self.now_ms()
        self.journal = Journal(config.home, fsync=config.fsync)
        fees = Fees(maker_e8=config.fee_maker_e8, taker_e8=config.fee_taker_e8)
        self.engine = Engine(config.instruments, fees=fees, dedupe=config.dedupe)
        self.engine.restore(read_events(config.home))
        self.accounts = {account.key: account for account in config.accounts}
        opening = {
            account.name: {asset: parse_e8(amount) for asset, amount in account.balances.items()}
            for account in config.accounts
        }
        self.engine.open(opening, self.started_ms)
        self.limiter = WeightLimiter(config.weight_limit)
        self.faults = Faults(config.faults, config.seed, self.started_ms)
        self.market = Market(self.engine, config, self.started_ms)
        self.history = History(config.seed, self.started_ms)
        #: told of what happened once it is in the journal
        self.listeners: list[Callable[[Sequence[tuple[int, Event]]], None]] = []
        #: whole requests answered, for the health page
        self.answered = 0
        self.commit()

    def now_ms(self) -> int:
        return self._clock_ms()

    def commit(self) -> None:
        """Write what the engine did. Must come before any answer that tells of it."""
        if self.engine.pending:
            happened = self.engine.pending
            self.journal.append(happened)
            self.engine.pending = []
            for listener in self.listeners:
                listener(happened)

    @property
    def unwritten(self) -> bool:
        """Whether something happened that the journal does not hold."""
        return bool(self.engine.pending)

    def note(self, event: Event) -> None:
        """Journal something that changes no state."""
        self.journal.append([(self.now_ms(), event)])

    def tick(self) -> None:
        """Let the market move on."""
        self.market.advance(self.now_ms())
        self.commit()

    def close(self) -> None:
        for symbol in self.engine.instruments:
            self.engine.mark(symbol, self.market.price_e8(symbol), self.now_ms())
        self.commit()
        self.journal.close()
