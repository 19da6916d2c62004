"""One symbol's book: price levels of queued entries. The best price trades first, at one price the earliest entry."""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from exchanges.paper.state import Order


@dataclass(slots=True, eq=False)
class Entry:
    """What stands in a queue: a customer's order, or an anonymous quantity of the background market."""

    order: Order | None
    #: of the background market; a customer's rest is read from the order
    market_e8: int = 0

    @property
    def left_e8(self) -> int:
        """What the book shows."""
        return self.market_e8 if self.order is None else self.order.shown_e8


class Ladder:
    """One side of a book. ``sign`` is -1 for bids, so that keys always rise away from the best price."""

    def __init__(self, *, bids: bool) -> None:
        self.sign = -1 if bids else 1
        self._keys: list[int] = []
        self._levels: dict[int, deque[Entry]] = {}
        #: keys of levels where the background market stands
        self._market: set[int] = set()

    def entries(self, limit_e8: int | None = None) -> Iterator[tuple[int, Entry]]:
        """(price, entry) as the book shows them, up to a limit price. Don't change the ladder meanwhile."""
        for key in self._keys:
            if limit_e8 is not None and key > limit_e8 * self.sign:
                return
            for entry in self._levels[key]:
                if entry.left_e8:
                    yield key * self.sign, entry

    def parts(self, limit_e8: int | None = None) -> Iterator[tuple[int, Entry, int]]:
        """(price, entry, quantity) in the order in which they trade. What an iceberg hides follows what is shown at its
        price, part by part, so an entry may come more than once. Don't change the ladder meanwhile.
        """
        for price, shown in groupby(self.entries(limit_e8), key=itemgetter(0)):
            hidden: deque[tuple[Entry, int]] = deque()
            for _, entry in shown:
                yield price, entry, entry.left_e8
                if entry.order is not None and entry.order.rest_e8 > entry.left_e8:
                    hidden.append((entry, entry.order.rest_e8 - entry.left_e8))
            while hidden:
                entry, left_e8 = hidden.popleft()
                assert entry.order is not None
                part_e8 = min(left_e8, entry.order.accepted.iceberg_e8)
                yield price, entry, part_e8
                if left_e8 > part_e8:
                    hidden.append((entry, left_e8 - part_e8))

    def best_e8(self) -> int | None:
        return next((price for price, _ in self.entries()), None)

    def best_customer_e8(self) -> int | None:
        """The best price at which a customer rests."""
        return next((price for price, entry in self.entries() if entry.order is not None), None)

    def levels(self, limit: int) -> list[tuple[int, int]]:
        """(price, total quantity), best first."""
        totals: list[tuple[int, int]] = []
        for price, entry in self.entries():
            if totals and totals[-1][0] == price:
                totals[-1] = (price, totals[-1][1] + entry.left_e8)
            elif len(totals) == limit:
                break
            else:
                totals.append((price, entry.left_e8))
        return totals

    def rest(self, order: Order) -> None:
        """Queue a customer's order behind what stands at its price."""
        self._level(order.accepted.price_e8 * self.sign).append(Entry(order))

    def to_the_back(self, order: Order) -> None:
        """Let an order that stands here wait behind the others at its price."""
        level = self._levels[order.accepted.price_e8 * self.sign]
        entry = next(entry for entry in level if entry.order is order)
        level.remove(entry)
        level.append(entry)

    def remove(self, order: Order) -> None:
        key = order.accepted.price_e8 * self.sign
        level = self._levels.get(key, deque())
        for entry in level:
            if entry.order is order:
                level.remove(entry)
                break
        self._drop_if_empty(key)

    def prune(self, prices_e8: set[int]) -> None:
        """Forget entries that are traded out at these prices."""
        for price in prices_e8:
            key = price * self.sign
            level = self._levels.get(key)
            if level is not None:
                self._levels[key] = deque(entry for entry in level if entry.left_e8)
                self._drop_if_empty(key)

    def keep(self, prices_e8: Collection[int]) -> None:
        """Withdraw the background market from every other price."""
        for key in [key for key in self._market if key * self.sign not in prices_e8]:
            self._levels[key] = deque(entry for entry in self._levels[key] if entry.order is not None)
            self._market.discard(key)
            self._drop_if_empty(key)

    def quote(self, levels: dict[int, int]) -> None:
        """Set what the background market offers: price to quantity. It stands nowhere else afterwards.

        Less at a price leaves from the back of its queue; more joins at the back, behind customers.
        """
        wanted = {price * self.sign: quantity for price, quantity in levels.items() if quantity}
        self.keep({key * self.sign for key in wanted})
        for key, quantity in wanted.items():
            self._adjust(self._level(key), quantity)
        self._market = set(wanted)

    @staticmethod
    def _adjust(level: deque[Entry], quantity_e8: int) -> None:
        more = quantity_e8 - sum(entry.market_e8 for entry in level if entry.order is None)
        if more > 0:
            if level and level[-1].order is None:
                level[-1].market_e8 += more
            else:
                level.append(Entry(None, more))
            return
        for entry in reversed(level):
            if entry.order is None and more:
                cut = min(entry.market_e8, -more)
                entry.market_e8 -= cut
                more += cut

    def _level(self, key: int) -> deque[Entry]:
        level = self._levels.get(key)
        if level is None:
            level = self._levels[key] = deque()
            insort(self._keys, key)
        return level

    def _drop_if_empty(self, key: int) -> None:
        if key in self._levels and not self._levels[key]:
            del self._levels[key]
            self._market.discard(key)
            del self._keys[bisect_left(self._keys, key)]


class Book:
    """Both sides of one symbol."""

    def __init__(self) -> None:
        self.bids = Ladder(bids=True)
        self.asks = Ladder(bids=False)

    def own(self, *, buys: bool) -> Ladder:
        """Where an order of that side rests."""
        return self.bids if buys else self.asks

    def opposite(self, *, buys: bool) -> Ladder:
        """What an order of that side trades against."""
        return self.asks if buys else self.bids
