"""One trial: a cell's order on its way, the fault at its stage, and what the oracle says afterwards."""

import random
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, func, select

from ops.chaos import windows
from ops.chaos.cell import Cell, Outcome
from ops.chaos.faults import FAULTS, Fault
from ops.chaos.lane import LOOK_EVERY_S, Lane
from ops.chaos.oracle import FINAL, book_problems, order_problems, safety_problems
from ops.chaos.ways import WAYS
from storage.amendment_tables import amendments
from storage.documents import order_document
from storage.engine import read
from storage.order_tables import child_orders, orders
from storage.service_tables import early_cancels

#: how long a trial may take at the usual pace; most take two seconds, and a late one is tried again at a slower pace
PATIENCE_S = 60.0

#: how long the oracle may find something before it counts: the venue and we speak of the same moment only once all is quiet
SETTLE_S = 30.0

SYMBOL, PAIR = "BTCUSDT", "BTC/USDT"
PRICE = 62_000


#: said of a cell whose fault did not strike: it is tried again, and fails if it never does
NEVER_REACHED = "the fault never struck, so nothing was shown"


class Gone(Exception):
    """Something was answered against the contract. The text says what."""


class Late(Exception):
    """Something did not come about in time. The text says what."""


class Trial:
    """What the ways and faults work with."""

    def __init__(self, lane: Lane, cell: Cell, seed: int) -> None:
        self.lane = lane
        self.cell = cell
        self.seed = seed
        self.rng = random.Random(f"{seed}:{cell.name}")
        #: the same cell may be tried twice in one lane, so the key is never drawn from the seed
        self.key = f"chaos-{secrets.token_hex(8)}"
        self.account = "main"
        self.problems: list[str] = []
        self.order_ids: set[str] = set()
        self._faults: dict[str, Fault] = {}
        self._venue_hits = 0
        #: what did not come about in time
        self._late = ""
        self._struck: dict[str, int] = {}
        #: (time, what to do): a paused process goes on
        self._later: list[tuple[float, Callable[[], None]]] = []
        self._deadline = time.monotonic() + PATIENCE_S * lane.pace

    def run(self) -> Outcome:
        """Never raises for what the cell shows; LaneBroken means that the lane is of no more use."""
        lane, started = self.lane, time.monotonic()
        way = WAYS[self.cell.way]
        self._prepare()
        marks, deaths = lane.mark_logs(), lane.deaths
        request: dict[str, Any] = {}
        try:
            request = way.go(self)
            self.wait(self._is_final, "the order is final")
            self._later_all()
            self._ask_again(request)
        except Gone as gone:
            self.problems.append(str(gone))
        except Late as unfinished:
            self._late = str(unfinished)
        finally:
            self._later_all()
            lane.arm_nothing()
        ended = self.status() or "nothing"
        if way.ends_late and self._reason() == way.ends_late:
            self._late = f"its time was over before all of it was sent: {ended}, {way.ends_late}"
        elif request and ended in FINAL and ended not in way.ends:
            self.problems.append(f"it ended {ended}, and this way ends {' or '.join(sorted(way.ends))}")
        self._venue_hits = self._count_venue_hits()
        self.problems += self._ask_the_oracle()
        late = bool(self._late) and not self.problems
        if self._late:
            self.problems.insert(0, self._late)
        hits = lane.hits()
        verdict = self._verdict(hits)
        return Outcome(
            cell=self.cell.name,
            seed=self.seed,
            pace=lane.pace,
            late=late,
            verdict=verdict,
            seconds=round(time.monotonic() - started, 2),
            problems=tuple(self.problems),
            hits=tuple(sorted((stage, len(pids)) for stage, pids in hits.items())),
            deaths=lane.deaths - deaths,
            ended=ended,
            logs=lane.tails(marks) if verdict == "failed" else "",
        )

    # ------------------------------------------------------------------------------------------- before and after it

    def _prepare(self) -> None:
        lane, way = self.lane, WAYS[self.cell.way]
        first = FAULTS[self.cell.fault]
        lane.use(layout=first.layout, dedupe=self.cell.dedupe)
        lane.tell_venue("faults", {"disarm": "*"})
        self.set_market()
        armed: dict[str, str] = dict(way.armed)
        if not first.at_venue:
            stage, _, number = self.cell.stage.partition("#")
            skipped = f"{int(number) - 1}*off->" if number else ""
            armed[stage] = f"{armed[stage]}->{skipped}{first.action}" if stage in armed else f"{skipped}{first.action}"
            self._faults[stage] = first
        if self.cell.second is not None:
            stage, name = self.cell.second
            second = FAULTS[name]
            armed[stage] = f"{armed[stage]}->{second.action}" if stage in armed else second.action
            self._faults.setdefault(stage, second)
        lane.arm(armed)
        named = [{"name": f"struck-{number}", **rule} for number, rule in enumerate(first.at_venue)]
        rules = [windows.scaled(rule, lane.pace) for rule in (*way.venue_faults, *named)]
        if rules:
            lane.tell_venue("faults", {"arm": rules})

    def set_market(self) -> None:
        """The market stands where it began, in small steps, so that a market order meets several of them."""
        asks = [[str(PRICE + step), "0.0004" if step < 2 else "50"] for step in range(3)]
        bids = [[str(PRICE - 1 - step), "0.0004" if step < 2 else "50"] for step in range(3)]
        self.lane.tell_venue("pause-market", {"paused": False})
        self.lane.tell_venue("price", {"symbol": SYMBOL, "price": str(PRICE)})
        self.lane.tell_venue("price", {"symbol": SYMBOL, "bids": bids, "asks": asks})

    def stand_still(self, asks: Sequence[Sequence[str]] = ((str(PRICE), "50"),)) -> None:
        """Nothing comes to the market by itself any more. A venue that is killed forgets it."""
        self.lane.tell_venue("pause-market", {"paused": True})
        bids = [[str(PRICE - 10), "50"]]
        self.lane.tell_venue("price", {"symbol": SYMBOL, "bids": bids, "asks": [list(level) for level in asks]})

    def _verdict(self, hits: Mapping[str, list[int]]) -> str:
        if not self._was_reached(hits):
            self.problems.append(NEVER_REACHED)
        way = WAYS[self.cell.way]
        if self.problems:
            return "failed"
        if self.cell.second is not None:
            stage = self.cell.second[0]
            if len(hits.get(stage, ())) <= way.armed.get(stage, "").count("*"):
                return "unreached"
        return "passed"

    def _was_reached(self, hits: Mapping[str, list[int]]) -> bool:
        """Whether the fault struck at all: at its stage, or at the venue by the venue's own count."""
        if FAULTS[self.cell.fault].at_venue:
            return bool(self._venue_hits)
        stage = self.cell.stage.partition("#")[0]
        return len(hits.get(stage, ())) > WAYS[self.cell.way].armed.get(stage, "").count("*")

    def _count_venue_hits(self) -> int:
        names = [f"struck-{number}" for number in range(len(FAULTS[self.cell.fault].at_venue))]
        armed = (self.lane.venue("GET", "faults") or {}).get("armed", ())
        return sum(int(rule["hits"]) for rule in armed if rule["name"] in names)

    def _ask_again(self, request: Mapping[str, Any]) -> None:
        """The same request again gives the same order, as it is now."""
        if not request:
            return
        answer = self.post(request)
        if answer[0] != 200 or answer[1].get("id") not in self.order_ids or not answer[2]:
            self.problems.append(f"the same request again was answered {answer[0]} with order {answer[1].get('id')}")

    def _ask_the_oracle(self) -> list[str]:
        """What it finds once all is quiet."""
        deadline = time.monotonic() + SETTLE_S
        while True:
            self.lane.log.catch_up()
            with read(self.lane.engine, snapshot=True) as conn:
                if self._late:
                    # It is not over yet, so only what must hold at any moment can be asked for.
                    return list(safety_problems(conn, self.lane.log, self.account, self.key))
                found = list(order_problems(conn, self.lane.log, self.account, self.key))
                found += book_problems(conn, self.lane.log, self.account)
                found += self._check_way(conn)
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.2)

    def _check_way(self, conn: Connection) -> list[str]:
        check, order_id = WAYS[self.cell.way].check, self.order_id()
        document = order_document(conn, order_id) if check and order_id else None
        return [f"{self.key}: {problem}" for problem in check(document)] if check and document else []

    # ------------------------------------------------------------------------------------------------ what a way uses

    def wait(self, is_so: Callable[[], object], what: str) -> None:
        """Until it is so, while faults strike at their stages. Raises Late."""
        while not is_so():
            self.look()
            if time.monotonic() > self._deadline:
                raise Late(
                    f"within {PATIENCE_S * self.lane.pace:.0f} s it did not come about that {what}; it is {self.status()}"
                )
            time.sleep(LOOK_EVERY_S)

    def pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() >= until, "a pause is over")

    def look(self) -> None:
        """Take in what happened, and do what is due."""
        self.lane.listen()
        for stage, pids in self.lane.hits().items():
            fault = self._faults.get(stage)
            if fault is None or fault.then is None:
                continue
            for pid in pids[self._struck.get(stage, 0) :]:
                self._struck[stage] = self._struck.get(stage, 0) + 1
                fault.then(self, pid)
        now = time.monotonic()
        due = [do for at, do in self._later if at <= now]
        self._later = [(at, do) for at, do in self._later if at > now]
        for do in due:
            do()

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        self._later.append((time.monotonic() + seconds, do))

    def _later_all(self) -> None:
        """Nothing that a fault began goes on after its trial."""
        while self._later:
            self.look()
            time.sleep(LOOK_EVERY_S)

    def post(self, request: Mapping[str, Any]) -> tuple[int, Any, bool]:
        """POST /v1/orders, again until it is taken or refused for good."""
        answers: list[tuple[int, Any, bool]] = []

        def taken() -> bool:
            answer = self.lane.ask("POST", "/v1/orders", request)
            if answer is not None and answer[0] < 500:
                answers.append(answer)
            return bool(answers)

        self.wait(taken, "the API takes the order")
        status, document, _ = answers[0]
        if status not in (200, 201):
            raise Gone(f"the order was answered {status}: {document}")
        self.order_ids.add(document["id"])
        if len(self.order_ids) > 1:
            self.problems.append(f"one key became {len(self.order_ids)} orders: {sorted(self.order_ids)}")
        return answers[0]

    def request(self, **changes: Any) -> dict[str, Any]:
        """A small market order, changed."""
        side = changes.pop("side", None) or self.rng.choice(("buy", "sell"))
        return {
            "client_order_id": self.key, "venue": "paper", "account": self.account, "symbol": PAIR, "side": side,
            "quantity": "0.001", "type": "limit" if "price" in changes else "market", **changes,
        }  # fmt: skip

    def cancel(self) -> None:
        """DELETE, again until it is answered for good."""
        (order_id,) = self.order_ids

        def answered() -> bool:
            answer = self.lane.ask("DELETE", f"/v1/orders/{order_id}")
            return answer is not None and answer[0] in (202, 409)

        self.wait(answered, "the API takes the cancel")

    def amend(self, change: Mapping[str, str]) -> None:
        """PATCH, again until it is taken, or the order has ended meanwhile."""
        (order_id,) = self.order_ids
        answers: list[tuple[int, Any, bool]] = []

        def answered() -> bool:
            answer = self.lane.ask("PATCH", f"/v1/orders/{order_id}", change)
            if answer is not None and answer[0] < 500:
                answers.append(answer)
            return bool(answers)

        self.wait(answered, "the API takes the amendment")
        status, document, _ = answers[0]
        if status != 202 and document.get("code") != "ORDER_ENDED":
            raise Gone(f"the amendment was answered {status}: {document}")

    def amendment_is_decided(self) -> bool:
        """Whether what was asked to change is done or refused, or the order is over."""
        return self.amendment().startswith(("DONE", "REFUSED")) or self._is_final()

    def amendment(self) -> str:
        """What became of what was asked to change, as ``DONE`` or ``REFUSED VENUE_REJECTED``; empty where none is on record."""
        told = amendments.c.status + func.coalesce(" " + amendments.c.reason_code, "")
        found = self._one(select(told).join(orders, orders.c.id == amendments.c.order_id).where(*self._mine()))
        return str(found or "")

    def tell(self, path: str, body: Mapping[str, Any], *, done: str = "") -> None:
        """POST, again until it is answered for good. Raises Gone for a refusal.

        ``done``: what it is refused with once an earlier copy of it, whose answer was lost, has done it.
        """
        answers: list[tuple[int, Any, bool]] = []

        def answered() -> bool:
            answer = self.lane.ask("POST", path, body)
            if answer is not None and answer[0] < 500:
                answers.append(answer)
            return bool(answers)

        self.wait(answered, f"the API takes {path}")
        if answers[0][0] not in (200, 202) and answers[0][1].get("code") != done:
            raise Gone(f"{path} was answered {answers[0][0]}: {answers[0][1]}")

    def send_task(self, name: str, queue: str, **kwargs: Any) -> None:
        """A message of another service, again until the broker takes it."""
        from kombu.exceptions import OperationalError

        def sent() -> bool:
            try:
                self.lane.celery.send_task(name, kwargs=kwargs, queue=queue, ignore_result=True, retry=False)
            except (OperationalError, OSError):
                return False
            return True

        self.wait(sent, f"the broker takes {name}")

    def status(self) -> str | None:
        """Of the order; None while there is none."""
        found = self._one(select(orders.c.status).where(*self._mine()))
        return None if found is None else str(found)

    def order_id(self) -> str | None:
        found = self._one(select(orders.c.id).where(*self._mine()))
        return None if found is None else str(found)

    def rests(self) -> bool:
        """Whether the venue has acknowledged it, by our rows, or it is over."""
        return self._one(self._children(child_orders.c.venue_order_id)) is not None or self._is_final()

    def sent(self) -> bool:
        """Whether any of it was sent, by our rows, or it is over."""
        return self._one(self._children().where(child_orders.c.sent_at.is_not(None))) is not None or self._is_final()

    def dropped(self) -> bool:
        """Whether a slice was dropped unsent, or the order is over."""
        unsent = self._children().where(child_orders.c.sent_at.is_(None), child_orders.c.status == "CANCELED")
        return self._one(unsent) is not None or self._is_final()

    def attempts(self) -> int:
        """The number of the newest attempt; 0 while there is none."""
        found = self._one(self._children(child_orders.c.attempt).order_by(child_orders.c.attempt.desc()))
        return 0 if found is None else int(found)

    def _children(self, column: Any = child_orders.c.id) -> Any:
        return select(column).join(orders, orders.c.id == child_orders.c.order_id).where(*self._mine())

    def is_remembered(self) -> bool:
        """Whether a cancel waits for its order."""
        found = self._one(select(early_cancels.c.account).where(early_cancels.c.client_order_id == self.key))
        return found is not None

    def _reason(self) -> str | None:
        """The code of why the order is as it is."""
        found = self._one(select(orders.c.reason_code).where(*self._mine()))
        return None if found is None else str(found)

    def filled(self) -> Any:
        return self._one(select(orders.c.filled_quantity).where(*self._mine()))

    def _is_final(self) -> bool:
        return self.status() in FINAL

    def _mine(self) -> tuple[Any, ...]:
        return (orders.c.account == self.account, orders.c.client_order_id == self.key)

    def _one(self, statement: Any) -> Any:
        from storage.engine import is_unavailable

        try:
            with read(self.lane.engine) as conn:
                return conn.execute(statement).scalars().first()
        except Exception as error:
            if is_unavailable(error):  # the fault may have struck our own connection as well
                return None
            raise


def run(lane: Lane, cell: Cell, seed: int, attempt: int = 1) -> Outcome:
    """One trial of a cell in a lane. Raises LaneBroken when the lane is of no more use."""
    return replace(Trial(lane, cell, seed).run(), attempt=attempt)
