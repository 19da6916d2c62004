"""What happens in a schedule from outside: orders, cancels, halts, a person's word; and the venue that it happens at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text

from models.clock import format_time, from_micros
from models.errors import NotFound, Refusal, Unavailable
from storage.engine import is_unavailable, read
from storage.order_tables import child_orders, orders
from tests.simulation.choices import Choices
from tests.simulation.config import LAG_MS, LAST_CALL_S, Dedupe, FeeTaken, VenueModel
from tests.simulation.venue import Venue
from tests.simulation.world import S_US, START_US, Process, World
from workflows.cancel import OtherwiseEnded, cancel_by_client_id, request_cancel
from workflows.halt import halt, resume
from workflows.resolve import resolve_child
from workflows.submit import submit_order

#: (client ids are kept apart among, enforces a deadline, a limit proves absence)
VENUES = (
    (Dedupe.OPEN, True, True),
    (Dedupe.ALWAYS, True, False),
    (Dedupe.NEVER, True, True),
    (Dedupe.OPEN, False, False),
    (Dedupe.ALWAYS, False, True),
    (Dedupe.NEVER, False, False),
)
CLOCKS_OFF_US = (0, 3_000_000, -3_000_000)

#: (side, type, time in force, quantity, price)
KINDS = (
    ("buy", "limit", "GTC", "0.04", "98"),
    ("buy", "market", "GTC", "0.04", None),
    ("sell", "limit", "GTC", "0.05", "101"),
    ("sell", "market", "GTC", "0.02", None),
    ("buy", "limit", "IOC", "0.04", "100"),
    ("sell", "limit", "FOK", "0.03", "99"),
    ("buy", "limit", "GTC", "19", "98"),  # beside another one the funds are short
)
CANCELS_US = (None, 30_000, 400_000, 1_500_000, 4_000_000, -1)
EXPIRIES_US = (None, None, None, 500_000, 2_500_000)

_DOUBTFUL = (
    select(child_orders.c.id, child_orders.c.order_id, child_orders.c.venue_client_order_id)
    .join(orders, orders.c.id == child_orders.c.order_id)
    .where(text("orders.reason_code = 'SEND_UNKNOWN' AND child_orders.status = 'UNKNOWN'"))
)

#: when a client asks again that got no answer
AGAIN_US = S_US


@dataclass(slots=True)
class Wish:
    """One order of a client."""

    number: int
    request: dict[str, Any]
    cancel_at_us: int | None
    #: what the client was told, once it was
    order_id: str | None = None


def draw_venue(choices: Choices) -> VenueModel:
    dedupe, enforces, limit_rejects = VENUES[choices.choose("scene:venue", len(VENUES))]
    return VenueModel(
        dedupe=dedupe,
        enforces_deadline=enforces,
        rate_limit_is_rejection=limit_rejects,
        fee=tuple(FeeTaken)[choices.choose("scene:fee", len(FeeTaken))],
        clock_off_us=CLOCKS_OFF_US[choices.choose("scene:clock", len(CLOCKS_OFF_US))],
        lag_us=LAG_MS * 1000,
    )


def draw_wishes(choices: Choices) -> list[Wish]:
    wishes = []
    for number in range(1 + choices.choose("scene:orders", 2)):
        side, kind, in_force, quantity, price = KINDS[choices.choose("scene:kind", len(KINDS))]
        request: dict[str, Any] = {
            "client_order_id": f"wish-{number}",
            "venue": "sim",
            "symbol": "BTC/USDT",
            "side": side,
            "type": kind,
            "quantity": quantity,
            **({} if price is None else {"price": price, "time_in_force": in_force}),
        }
        expiry = EXPIRIES_US[choices.choose("scene:expiry", len(EXPIRIES_US))]
        if expiry is not None:
            request["expires_at"] = format_time(from_micros(START_US + expiry))
        cancel_at = CANCELS_US[choices.choose("scene:cancel", len(CANCELS_US))]
        wishes.append(Wish(number, request, cancel_at))
    return wishes


class Clients:
    """Those outside: they ask until they have an answer."""

    def __init__(self, world: World, venue: Venue, wishes: list[Wish]) -> None:
        self._world = world
        self._venue = venue
        self.wishes = wishes
        #: requests of theirs that have no answer yet
        self.waiting = 0
        self._halts = world.choices.choose("scene:halt", 8) == 7

    def begin(self) -> None:
        world = self._world
        for wish in self.wishes:
            self._when(1 + wish.number * 20_000, lambda wish=wish: self._submit(wish))
            if wish.number == 0 and world.choices.choose("scene:twice", 4) == 3:
                self._when(60_000, lambda wish=wish: self._submit(wish))
            if wish.cancel_at_us == -1:
                self._when(0, lambda wish=wish: self._cancel_early(wish))
            elif wish.cancel_at_us is not None:
                self._when(wish.cancel_at_us, lambda wish=wish: self._cancel(wish))
        if self._halts:
            self._when(10_000, self._halt)
            self._when(5 * S_US, self._resume)

    def last_call(self) -> None:
        """Every order that still rests is cancelled, so that all can end; and a person looks at what is in doubt."""
        for wish in self.wishes:
            if wish.order_id is not None:
                self._when(0, lambda wish=wish: self._cancel(wish, again=False))
        self._when(0, self._resolve)

    # A request of a client, in whatever process of the API lives, until there is an answer.

    def _when(self, delay_us: int, work: Any) -> None:
        self.waiting += 1
        self._world.later(delay_us, "client", lambda: self._start(work))

    def _start(self, work: Any) -> None:
        process = self._world.process("api")
        if process is None:  # refused: nobody listens
            self._world.later(AGAIN_US, "client", lambda: self._start(work))
            return
        answered = [False]

        def ask() -> None:
            try:
                work()
            except Unavailable as error:
                self._world.line(f"api: 503 {error}")
                return
            except Exception as error:
                if not is_unavailable(error):
                    raise
                self._world.line("api: 503")
                return
            answered[0] = True
            self.waiting -= 1

        fiber = self._world.spawn(process, work.__name__ if work.__name__ != "<lambda>" else "client", ask)

        def look() -> None:
            if answered[0]:
                return
            if fiber in process.fibers and not process.dead:  # still at it
                self._world.later(AGAIN_US, "client", look)
            else:
                self._start(work)

        self._world.later(AGAIN_US, "client", look)

    def _submit(self, wish: Wish) -> None:
        try:
            taken = submit_order(self._runtime(), dict(wish.request), source="http")
        except Unavailable:
            raise
        except Refusal as refusal:
            self._world.line(f"api: wish {wish.number} is refused: {refusal.code}")
            return
        order_id = str(taken.document["id"])
        self._world.line(f"api: wish {wish.number} is {'taken as' if taken.created else 'known as'} {order_id}")
        if wish.order_id not in (None, order_id):
            self._world.violate(f"wish {wish.number} was order {wish.order_id} and is {order_id} now")
        wish.order_id = order_id

    def _cancel(self, wish: Wish, *, again: bool = True) -> None:
        if wish.order_id is None:
            if again and self._world.now_us < START_US + int(LAST_CALL_S * S_US):
                self._when(AGAIN_US, lambda: self._cancel(wish))
            return
        try:
            document = request_cancel(self._runtime(), wish.order_id, source="http")
            self._world.line(f"api: cancel of wish {wish.number}: {document['status']}")
        except (OtherwiseEnded, NotFound) as refusal:
            self._world.line(f"api: cancel of wish {wish.number}: {refusal.code}")

    def _cancel_early(self, wish: Wish) -> None:
        try:
            said = cancel_by_client_id(self._runtime(), "main", wish.request["client_order_id"], source="celery")
        except OtherwiseEnded as refusal:
            said = refusal.code
        self._world.line(f"api: early cancel of wish {wish.number}: {said}")

    def _halt(self) -> None:
        halt(self._runtime(), reason="test", by="person")
        self._world.line("api: halted")

    def _resume(self) -> None:
        try:
            resume(self._runtime())
        except NotFound:
            return
        self._world.line("api: resumed")

    def _resolve(self) -> None:
        """A person looks at the venue and says what is there, where the venue itself proves nothing.

        This one is right: nothing that was sent is on its way any more.
        """
        if self._world.flying:
            return
        runtime = self._runtime()
        with read(runtime.engine) as conn:
            doubtful = conn.execute(_DOUBTFUL).all()
        for row in doubtful:
            if self._venue.model.enforces_deadline:
                self._world.violate(f"order {row.order_id} is SEND_UNKNOWN at a venue that can prove an absence")
            there = [order for order in self._venue.orders if order.client_id == row.venue_client_order_id]
            if there:
                continue  # lookup finds it by itself
            try:
                document = resolve_child(runtime, row.order_id, row.id, "absent", note="not there", by="person")
            except Refusal as refusal:
                self._world.line(f"api: resolve: {refusal.code}")
                continue
            self._world.line(f"api: a person says that {row.id} is absent: {document['status']}")

    def _runtime(self) -> Any:
        process: Process = self._world.fiber().process
        return process.runtime


def as_time(us: int) -> datetime:
    return from_micros(us)
