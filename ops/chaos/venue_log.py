"""The venue's own log, followed as it grows: each look reads only what is new."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from exchanges.paper.amounts import decimal_e8
from exchanges.paper.events import Accepted, Amended, Ended, Event, Traded
from exchanges.paper.journal import VenueOrder, venue_order
from exchanges.paper.journal_file import FILE_NAME, events_of
from exchanges.paper.state import State


@dataclass(slots=True, kw_only=True)
class Span:
    """One order of ours at the venue, from its acceptance to its end, in steps of the log: its events, counted from 1."""

    since: int
    #: None while it is open
    until: int | None = None
    #: (step, base that has traded or still can from then on)
    exposures: list[tuple[int, Decimal]] = field(default_factory=list)


class VenueLog:
    """What the venue has on record; nothing of ours vouches for it."""

    def __init__(self, home: Path) -> None:
        self._file = home / FILE_NAME
        self._offset = 0
        self._state = State()
        self._step = 0
        self._spans: dict[tuple[str, int], Span] = {}
        self._spans_of: defaultdict[str, list[Span]] = defaultdict(list)

    def catch_up(self) -> None:
        """Read what was written since the last look. A line that is not whole yet waits for the next one."""
        if not self._file.exists():
            return
        with self._file.open("rb") as lines:
            lines.seek(self._offset)
            for line in lines:
                if not line.endswith(b"\n"):
                    return
                for at_ms, event in events_of(line):
                    self._state.apply(event, at_ms)
                    self._follow(event)
                self._offset += len(line)

    def _follow(self, event: Event) -> None:
        self._step += 1
        if isinstance(event, Accepted):
            span = self._spans[event.symbol, event.order_id] = Span(since=self._step)
            span.exposures.append((self._step, decimal_e8(event.quantity_e8)))
            self._spans_of[event.client_order_id].append(span)
        elif isinstance(event, Amended):
            self._spans[event.symbol, event.order_id].exposures.append((self._step, decimal_e8(event.quantity_e8)))
        elif isinstance(event, Ended):
            order = self._state.order(event.symbol, event.order_id)
            assert order is not None
            span = self._spans[event.symbol, event.order_id]
            span.until = self._step
            span.exposures.append((self._step, decimal_e8(order.executed_e8)))
        elif isinstance(event, Traded):
            for order_id in (event.taker_order_id, event.maker_order_id):
                order = self._state.order(event.symbol, order_id)
                if order is not None and not order.is_open:
                    self._spans[event.symbol, order_id].until = self._step

    def spans(self, client_order_id: str) -> Sequence[Span]:
        """When each order under the id was open, and how much of it could have traded by then."""
        return self._spans_of.get(client_order_id, ())

    def orders(self, client_order_id: str) -> list[VenueOrder]:
        """Every order that the venue accepted under the id; more than one is what must never be."""
        return [
            venue_order(self._state, order)
            for group in self._state.orders.values()
            for order in group
            if order.accepted.client_order_id == client_order_id
        ]

    def accepted_twice(self) -> list[str]:
        """Client order ids that one account placed more than once, of all there ever were."""
        seen: set[tuple[str, str]] = set()
        twice = []
        for order in self._all():
            key = (order.account, order.client_order_id)
            if key in seen:
                twice.append(order.client_order_id)
            seen.add(key)
        return twice

    def client_order_ids(self) -> set[str]:
        return {order.client_order_id for order in self._all()}

    def balances(self, account: str) -> dict[str, tuple[Decimal, Decimal]]:
        """asset → (free, locked)."""
        return {
            asset: (decimal_e8(held.free_e8), decimal_e8(held.locked_e8))
            for (name, asset), held in self._state.balances.items()
            if name == account
        }

    def _all(self) -> Iterator["_Key"]:
        for group in self._state.orders.values():
            for order in group:
                yield _Key(order.accepted.account, order.accepted.client_order_id)


class _Key:
    __slots__ = ("account", "client_order_id")

    def __init__(self, account: str, client_order_id: str) -> None:
        self.account = account
        self.client_order_id = client_order_id
