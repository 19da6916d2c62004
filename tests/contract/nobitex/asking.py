"""Nobitex as the tests of this folder have it: in its units, and with whims of its own."""

from __future__ import annotations

from decimal import Decimal

from tests.contract.dialects.book import BookOrder, Fill
from tests.contract.dialects.nobitex import Nobitex
from tests.contract.dialects.server import Reply, Request

D = Decimal


class Whimsical(Nobitex):
    """Where the documentation leaves something open, or says little of it."""

    def __init__(self) -> None:
        super().__init__()
        self.lists_ended = True
        self.newest_trades_first = True
        #: cancelled by the venue after the first page of open orders
        self.ends_between_pages: list[BookOrder] = []

    def _list(self, request: Request) -> Reply:
        answer = super()._list(request)
        if request.query["status"] == "open":
            for ended in self.ends_between_pages:
                ended.status = "canceled"
        elif not self.lists_ended:
            return Reply(body={"status": "ok", "orders": []})
        return answer

    def _shown_fills(self) -> list[Fill]:
        return super()._shown_fills() if self.newest_trades_first else self.book.seen_fills()
