"""A runtime over a real database and the real paper venue, whose steps a test runs one by one in its own process.

``Desk`` stands in for broker and workers: it takes rows from the outbox in the order of their time, moves the
application's clock on to it, and calls the step. The venue's clock and the database's stay real.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from exchanges.evidence import VenueError
from exchanges.gateway import Gateway
from exchanges.protection.lanes import in_lane
from exchanges.registry import Gateways
from models.clock import parse_time
from models.order import ChildOrder, Order
from risk.lane import Lane
from settings import Settings
from storage.alerts import list_alerts
from storage.children import children_of
from storage.documents import order_document, timeline
from storage.dry_run import DatabaseDryRuns
from storage.engine import read, write
from storage.ledger import balances, held_for, invariants
from storage.order_tables import fills, reports, sends
from storage.orders import get_order
from storage.outbox import Kind, Posting, anything_due, enqueue, remove
from storage.position_proof import prove_equal
from storage.service_tables import outbox
from tasks.amend import amend_working
from tasks.commit import commit
from tasks.follow_up import follow_up
from tasks.lookup import lookup
from tasks.plan import plan
from tasks.postpone import send_slice_at
from tasks.prepare import prepare
from tasks.protection import Protection
from tasks.queues import VENUE
from tasks.recall import recall
from tasks.runtime import Runtime, use_runtime
from tasks.settle import settle
from tasks.track import track
from tasks.validate import validate
from tasks.withdraw import withdraw
from tests.support.paper import KEY, SECRET, PaperProcess
from tests.support.waiting import eventually
from workflows import amend, cancel, resolve, submit
from workflows.order import STEPS_FROM

MARKET: Mapping[str, Any] = {
    "venue": "paper",
    "symbol": "BTC/USDT",
    "side": "buy",
    "type": "market",
    "quantity": "0.01",
}

#: the venue's words for what is not over
OPEN = ("NEW", "PARTIALLY_FILLED")

#: rows of the outbox that one ``pump`` to the end may work off: more are a loop that never ends
MOST_STEPS = 400

#: A wait of the application, which its clock leaps over, takes the venue's real clock at most this long: a look that is
#: repeated until the venue's clock has passed a moment must not depend on how fast the machine is.
LONGEST_REAL_WAIT_S = 0.01

#: Times that nobody waits for, and inside of which a machine may stand still: a claim that holds while it does, and a
#: request that is answered and still in its window after it. A test that waits for the end of one makes it shorter.
ROOM: Mapping[str, int] = {"lease_ms": 60_000, "timeout_ms": 60_000, "recv_window_ms": 30_000}

#: A test that deals out failures by the dozen, or asks as fast as it can, is not about the breaker or the rate.
UNTROUBLED: Mapping[str, Any] = {"failure_threshold": 1_000, "rate_limit": "100000/second"}

#: the window of what is only read, always; the widest that the venue takes
READ_WINDOW_MS = 60_000

#: The venue's clock is measured until one answer came so fast: half of it is how far the measure may be wrong, and the
#: venue refuses what is signed a second ahead of its time.
QUICK_ANSWER_S = 0.5

Step = Callable[..., str]
STEPS: Mapping[str, Step] = {
    "orders.prepare": prepare,
    "orders.validate": validate,
    "orders.commit": commit,
    "orders.settle": settle,
    "orders.lookup": lookup,
    "orders.withdraw": withdraw,
    "orders.amend_working": amend_working,
    "orders.recall": recall,
    "orders.track": track,
    "orders.plan": plan,
    "orders.follow_up": follow_up,
}


def make_settings(home: Path, venue_url: str, *, database_url: str | None = None, **changes: Any) -> Settings:
    """Settings as a file would give them; ``changes`` go to the section that knows the name: ``[execution]`` or the venue.

    What is not changed is as by default, but for ROOM and UNTROUBLED.
    """
    changes = {**ROOM, **UNTROUBLED, **changes}
    venue_names = {"timeout_ms", "recv_window_ms", "clock_skew_ms", "visibility_lag_ms", "rate_limit"}
    breaker = {name: changes.pop(name) for name in ("failure_threshold", "recovery_timeout_ms") if name in changes}
    venue = {
        "paper": True,
        "ccxt_id": "binance",
        "base_url": venue_url,
        "accounts": {"main": {"api_key": KEY, "secret": SECRET}},
        **{name: value for name, value in changes.items() if name in venue_names},
    }
    execution = {name: value for name, value in changes.items() if name not in venue_names}
    database = {} if database_url is None else {"database_url": database_url}
    values: dict[str, Any] = {"home": home, "broker_url": "memory://", **database}
    return Settings(**values, execution=execution, breaker=breaker, venues={"paper": venue})


class SteppedRuntime(Runtime):
    """Its clock can be moved ahead, its retries are not spread, and its reads are in time however slow the machine is."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.ahead = self._furthest = timedelta()

    @cached_property
    def gateways(self) -> Gateways:
        configs = [replace(config, recv_window_ms=READ_WINDOW_MS) for config in self.guarded_configs()]
        return Gateways(configs, dry_runs=DatabaseDryRuns(self.engine), admit=self.admit)

    @cached_property
    def protection(self) -> Protection:
        """The rate's clock leaps with the application's, and never back."""
        return Protection(self.settings, self.engine, self.now, ticks=self._ticks)

    def _ticks(self) -> float:
        self._furthest = max(self._furthest, self.ahead)
        return time.monotonic() + self._furthest.total_seconds()

    def give_sends_room(self) -> None:
        """From here on a send has ROOM to arrive: after one whose window had to be waited out."""
        venues = {
            name: venue.model_copy(update={"recv_window_ms": ROOM["recv_window_ms"]})
            for name, venue in self.settings.venues.items()
        }
        self.settings = self.settings.model_copy(update={"venues": venues})

    def now(self) -> datetime:
        return super().now() + self.ahead

    def chance(self) -> float:
        return 0.5

    def advance(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)

    def advance_to(self, at: datetime) -> None:
        self.ahead = max(self.ahead, self.ahead + (at - self.now()))


class Desk:
    """Everything that a test of the order protocol needs, in one process."""

    def __init__(self, runtime: SteppedRuntime, venue: PaperProcess) -> None:
        self.runtime = runtime
        self.venue = venue
        self.engine = runtime.engine
        self._number = 0
        #: what each step that ``pump`` ran has said, in order
        self.log: list[str] = []

    # ------------------------------------------------------------------------------------------------------ acting

    def place(self, **changes: Any) -> str:
        """Submit an order and return its id; nothing of it is worked on yet."""
        self._number += 1
        request = {**MARKET, "client_order_id": f"test-{self._number}", **changes}
        return str(submit.submit_order(self.runtime, request, source="test").document["id"])

    def limit(self, price_off: str, **changes: Any) -> str:
        """A limit order at the best bid plus ``price_off``."""
        return self.place(type="limit", price=str(self.bid() + Decimal(price_off)), **changes)

    def bid(self) -> Decimal:
        bid = self.runtime.gateways.get("paper", "main").quote("BTC/USDT").bid
        assert bid is not None
        return bid

    def until_sent(self, order_id: str) -> str:
        """Prepare and validate, then commit; returns what commit said."""
        prepare(self.runtime, order_id=order_id)
        validate(self.runtime, order_id=order_id)
        return commit(self.runtime, order_id=order_id)

    def work(self, order_id: str) -> dict[str, Any]:
        """The whole chain once; returns the document after it."""
        self.until_sent(order_id)
        settle(self.runtime, order_id=order_id)
        return self.document(order_id)

    def track(self) -> str:
        return track(self.runtime, venue="paper", account="main", symbol="BTC/USDT")

    def cancel(self, order_id: str) -> dict[str, Any]:
        return cancel.request_cancel(self.runtime, order_id, source="test")

    def pump(self, done: Callable[[], object] | None = None, *, within_s: float = 60.0) -> None:
        """Work off the outbox, each row at its time, until ``done`` or until nothing is left."""
        give_up_at = time.monotonic() + within_s
        for number in count():
            if done is not None and done():
                return
            row = self._next_row()
            if row is None:
                assert done is None, f"nothing is left to do and it is not done: {self.log}"
                return
            assert time.monotonic() < give_up_at, f"not done within {within_s} s: {self.log[-20:]}"
            assert done is not None or number < MOST_STEPS, f"{MOST_STEPS} steps were not enough: {self.log[-20:]}"
            posting, due_at = row
            time.sleep(min(max((due_at - self.runtime.now()).total_seconds(), 0.0), LONGEST_REAL_WAIT_S))
            self.runtime.advance_to(due_at)
            self._perform(posting)

    def _next_row(self) -> tuple[Posting, datetime] | None:
        with write(self.engine) as conn:
            row = conn.execute(select(outbox).order_by(outbox.c.due_at, outbox.c.id).limit(1)).mappings().one_or_none()
            if row is None:
                return None
            remove(conn, [row["id"]])
        names = ("id", "task", "queue", "kwargs", "headers", "attempts")
        return Posting(kind=Kind(row["kind"]), **{name: row[name] for name in names}), row["due_at"]

    def _perform(self, posting: Posting) -> None:
        if posting.kind is Kind.TASK:
            ids = {name: value for name, value in posting.kwargs.items() if name != "rescued"}
            said = [STEPS[posting.task](self.runtime, **ids)]
        elif posting.kind is Kind.ORDER:
            order_id = posting.kwargs["order_id"]
            said = [
                STEPS[name](self.runtime, order_id=order_id) for name in STEPS_FROM.get(self.order(order_id).status, ())
            ]
        elif posting.kind is Kind.WAVE:
            said = [f"{self._spread(posting.kwargs)} slices go out"]
        else:
            said = ["told the caller"]
        self.log += [f"{posting.task}: {words}" for words in said]

    def _spread(self, wave: Mapping[str, Any]) -> int:
        """A chord: each slice at its time, and the plan of the next wave behind the last of them."""
        with write(self.engine) as conn:
            now, last = self.runtime.now(), self.runtime.now()
            for child_id, due_at in wave["slices"]:
                last = max(parse_time(due_at), now)
                send_slice_at(conn, wave["order_id"], child_id, last, now=now)
            callback = {"order_id": wave["order_id"], "wave": wave["wave"]}
            enqueue(conn, Kind.TASK, "orders.plan", VENUE, callback, now=now, due_at=last)
        return len(wave["slices"])

    # --------------------------------------------------------------------------------------------------- looking

    def order(self, order_id: str) -> Order:
        with read(self.engine) as conn:
            return get_order(conn, order_id)

    def child(self, order_id: str) -> ChildOrder:
        with read(self.engine) as conn:
            (child,) = children_of(conn, order_id)
        return child

    def children(self, order_id: str) -> list[ChildOrder]:
        """By slice and attempt."""
        with read(self.engine) as conn:
            return list(children_of(conn, order_id))

    def document(self, order_id: str) -> dict[str, Any]:
        with read(self.engine) as conn:
            document = order_document(conn, order_id)
        assert document is not None
        return document

    def amend(self, order_id: str, *, if_match: int | None = None, **change: Any) -> dict[str, Any]:
        return amend.request_amend(self.runtime, order_id, change, if_match=if_match, source="test")

    def end(self, order_id: str) -> tuple[str, str | None, str]:
        """(status, code of the reason, filled quantity)."""
        document = self.document(order_id)
        return document["status"], (document["reason"] or {}).get("code"), document["filled_quantity"]

    def moves(self, order_id: str, entity: str) -> list[str]:
        with read(self.engine) as conn:
            return [row["to"] for row in timeline(conn, order_id) if row["entity"] == entity]

    def sends(self, order_id: str) -> list[Mapping[str, Any]]:
        return self._rows(sends, sends.c.child_id.in_([child.id for child in self.children(order_id)]))

    def reports(self, order_id: str) -> list[Mapping[str, Any]]:
        return self._rows(reports, reports.c.order_id == order_id)

    def fills(self, order_id: str) -> list[Mapping[str, Any]]:
        return self._rows(fills, fills.c.order_id == order_id)

    def held(self, order_id: str) -> dict[str, Decimal]:
        with read(self.engine) as conn:
            return {asset: amount for asset, amount in held_for(conn, order_id).items() if amount}

    def alerts(self) -> list[str]:
        with read(self.engine) as conn:
            return [str(alert["kind"]) for alert in list_alerts(conn)]

    def waiting(self) -> list[str]:
        """The tasks that the outbox holds."""
        with read(self.engine) as conn:
            return list(conn.execute(select(outbox.c.task).order_by(outbox.c.id)).scalars())

    def due(self) -> bool:
        """Whether the outbox holds a row whose time has come."""
        with read(self.engine) as conn:
            return anything_due(conn, self.runtime.now())

    def at_venue(self, order_id: str) -> list[dict[str, Any]]:
        """The venue's orders under the client ids of the order's children."""
        client_ids = {child.venue_client_order_id for child in self.children(order_id)}
        return [order for order in self.venue.orders() if order["client_order_id"] in client_ids]

    def forget_outbox(self) -> None:
        """A broker that lost everything."""
        with write(self.engine) as conn:
            conn.execute(outbox.delete())

    def withdraw_everything(self) -> None:
        """Nothing of this test may trade in the next one, which shares the venue."""
        gateway = self.runtime.gateways.get("paper", "main")
        with in_lane(Lane.URGENT):
            for symbol in {order["symbol"] for order in self.venue.orders() if order["status"] in OPEN}:
                unified = symbol.replace("USDT", "/USDT")
                for report in gateway.open_orders(unified):
                    with suppress(VenueError):
                        gateway.cancel_order(unified, report.venue_order_id)

    def assert_books_match(self) -> None:
        """Our totals are the venue's, to one atom, and every invariant of the books holds."""
        theirs = {found.asset: found.total for found in self.runtime.gateways.get("paper", "main").balances()}
        with read(self.engine) as conn:
            ours = {held.asset: held.total for held in balances(conn, "paper", "main") if held.total}
            assert invariants(conn) == []
            assert prove_equal(conn) == []
        assert ours == theirs

    def _rows(self, table: Any, where: Any) -> list[Mapping[str, Any]]:
        with read(self.engine) as conn:
            return [dict(row) for row in conn.execute(select(table).where(where)).mappings()]


def forgetful(runtime: Runtime) -> None:
    """As if the venue had no deadline of its own for a request: nothing but its own word proves an absence."""
    caller = runtime.gateways.get("paper", "main")._caller  # type: ignore[attr-defined]
    caller.can = replace(caller.can, enforces_deadline=False)


class _NoPublisher:
    """Rows stay in the outbox, where the test finds them."""

    def hand_over(self, posting: Posting) -> None:
        pass


def open_desk(settings: Settings, venue: PaperProcess, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk over a migrated database; the caller closes ``desk.runtime``."""
    runtime = SteppedRuntime(settings)
    use_runtime(runtime)
    for module in (submit, cancel, resolve, amend):
        monkeypatch.setattr(module, "publisher_of", lambda _: _NoPublisher())
    runtime.instruments.refresh("paper")
    gateway = runtime.gateways.get("paper", "main")
    eventually(lambda: _measured_well(gateway), within_s=60, describe="one quick answer of the venue's clock")
    return Desk(runtime, venue)


def _measured_well(gateway: Gateway) -> bool:
    """Ask the venue for its time; whether the gateway's estimate is good from now on."""
    asked_at = time.monotonic()
    gateway.time()
    return time.monotonic() - asked_at < QUICK_ANSWER_S


__all__ = ["MARKET", "Desk", "SteppedRuntime", "forgetful", "make_settings", "open_desk"]
