"""What any ledger is expected to hold, one test for each of fifteen invariants, on both databases.

The list is the one that the Ledger Conformance Kit publishes (INV-01 to INV-15); how each is shown here is our own. As
there, what counts is what the books applied, not what was handed in: a posting that was refused has lost nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from threading import Barrier

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from accounting.fills import FillPosting
from accounting.legs import AccountKind, AccountRef, Leg
from models.money import ZERO
from models.reports import VenueBalance
from models.vocabulary import Side
from storage.engine import is_unavailable, read, write
from storage.ledger import (
    EntryConflict,
    InsufficientFunds,
    adopt_deposit,
    balances,
    invariants,
    open_venue_account,
    place_hold,
    post_fill,
    release_hold,
)
from storage.ledger_posting import NewEntry, lock_accounts, post
from storage.ledger_tables import EntryKind
from storage.seals import append, digests, last_seal, waiting_entries
from storage.verify import verify
from storage.verify.chain import chain_check
from storage.verify.journal import JOURNAL

NOW = datetime(2030, 1, 1, tzinfo=UTC)
D = Decimal
CALLERS = 8


@pytest.fixture
def books(engine: Engine) -> Engine:
    """100 USDT and 100 BTC."""
    with write(engine) as conn:
        found = [VenueBalance(asset=asset, free=D(100), used=D(0)) for asset in ("USDT", "BTC")]
        open_venue_account(conn, "v", "a", found, at=NOW)
    return engine


def at_once(callers: int, call: Callable[[int], str]) -> list[str]:
    """What each of them was told; all begin together. One that the database could not serve begins again, as steps do."""
    gate = Barrier(callers)

    def one(number: int) -> str:
        gate.wait()
        while True:
            try:
                return call(number)
            except DBAPIError as error:
                if not is_unavailable(error):
                    raise

    with ThreadPoolExecutor(callers) as pool:
        return list(pool.map(one, range(callers)))


def deposit(engine: Engine, amount: str, key: str, asset: str = "USDT") -> str:
    """As the caller of an idempotent posting is told."""
    try:
        with write(engine) as conn:
            known = conn.execute(
                text("SELECT count(*) FROM ledger_entries WHERE key = :key"), {"key": key}
            ).scalar_one()
            adopt_deposit(conn, venue="v", account="a", asset=asset, amount=D(amount), key=key, at=NOW)
    except InsufficientFunds:
        return "refused"
    return "known" if known else "applied"


def hold(engine: Engine, amount: str, order_id: str, key: str | None = None) -> str:
    try:
        with write(engine) as conn:
            place_hold(conn, order_id=order_id, venue="v", account="a", asset="USDT", amount=D(amount), at=NOW, key=key)
    except InsufficientFunds:
        return "refused"
    return "applied"


def trade(engine: Engine, number: int, side: Side = Side.BUY) -> str:
    posting = FillPosting(
        key=f"fill:{number}", order_id=f"o{number}", venue="v", account="a", side=side, base="BTC", quote="USDT",
        quantity=D("0.5"), price=D(3), cost=D("1.5"), fee=D("0.01"), fee_asset="USDT",
    )  # fmt: skip
    with write(engine) as conn:
        return "applied" if post_fill(conn, posting, at=NOW).new else "known"


def total(engine: Engine, asset: str = "USDT") -> Decimal:
    with read(engine) as conn:
        return next(held.total for held in balances(conn) if held.asset == asset)


def entry_count(engine: Engine) -> int:
    with read(engine) as conn:
        count: int = conn.execute(text("SELECT count(*) FROM ledger_entries")).scalar_one()
        return count


def journal(engine: Engine) -> dict[int, Decimal]:
    """Each account's balance, made anew from the legs alone."""
    found: dict[int, Decimal] = defaultdict(lambda: ZERO)
    with read(engine) as conn:
        for debit, credit, amount in conn.execute(
            text("SELECT debit_account_id, credit_account_id, amount FROM ledger_legs ORDER BY id")
        ):
            found[debit] += D(amount)
            found[credit] -= D(amount)
    return found


def shown(engine: Engine) -> dict[int, Decimal]:
    with read(engine) as conn:
        return {row[0]: D(row[1]) for row in conn.execute(text("SELECT id, balance FROM ledger_accounts"))}


def test_01_every_entry_is_balanced_per_asset(books: Engine) -> None:
    trade(books, 1)
    with read(books) as conn:
        rows = conn.execute(
            text(
                "SELECT l.entry_id, l.asset, d.asset, c.asset FROM ledger_legs l "
                "JOIN ledger_accounts d ON d.id = l.debit_account_id JOIN ledger_accounts c ON c.id = l.credit_account_id"
            )
        ).all()
    assert rows
    assert all(asset == debit == credit for _, asset, debit, credit in rows), "what one account gets another one gives"
    with read(books, snapshot=True) as conn:
        assert verify(conn, [JOURNAL]).failures == []


@pytest.mark.parametrize("statement", ["UPDATE ledger_entries SET posted_at = 1", "DELETE FROM ledger_legs"])
def test_02_the_journal_is_append_only(books: Engine, statement: str) -> None:
    before = journal(books)
    with pytest.raises(DBAPIError), write(books) as conn:
        conn.execute(text(statement))
    assert journal(books) == before


def test_03_the_hash_chain_is_intact(books: Engine) -> None:
    for number in range(5):
        trade(books, number)
    with write(books) as conn:
        append(conn, last_seal(conn), digests(conn, waiting_entries(conn, 100)), at=NOW)
    with read(books, snapshot=True) as conn:
        report = verify(conn, [chain_check(), JOURNAL])
    assert (report.failures, report.seals, report.unsealed) == ([], entry_count(books), 0)


def test_04_the_same_posting_again_is_nothing(books: Engine) -> None:
    assert [deposit(books, "5", "d"), deposit(books, "5", "d"), trade(books, 1), trade(books, 1)] == [
        "applied", "known", "applied", "known",
    ]  # fmt: skip
    entries, before = entry_count(books), total(books)
    deposit(books, "5.0", "d")
    assert (entry_count(books), total(books)) == (entries, before)
    with pytest.raises(EntryConflict):
        deposit(books, "6", "d")


def test_05_the_same_posting_by_many_at_once_is_one(books: Engine) -> None:
    told = at_once(CALLERS, lambda _: trade(books, 1))
    assert sorted(told) == ["applied"] + ["known"] * (CALLERS - 1)
    assert total(books, "BTC") == D("100.5")


def test_06_a_hot_account_loses_no_update(books: Engine) -> None:
    told = at_once(CALLERS, lambda number: deposit(books, "0.25", f"d{number}"))
    assert total(books) == 100 + D("0.25") * told.count("applied")
    assert told.count("applied") == CALLERS


def test_07_value_is_conserved_while_many_trade_both_ways(books: Engine) -> None:
    at_once(CALLERS, lambda number: trade(books, number, Side.BUY if number % 2 else Side.SELL))
    by_asset: dict[str, Decimal] = defaultdict(lambda: ZERO)
    with read(books) as conn:
        for asset, balance in conn.execute(text("SELECT asset, balance FROM ledger_accounts")):
            by_asset[asset] += D(balance)
    assert set(by_asset.values()) == {ZERO}
    assert (total(books, "BTC"), total(books)) == (D(100), 100 - CALLERS * D("0.01"))


def test_08_each_balance_is_what_the_journal_says(books: Engine) -> None:
    at_once(CALLERS, lambda number: trade(books, number))
    found = journal(books)
    assert all(balance == found[account] for account, balance in shown(books).items())


def test_09_a_drain_by_many_never_takes_more_than_there_is(books: Engine) -> None:
    told = at_once(CALLERS, lambda number: hold(books, "30", f"o{number}"))
    assert sorted(set(told)) == ["applied", "refused"]
    assert told.count("applied") == 3
    with read(books) as conn:
        usdt = next(held for held in balances(conn) if held.asset == "USDT")
    assert (usdt.available, usdt.held) == (D(10), D(90))


def test_10_many_small_movements_do_not_drift(books: Engine) -> None:
    tiny = D("0.000000000000000001")
    with write(books) as conn:
        for number in range(100):
            adopt_deposit(conn, venue="v", account="a", asset="USDT", amount=tiny, key=f"t{number}", at=NOW)
    assert total(books) == D("100.000000000000000100")


def test_11_one_asset_does_not_pay_for_another(books: Engine) -> None:
    usdt, btc = AccountRef("USDT", AccountKind.AVAILABLE), AccountRef("BTC", AccountKind.EXTERNAL)
    with pytest.raises(ValueError, match="one asset"):
        Leg(debit=usdt, credit=btc, amount=D(1))
    with pytest.raises(DBAPIError, match="one asset"), write(books) as conn:  # noqa: PT012 - the last of them
        locked = lock_accounts(conn, "v", "a", ("USDT", "BTC"), (AccountKind.AVAILABLE, AccountKind.EXTERNAL))
        conn.execute(
            text(
                "INSERT INTO ledger_entries (id, key, kind, detail, leg_count, posted_at) "
                "VALUES (900, 'raw', 'correction', '{}', 1, 1)"
            )
        )
        conn.execute(
            text(
                "INSERT INTO ledger_legs (entry_id, ordinal, debit_account_id, credit_account_id, asset, amount) "
                "VALUES (900, 1, :debit, :credit, 'USDT', '1')"
            ),
            {"debit": locked[usdt].id, "credit": locked[btc].id},
        )


def test_12_what_is_taken_back_is_an_entry_of_its_own(books: Engine) -> None:
    before, entries = total(books), entry_count(books)
    hold(books, "40", "o1")
    with write(books) as conn:
        release_hold(conn, order_id="o1", at=NOW)
    with write(books) as conn:
        locked = lock_accounts(conn, "v", "a", ("USDT",), (AccountKind.AVAILABLE, AccountKind.EXTERNAL))
        ours, outside = AccountRef("USDT", AccountKind.AVAILABLE), AccountRef("USDT", AccountKind.EXTERNAL)
        for key, debit, credit in (("there", ours, outside), ("back", outside, ours)):
            leg = Leg(debit=debit, credit=credit, amount=D(7))
            entry = NewEntry(key=key, kind=EntryKind.CORRECTION, order_id=None, detail={}, legs=[leg])
            post(conn, entry, locked, at=NOW)
    assert (total(books), entry_count(books)) == (before, entries + 4)


def test_13_the_state_is_made_anew_from_the_journal_alone(books: Engine) -> None:
    hold(books, "20", "o1")
    for number in range(6):
        trade(books, number)
    found = journal(books)
    assert {account: found[account] for account in shown(books)} == shown(books)
    with read(books, snapshot=True) as conn:
        assert invariants(conn) == [], "holds of orders included"


def test_14_each_accounts_legs_are_in_the_order_in_which_they_moved_it(books: Engine) -> None:
    at_once(CALLERS, lambda number: trade(books, number))
    with read(books) as conn:
        legs = conn.execute(text("SELECT id, debit_account_id, credit_account_id FROM ledger_legs ORDER BY id")).all()
        last = {row[0]: row[1] for row in conn.execute(text("SELECT id, last_leg_id FROM ledger_accounts"))}
    assert len({row.id for row in legs}) == len(legs)
    newest: dict[int, int] = {}
    for leg_id, debit, credit in legs:
        newest[debit] = newest[credit] = leg_id
    assert newest.items() <= last.items()


def test_15_nobody_is_told_that_a_posting_was_applied_which_was_refused(books: Engine) -> None:
    """The same key by many at once for more than there is; later, with funds, the key still works."""
    told = at_once(CALLERS, lambda _: hold(books, "150", "o1"))
    assert set(told) == {"refused"}
    assert total(books) == 100
    deposit(books, "50", "funds")
    assert hold(books, "150", "o1") == "applied"
