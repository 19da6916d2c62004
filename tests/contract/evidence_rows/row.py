"""One answer to a create, and what it proves."""

from __future__ import annotations

from dataclasses import dataclass

from exchanges.evidence import Evidence

E = Evidence
EIGHT = ("binance", "bybit", "okx", "kraken", "coinbase", "kucoin", "gate", "bitget")


@dataclass(frozen=True)
class Row:
    venue: str
    status: int
    body: str
    evidence: Evidence
    #: the venue's code, as it is to be read from the answer
    code: str = ""
    #: whether it counts against the venue's breaker; None: not of interest here
    outage: bool | None = None

    def __str__(self) -> str:
        return f"{self.venue}-{self.status}-{self.code or self.body[:12]}"
