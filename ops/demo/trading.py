"""The demo's half minute of trading: orders, second sends, cancels, faults and a kill, each at its time."""

import contextlib
import heapq
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

import requests

from ops.demo.basket import RESTING, Planned, Quote, request
from ops.demo.blotter import Blotter
from ops.demo.deployment import Deployment
from ops.demo.faults import faults
from ops.demo.http import Http
from ops.demo.verdict import FINAL

#: seconds in which the basket is sent
SENDING_S = 24.0
#: seconds after which orders of kind ``far`` are cancelled, and everything that still rests
FAR_LIVES_S = 3.0
RESTING_UNTIL_S = SENDING_S + 10.0
#: seconds of trading after which the verdict counts what is not final as lost
TRADING_LIMIT_S = 88.0

#: part of the basket that was sent when the worker is killed
KILL_AT = 0.5
VICTIM = "worker-venue"

_TICK_S = 0.1
_LOOK_EVERY_S = 0.4
_SEND_AGAIN_AFTER_S = 0.7
_TRY_AGAIN_S = 0.3


class Trading:
    def __init__(self, deployment: Deployment, orders: list[Planned], blotter: Blotter) -> None:
        self._deployment = deployment
        self._orders = orders
        self._blotter = blotter
        self._api = Http(deployment.api_url)
        self._venue = Http(deployment.venue_url)
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()
        self._began = 0.0
        #: client order id to the ids that intake answered with
        self.answered: dict[str, list[str]] = defaultdict(list)
        self.documents: dict[str, dict[str, Any]] = {}
        self.sent_again = 0
        self.killed = 0
        #: set when trading is over, also by Ctrl-C: nobody tries again then
        self._over = threading.Event()

    def run(self) -> float:
        """Trade until every order is final or the limit is reached; the seconds it took."""
        self._began = time.monotonic()
        self._plan()
        looked = 0.0
        with ThreadPoolExecutor(8, thread_name_prefix="demo") as pool, self._until_over():
            running: set[Future[None]] = set()
            while self._seconds() < TRADING_LIMIT_S:
                while self._due and self._due[0][0] <= self._seconds():
                    running.add(pool.submit(heapq.heappop(self._due)[2]))
                for future in [future for future in running if future.done()]:
                    running.remove(future)
                    future.result()
                if self._seconds() - looked >= _LOOK_EVERY_S:
                    looked = self._seconds()
                    self._look()
                if not self._due and not running and self._all_final():
                    break
                time.sleep(_TICK_S)
        self._look()
        return self._seconds()

    @contextlib.contextmanager
    def _until_over(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._over.set()

    def balances(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self._api.get("/v1/balances")["items"]
        return items

    def close(self) -> None:
        self._api.close()
        self._venue.close()

    def _plan(self) -> None:
        between_s = SENDING_S / len(self._orders)
        for index, planned in enumerate(self._orders):
            self._at(index * between_s, lambda planned=planned: self._place(planned))  # type: ignore[misc]
        for armed in faults():
            self._at(armed.at * SENDING_S, lambda armed=armed: self._arm(armed.plan, armed.says))  # type: ignore[misc]
        self._at(KILL_AT * SENDING_S, self._kill)
        self._at(RESTING_UNTIL_S, self._cancel_what_rests)

    def _at(self, second: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._due, (second, next(self._number), action))

    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def _place(self, planned: Planned) -> None:
        body = dict(request(planned, self._quote(planned.symbol), datetime.now(UTC)))
        if planned.twice:
            self.sent_again += 1
            self._at(self._seconds() + (0 if planned.at_once else _SEND_AGAIN_AFTER_S), lambda: self._send(body))
        self._send(body)
        if planned.kind == "far":
            self._at(self._seconds() + FAR_LIVES_S, lambda: self._cancel(planned.client_order_id))

    def _send(self, body: dict[str, Any]) -> None:
        """Until it is answered: the same request again is the same order."""
        while not self._over.is_set():
            try:
                status, document, _ = self._api.call("POST", "/v1/orders", body)
            except requests.RequestException:
                status, document = 0, {}
            if status in (200, 201):
                self.answered[body["client_order_id"]].append(document["id"])
                return
            if status and status < 500 and status != 429:
                self._blotter.tell(f"{body['client_order_id']} was refused: {document.get('detail') or status}", "red")
                return
            self._over.wait(_TRY_AGAIN_S)

    def _cancel(self, client_order_id: str) -> None:
        for _ in range(5):
            try:
                status, _, _ = self._api.call("DELETE", f"/v1/orders/client:{client_order_id}")
            except requests.RequestException:
                status = 0
            if status and status < 500:
                return
            self._over.wait(_TRY_AGAIN_S)

    def _cancel_what_rests(self) -> None:
        resting = [
            planned.client_order_id for planned in self._orders if planned.kind in RESTING and not self._final(planned)
        ]
        if resting:
            self._blotter.tell(f"cancelling what still rests: {len(resting)}", "bold")
        for name in resting:
            self._cancel(name)

    def _arm(self, plan: dict[str, Any], says: str) -> None:
        self._venue.call("POST", "/paper/faults", {"arm": [plan]})
        self._blotter.tell(f"fault: {says}", "magenta")

    def _kill(self) -> None:
        pid = self._deployment.kill_worker(VICTIM)
        if pid is not None:
            self.killed += 1
            open_now = sum(1 for document in self.documents.values() if document["status"] not in FINAL)
            self._blotter.tell(f"SIGKILL to {VICTIM} (pid {pid}) with {open_now} orders not final", "bold red")
        else:
            self._at(self._seconds() + 0.5, self._kill)

    def _quote(self, symbol: str) -> Quote:
        name = symbol.replace("/", "")
        book = self._venue.get(f"/api/v3/ticker/bookTicker?symbol={name}")
        return Quote(bid=Decimal(book["bidPrice"]), ask=Decimal(book["askPrice"]))

    def _look(self) -> None:
        """Every order of the demo, as the API shows it now."""
        try:
            page = self._api.get("/v1/orders?limit=500")
        except requests.RequestException:
            return  # shown again at the next look
        self.documents = {document["client_order_id"]: document for document in page["items"]}
        self._blotter.update(self.documents)

    def _final(self, planned: Planned) -> bool:
        document = self.documents.get(planned.client_order_id)
        return document is not None and document["status"] in FINAL

    def _all_final(self) -> bool:
        return len(self.documents) >= len(self.answered) and all(
            self._final(planned) for planned in self._orders if planned.client_order_id in self.answered
        )
