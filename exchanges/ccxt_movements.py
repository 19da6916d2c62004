"""Deposits, withdrawals and transfers of an account, where the venue has lists of them that we know how to read."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from exchanges.ccxt_call import Caller, Unreadable
from exchanges.ccxt_parse import number, required
from exchanges.ccxt_session import Exchange
from models.clock import from_milliseconds, milliseconds
from models.money import ZERO
from models.movement import Movement, MovementKind, MovementStatus

#: entries that one request asks for: what Binance gives at most
LIMIT = 1_000
TRANSFERS_LIMIT = 100
#: A full page is read again in halves; what is still full within a minute is no account of a trader's.
SHORTEST_SPAN_MS = 60_000

_METHODS = {MovementKind.DEPOSIT: "fetch_deposits", MovementKind.WITHDRAWAL: "fetch_withdrawals"}
_STATUSES = {
    "ok": MovementStatus.DONE,
    "pending": MovementStatus.PENDING,
    "failed": MovementStatus.FAILED,
    "canceled": MovementStatus.FAILED,
}
#: raw fields of a venue's own that tell when a deposit was credited, in milliseconds
_CREDITED = ("completeTime", "successTime")

Entry = Mapping[str, Any]


class Movements:
    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._can = caller.can

    def since(self, since: datetime) -> list[Movement]:
        """Those that began at ``since`` or later, oldest first; empty where the venue has no list that we know."""
        found: list[Movement] = []
        if not self._can.tells_movements:
            return found
        from_ms, to_ms = milliseconds(since), self._caller.time_ms()
        for kind, method in _METHODS.items():
            found += self._whole(partial(self._page, kind, method), from_ms, to_ms)
        for name, leaves in self._can.transfer_types.items():
            found += self._whole(partial(self._transfers, name, leaves), from_ms, to_ms)
        return sorted(found, key=lambda movement: (movement.begun_at, movement.venue_id))

    def _whole(self, page: Callable[[int, int], list[Movement] | None], from_ms: int, to_ms: int) -> list[Movement]:
        found = page(from_ms, to_ms)
        if found is not None:
            return found
        middle = (from_ms + to_ms) // 2
        return self._whole(page, from_ms, middle) + self._whole(page, middle + 1, to_ms)

    def _page(self, kind: MovementKind, method: str, from_ms: int, to_ms: int) -> list[Movement] | None:
        """None: there may be more than were shown."""

        def read(exchange: Exchange) -> list[Movement] | None:
            entries = getattr(exchange, method)(None, from_ms, LIMIT, {"endTime": to_ms})
            return _parsed(entries, LIMIT, to_ms - from_ms, lambda entry: movement(entry, kind))

        return self._caller.call(read, lists=True)

    def _transfers(self, name: str, leaves: bool, from_ms: int, to_ms: int) -> list[Movement] | None:
        def read(exchange: Exchange) -> list[Movement] | None:
            entries = exchange.fetch_transfers(None, from_ms, TRANSFERS_LIMIT, {"type": name, "endTime": to_ms})
            return _parsed(entries, TRANSFERS_LIMIT, to_ms - from_ms, lambda entry: transfer(entry, leaves=leaves))

        return self._caller.call(read)


def movement(entry: Entry, kind: MovementKind) -> Movement:
    """A deposit or withdrawal from ccxt's transaction structure. Raises Unreadable."""
    amount, fee = required(entry.get("amount"), "amount"), entry.get("fee") or {}
    cost = number(fee.get("cost"), "fee") or ZERO
    if cost and fee.get("currency") not in (None, entry.get("currency")):
        raise Unreadable("it names a movement with a fee in another asset")
    return Movement(
        # Some deposits have no id of their own but the transaction's.
        venue_id=_text(entry.get("id") or entry.get("txid"), "id"),
        kind=kind,
        asset=_text(entry.get("currency"), "asset"),
        amount=_positive(amount) if kind is MovementKind.DEPOSIT else _positive(amount).copy_negate(),
        fee=cost if kind is MovementKind.WITHDRAWAL else ZERO,  # a deposit's is what the sender paid
        status=_status(entry.get("status")),
        begun_at=_time(entry.get("timestamp")),
        settled_at=_credited(entry) if kind is MovementKind.DEPOSIT else None,
    )


def transfer(entry: Entry, *, leaves: bool) -> Movement:
    """From ccxt's transfer structure. Raises Unreadable."""
    amount = _positive(required(entry.get("amount"), "amount"))
    return Movement(
        venue_id=_text(entry.get("id"), "id"),
        kind=MovementKind.TRANSFER,
        asset=_text(entry.get("currency"), "asset"),
        amount=amount.copy_negate() if leaves else amount,
        status=_status(entry.get("status")),
        begun_at=_time(entry.get("timestamp")),
    )


def _parsed(
    entries: Iterable[Entry], limit: int, span_ms: int, parse: Callable[[Entry], Movement]
) -> list[Movement] | None:
    found = [parse(entry) for entry in entries]
    if len(found) < limit:
        return found
    if span_ms <= SHORTEST_SPAN_MS:
        raise Unreadable("it holds more than can be read to the end")
    return None


def _positive(amount: Decimal) -> Decimal:
    if amount <= 0:
        raise Unreadable("it names a movement of nothing")
    return amount


def _text(value: object, what: str) -> str:
    if value is None or value == "":
        raise Unreadable(f"it names a movement without its {what}")
    return str(value)


def _time(value: object) -> datetime:
    if not isinstance(value, int):
        raise Unreadable("it names a movement without its time")
    return from_milliseconds(value)


def _status(said: object) -> MovementStatus:
    """What is not known counts as under way: a look that comes later knows more."""
    return _STATUSES.get(str(said), MovementStatus.PENDING)


def _credited(entry: Entry) -> datetime | None:
    info = entry.get("info") or {}
    told = [info.get(name) for name in _CREDITED] + [entry.get("updated")]
    for value in told:
        if isinstance(value, int) or (isinstance(value, str) and value.isascii() and value.isdigit()):
            return from_milliseconds(int(value))
    return None
