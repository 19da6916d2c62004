"""A caller of the HTTP API as the contract has it: requests in, documents out."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from tests.support.waiting import eventually

Document = dict[str, Any]

OPEN = ("RECEIVED", "PREPARED", "VALIDATED", "WORKING", "PARTIALLY_FILLED", "PENDING_CANCEL", "PENDING_AMEND")
FINAL = frozenset({"FILLED", "CANCELED", "EXPIRED", "DENIED", "REJECTED", "FAILED"})

#: A net under hangs, in seconds: for what takes one on an idle machine.
SOON_S = 120.0

#: The largest page of the list.
PAGE = 500


class Client:
    """``place``, ``cancel`` and the looks; whatever is no answer of the contract fails the test that asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=60, limits=httpx.Limits(max_connections=100))
        self._numbers = itertools.count(1)
        self._run = os.urandom(3).hex()

    def close(self) -> None:
        self.http.close()

    def new_id(self) -> str:
        """A client order id that no other order has."""
        return f"t-{self._run}-{next(self._numbers)}"

    def request(self, **changes: Any) -> Document:
        """A market buy of 0.001 BTC, changed; None leaves a field out. With a price: a limit order."""
        request: Document = {
            "client_order_id": self.new_id(), "venue": "paper", "symbol": "BTC/USDT", "side": "buy", "quantity": "0.001",
            "type": "limit" if "price" in changes else "market", **changes,
        }  # fmt: skip
        return {name: value for name, value in request.items() if value is not None}

    def post(self, request: Mapping[str, Any]) -> httpx.Response:
        """POST /v1/orders, whatever it answers."""
        return self.http.post("/v1/orders", json=request)

    def place(self, **changes: Any) -> Document:
        """Place an order, which has to be taken; the document of the answer."""
        answer = self.post(self.request(**changes))
        assert answer.status_code == 201, answer.text
        return self._document(answer)

    def show(self, order_id: str, account: str | None = None) -> Document:
        answer = self.http.get(f"/v1/orders/{order_id}", params={"account": account} if account else None)
        assert answer.status_code == 200, answer.text
        return self._document(answer)

    def status(self, order_id: str) -> Document:
        answer = self.http.get(f"/v1/orders/{order_id}/status")
        assert answer.status_code == 200, answer.text
        return self._document(answer)

    def timeline(self, order_id: str) -> list[Document]:
        answer = self.http.get(f"/v1/orders/{order_id}/timeline")
        assert answer.status_code == 200, answer.text
        items: list[Document] = answer.json()["items"]
        return items

    def cancel(self, order_id: str) -> httpx.Response:
        """DELETE, whatever it answers."""
        return self.http.delete(f"/v1/orders/{order_id}")

    def page(self, **query: Any) -> Document:
        answer = self.http.get("/v1/orders", params=query)
        assert answer.status_code == 200, answer.text
        return self._document(answer)

    def orders(self, **query: Any) -> Iterator[Document]:
        """Every order of the list, page by page."""
        cursor: str | None = None
        while True:
            page = self.page(limit=PAGE, **query, **({"cursor": cursor} if cursor else {}))
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def open_orders(self) -> list[Document]:
        """Every order that has not ended."""
        return [order for status in OPEN for order in self.orders(status=status)]

    def balances(self) -> list[Document]:
        answer = self.http.get("/v1/balances")
        assert answer.status_code == 200, answer.text
        items: list[Document] = answer.json()["items"]
        return items

    def halt(self, **scope: Any) -> Document:
        answer = self.http.post("/v1/halt", json=scope)
        assert answer.status_code == 200, answer.text
        return self._document(answer)

    def resume(self, **scope: Any) -> httpx.Response:
        return self.http.post("/v1/resume", json=scope)

    def wait_for(self, order_id: str, *statuses: str, within_s: float = SOON_S) -> Document:
        """The document once its status is one of these (without any: a final one)."""
        wanted = frozenset(statuses) or FINAL

        def look() -> bool:
            return self.status(order_id)["status"] in wanted

        def told() -> str:
            return f"{order_id} is {' or '.join(sorted(wanted))}; it is {self.story(order_id)}"

        eventually(look, within_s=within_s, describe=told)
        document = self.show(order_id)
        assert document["status"] in wanted, document
        return document

    def story(self, order_id: str) -> str:
        """The document and how it came to be, for a failure."""
        lines = [f"{step['at']} {step['entity']} {step['to']}: {step['cause']}" for step in self.timeline(order_id)]
        return "\n".join([str(self.show(order_id)), *lines])

    def is_ready(self) -> bool:
        """Whether orders can be taken."""
        try:
            return self.http.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    @staticmethod
    def _document(answer: httpx.Response) -> Document:
        document: Document = answer.json()
        return document
