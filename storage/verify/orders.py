"""One pass over all orders: fills and entries are each other's, sums are those of the fills, holds those of the legs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, bindparam, select, text

from accounting.legs import AccountKind
from models.money import ZERO, add, multiply, plain, subtract
from models.transitions import ORDER_FINAL
from models.vocabulary import OrderStatus, Side
from storage.fills import key_of_fill
from storage.ledger_tables import FOREIGN, EntryKind, ledger_entries, ledger_legs, order_holds
from storage.order_tables import child_orders, fills, orders
from storage.seals import Accounts
from storage.verify.findings import Advice, Check, Finding

#: a row by the names of its columns
Found = Mapping[Any, Any]

#: orders of one look
PAGE = 200

_CLEARING, _FEE, _HOLD = AccountKind.CLEARING.value, AccountKind.FEE.value, AccountKind.HOLD.value

_ADVICE = {
    "fills": Advice(
        proves="every fill has its entry, every entry of a fill its fill, and the entry moves what the fill says",
        means="a trade is in the order's record and not in the books, or the other way round: balances are wrong by it",
        todo="halt the account, compare the order with the venue (`steadfill order show`), keep a copy of the database",
    ),
    "sums": Advice(
        proves="filled quantity and cost of every order and child are the sums of its fills",
        means="an order shows more or less than was traded; average, fees and what is left to send follow from it",
        todo="halt the account and compare the order with the venue (`steadfill order show`); the fills are the truth",
    ),
    "holds": Advice(
        proves="every hold is the sum of its legs, ended orders hold nothing, open ones no less than they still need",
        means="funds are set aside for nobody, or an open order may spend what another one was promised",
        todo="see the order's timeline (`steadfill order show`); a hold is put right by an entry, never by hand",
    ),
}


@dataclass(slots=True)
class _Booked:
    """What the entries of one order add up to."""

    #: key of a fill's entry → what it moved, by asset and kind of account
    fills: dict[str, dict[tuple[str, str], Decimal]] = field(default_factory=dict)
    #: hold account → what legs put there, less what they took
    holds: dict[int, Decimal] = field(default_factory=lambda: defaultdict(lambda: ZERO))
    released: bool = False


def _run(conn: Connection) -> Iterator[Finding]:
    accounts = Accounts(conn)
    after = ""
    while True:
        page = conn.execute(_ORDERS, {"after": after}).mappings().all()
        yield from _page(conn, page, accounts)
        if len(page) < PAGE:
            break
        after = page[-1]["id"]
    yield from _of_no_order(conn, accounts)


def _page(conn: Connection, page: Sequence[Found], accounts: Accounts) -> Iterator[Finding]:
    ids = {"ids": [order["id"] for order in page]}
    children = _grouped(conn.execute(_CHILDREN, ids).mappings(), "order_id")
    traded = _grouped(conn.execute(_FILLS, ids).mappings(), "order_id")
    held = _grouped(conn.execute(_HELD, ids).mappings(), "order_id")
    booked = _booked(conn, ids, accounts)
    for order in page:
        key = order["id"]
        entries = booked.get(key, _Booked())
        yield from _fills(order, traded[key], entries)
        yield from _sums(order, children[key], traded[key])
        yield from _hold_rows(key, held[key], entries)
        yield from _needs(order, held[key], traded[key], entries, accounts)


def _booked(conn: Connection, ids: Mapping[str, Any], accounts: Accounts) -> dict[str, _Booked]:
    found: dict[str, _Booked] = defaultdict(_Booked)
    for row in conn.execute(_LEGS, ids):
        of_order = found[row.order_id]
        debit, credit = accounts.get(row.debit_account_id), accounts.get(row.credit_account_id)
        if row.kind == EntryKind.FILL:
            moved = of_order.fills.setdefault(row.key, {})
            for account, amount in ((debit, row.amount), (credit, row.amount.copy_negate())):
                place = (row.asset, account[4])
                moved[place] = add(moved.get(place, ZERO), amount)
        elif row.kind == EntryKind.RELEASE and row.key.startswith("hold-release:"):
            of_order.released = True
        _count_hold(of_order.holds, debit, credit, row.amount)
    return found


def _count_hold(holds: dict[int, Decimal], debit: Sequence[Any], credit: Sequence[Any], amount: Decimal) -> None:
    if debit[4] == _HOLD:
        holds[debit[0]] = add(holds[debit[0]], amount)
    if credit[4] == _HOLD:
        holds[credit[0]] = subtract(holds[credit[0]], amount)


def _fills(order: Found, traded: Sequence[Found], entries: _Booked) -> Iterator[Finding]:
    left = dict(entries.fills)
    for fill in traded:
        key = key_of_fill(fill)
        moved = left.pop(key, None)
        if moved is None:
            yield Finding(check="fills", row=f"fill {key}", problem=f"order {order['id']} has it, and it has no entry")
            continue
        wrong = _wrong_move(order, fill, moved)
        if wrong:
            yield Finding(check="fills", row=f"fill {key}", problem=wrong)
    for key in sorted(left):
        yield Finding(
            check="fills", row=f"entry {key}", problem=f"it is of a fill that order {order['id']} does not have"
        )


def _wrong_move(order: Found, fill: Found, moved: Mapping[tuple[str, str], Decimal]) -> str | None:
    """What the entry brought to clearing and fee, against what the fill says."""
    buys = fill["side"] == Side.BUY.value
    base, cost = fill["quantity"], fill["cost"]
    expected = {
        (order["base"], _CLEARING): base.copy_negate() if buys else base,
        (order["quote"], _CLEARING): cost if buys else cost.copy_negate(),
    }
    if fill["fee"]:
        expected[fill["fee_asset"], _FEE] = fill["fee"]
    actual = {place: amount for place, amount in moved.items() if place[1] in (_CLEARING, _FEE)}
    for place in sorted(expected.keys() | actual.keys(), key=str):
        want, has = expected.get(place, ZERO), actual.get(place, ZERO)
        if want != has:
            return f"its entry moves {plain(has)} {place[0]} to {place[1]}, and the fill says {plain(want)}"
    return None


def _sums(order: Found, children: Sequence[Found], traded: Sequence[Found]) -> Iterator[Finding]:
    whole = _total(traded)
    if whole != (order["filled_quantity"], order["filled_cost"]):
        yield Finding(check="sums", row=f"order {order['id']}", problem=_differs(order, whole))
    if (order["status"] == OrderStatus.FILLED.value) != (order["filled_quantity"] >= order["quantity"]):
        problem = f"it is {order['status']} with {plain(order['filled_quantity'])} of {plain(order['quantity'])} filled"
        yield Finding(check="sums", row=f"order {order['id']}", problem=problem)
    by_child = _grouped(traded, "child_id")
    for child in children:
        part = _total(by_child[child["id"]])
        if part != (child["filled_quantity"], child["filled_cost"]):
            yield Finding(check="sums", row=f"child {child['id']}", problem=_differs(child, part))


def _total(traded: Sequence[Found]) -> tuple[Decimal, Decimal]:
    quantity, cost = ZERO, ZERO
    for fill in traded:
        quantity, cost = add(quantity, fill["quantity"]), add(cost, fill["cost"])
    return quantity, cost


def _differs(row: Found, fills_say: tuple[Decimal, Decimal]) -> str:
    return (
        f"it shows {plain(row['filled_quantity'])} filled for {plain(row['filled_cost'])}, "
        f"its fills sum to {plain(fills_say[0])} for {plain(fills_say[1])}"
    )


def _hold_rows(holder: str, held: Sequence[Found], entries: _Booked) -> Iterator[Finding]:
    left = dict(entries.holds)
    for row in held:
        moved = left.pop(row["account_id"], ZERO)
        if row["amount"] != moved:
            yield Finding(
                check="holds",
                row=f"hold of {holder} on account {row['account_id']}",
                problem=f"it is {plain(row['amount'])}, and its legs sum to {plain(moved)}",
            )
    for account_id in sorted(account for account, moved in left.items() if moved):
        problem = f"its legs sum to {plain(left[account_id])}, and there is no row of it"
        yield Finding(check="holds", row=f"hold of {holder} on account {account_id}", problem=problem)


def _needs(
    order: Found, held: Sequence[Found], traded: Sequence[Found], entries: _Booked, accounts: Accounts
) -> Iterator[Finding]:
    has = {accounts.get(row["account_id"])[3]: row["amount"] for row in held if row["amount"]}
    status = OrderStatus(order["status"])
    name = f"order {order['id']}"
    if (status in ORDER_FINAL or status is OrderStatus.RECEIVED) and has:
        shown = ", ".join(f"{plain(amount)} {asset}" for asset, amount in sorted(has.items()))
        yield Finding(check="holds", row=name, problem=f"it is {status}, and {shown} are held for it")
    elif status not in ORDER_FINAL and status is not OrderStatus.RECEIVED and not entries.released:
        # One that had ended, whose end the venue took back, holds nothing any more.
        asset, need = _need(order)
        spared = _fees_in(asset, traded)  # what was taken as a fee came out of the hold
        if add(has.get(asset, ZERO), spared) < need:
            problem = f"it is {status} and holds {plain(has.get(asset, ZERO))} {asset}, and needs {plain(need)}"
            yield Finding(check="holds", row=name, problem=problem)


def _need(order: Found) -> tuple[str, Decimal]:
    """The least that what is left of an order may take. Of a market buy nobody knows it before it has traded."""
    remaining = subtract(order["quantity"], order["filled_quantity"])
    if order["side"] == Side.SELL.value:
        return order["base"], remaining
    return order["quote"], ZERO if order["price"] is None else multiply(remaining, order["price"])


def _fees_in(asset: str, traded: Sequence[Found]) -> Decimal:
    total = ZERO
    for fill in traded:
        if fill["fee_asset"] == asset and fill["fee"] > 0:
            total = add(total, fill["fee"])
    return total


def _of_no_order(conn: Connection, accounts: Accounts) -> Iterator[Finding]:
    """What names an order that is not there, and what is held by orders that are not ours."""
    for row in conn.execute(_FILLS_OF_NOBODY):
        yield Finding(
            check="fills", row=f"entry {row.id} ({row.key})", problem="it is of a fill, and its order is not there"
        )
    for row in conn.execute(_HOLDS_OF_NOBODY):
        problem = f"{plain(row.amount)} are held, and that order is not there"
        yield Finding(check="holds", row=f"hold of {row.order_id} on account {row.account_id}", problem=problem)
    foreign = _Booked()
    for row in conn.execute(_FOREIGN_LEGS):
        debit, credit = accounts.get(row.debit_account_id), accounts.get(row.credit_account_id)
        _count_hold(foreign.holds, debit, credit, row.amount)
    held = conn.execute(_HELD, {"ids": [FOREIGN]}).mappings().all()
    yield from _hold_rows(FOREIGN, held, foreign)


def _grouped(rows: Any, column: str) -> dict[str, list[Found]]:
    """By a column, in their order; nothing for what is not there."""
    found: dict[str, list[Found]] = defaultdict(list)
    for key, group in groupby(rows, key=lambda row: row[column]):
        found[key].extend(group)
    return found


def _in(column: Any) -> Any:
    return column.in_(bindparam("ids", expanding=True))


_ORDERS = (
    select(
        orders.c.id, orders.c.status, orders.c.side, orders.c.base, orders.c.quote, orders.c.quantity, orders.c.price,
        orders.c.filled_quantity, orders.c.filled_cost,
    )
    .where(orders.c.id > bindparam("after"))
    .order_by(orders.c.id)
    .limit(PAGE)
)  # fmt: skip
_CHILDREN = select(
    child_orders.c.id, child_orders.c.order_id, child_orders.c.filled_quantity, child_orders.c.filled_cost
).where(_in(child_orders.c.order_id))
_FILLS = (
    select(fills).where(_in(fills.c.order_id)).order_by(fills.c.order_id, fills.c.booked_at, fills.c.venue_trade_id)
)
_HELD = select(order_holds.c.order_id, order_holds.c.account_id, order_holds.c.amount).where(
    _in(order_holds.c.order_id)
)
_LEG_COLUMNS = (
    ledger_entries.c.id,
    ledger_entries.c.order_id,
    ledger_entries.c.key,
    ledger_entries.c.kind,
    ledger_legs.c.debit_account_id,
    ledger_legs.c.credit_account_id,
    ledger_legs.c.asset,
    ledger_legs.c.amount,
)
_OF_ENTRY = ledger_legs.c.entry_id == ledger_entries.c.id
_LEGS = select(*_LEG_COLUMNS).where(_in(ledger_entries.c.order_id), _OF_ENTRY)
_FOREIGN_LEGS = (
    select(*_LEG_COLUMNS).where(ledger_entries.c.order_id.is_(None), _OF_ENTRY).execution_options(yield_per=1_000)
)
_FILLS_OF_NOBODY = text(
    "SELECT e.id, e.key FROM ledger_entries e WHERE e.kind = 'fill' "
    "AND NOT EXISTS (SELECT 1 FROM orders WHERE orders.id = e.order_id) ORDER BY e.id"
)
_HOLDS_OF_NOBODY = (
    select(order_holds.c.order_id, order_holds.c.account_id, order_holds.c.amount)
    .join(orders, orders.c.id == order_holds.c.order_id, isouter=True)
    .where(orders.c.id.is_(None), order_holds.c.order_id != FOREIGN, order_holds.c.amount != ZERO)
    .order_by(order_holds.c.order_id, order_holds.c.account_id)
)

ORDERS = Check(advice=_ADVICE, run=_run)
