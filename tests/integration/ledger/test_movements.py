"""Movements in the books of both databases: once by the venue's id, never beside what was taken over before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from accounting.legs import AccountKind, AccountRef, Leg
from models.movement import Movement, MovementKind, MovementStatus
from models.reports import VenueBalance
from storage.engine import read, write
from storage.ledger import EntryConflict, adopt_deposit, balances, open_venue_account, place_hold
from storage.ledger_posting import NewEntry, lock_accounts, post
from storage.ledger_tables import EntryKind
from storage.movements import PostedMovement, note_unexplained, post_movement, unexplained

OPENED = datetime(2030, 1, 1, tzinfo=UTC)
NOW = OPENED + timedelta(hours=1)
D = Decimal


@pytest.fixture
def books(engine: Engine) -> Engine:
    """1000 USDT, opened an hour ago."""
    with write(engine) as conn:
        open_venue_account(conn, "v", "a", [VenueBalance(asset="USDT", free=D(1000), used=D(0))], at=OPENED)
    return engine


def moved(amount: str, number: int = 1, *, at: datetime = NOW, **more: object) -> Movement:
    kind = MovementKind.WITHDRAWAL if amount.startswith("-") else MovementKind.DEPOSIT
    values: dict[str, object] = {"kind": kind, "status": MovementStatus.DONE, **more}
    return Movement(venue_id=str(number), asset="USDT", amount=D(amount), begun_at=at, **values)  # type: ignore[arg-type]


def book(engine: Engine, movement: Movement) -> PostedMovement:
    with write(engine) as conn:
        return post_movement(conn, "v", "a", movement, at=NOW)


def adopt(engine: Engine, amount: str, *, at: datetime = NOW) -> None:
    """As for an order that lacked funds: the venue has more than our books, and nobody says why."""
    with write(engine) as conn:
        entry_id = adopt_deposit(
            conn, venue="v", account="a", asset="USDT", amount=D(amount), key=f"adopted {at}", at=at
        )
        note_unexplained(conn, entry_id, venue="v", account="a", asset="USDT", amount=D(amount), at=at)


def correct(engine: Engine, amount: str) -> None:
    """As a reconciliation does by itself: what is too much waits in suspense."""
    with write(engine) as conn:
        kinds = (AccountKind.SUSPENSE, AccountKind.EXTERNAL)
        locked = lock_accounts(conn, "v", "a", ("USDT",), kinds)
        ours, outside = (AccountRef("USDT", kind) for kind in kinds)
        to, source = (ours, outside) if D(amount) > 0 else (outside, ours)
        entry = NewEntry(
            key="correction", kind=EntryKind.CORRECTION, order_id=None, detail={},
            legs=[Leg(debit=to, credit=source, amount=abs(D(amount)))],
        )  # fmt: skip
        posted = post(conn, entry, locked, at=NOW)
        note_unexplained(conn, posted.entry_id, venue="v", account="a", asset="USDT", amount=D(amount), at=NOW)


def usdt(engine: Engine) -> tuple[Decimal, Decimal]:
    """(total, available)."""
    with read(engine) as conn:
        (balance,) = balances(conn)
    return balance.total, balance.available


def test_each_movement_is_booked_once_by_its_id(books: Engine) -> None:
    assert book(books, moved("10", 1)).new
    assert not book(books, moved("10.0", 1)).new
    assert book(books, moved("10", 2)).new
    assert book(books, moved("-4", 1, fee=D("0.5"))).new, "deposits and withdrawals are numbered apart"
    assert usdt(books) == (D("1015.5"), D("1015.5"))


def test_the_same_id_with_other_content_is_a_conflict(books: Engine) -> None:
    book(books, moved("10"))
    with pytest.raises(EntryConflict):
        book(books, moved("11"))
    assert usdt(books)[0] == 1010


def test_what_is_under_way_is_booked_when_it_counts_and_what_failed_is_booked_back_once(books: Engine) -> None:
    pending, failed = MovementStatus.PENDING, MovementStatus.FAILED
    assert not book(books, moved("10", status=pending)).new
    assert book(books, moved("10")).new
    assert book(books, moved("-4", fee=D(1), status=pending)).new
    assert usdt(books)[0] == 1005
    assert [book(books, moved("-4", fee=D(1), status=failed)).new for _ in range(2)] == [True, False]
    assert not book(books, moved("-7", 2, status=failed)).new, "it was never booked"
    assert usdt(books) == (D(1010), D(1010))


def test_a_movement_from_before_the_opening_is_in_the_opening(books: Engine) -> None:
    before, after = OPENED - timedelta(minutes=1), OPENED + timedelta(minutes=1)
    assert book(books, moved("10", 1, at=before)).entry_id is None
    assert book(books, moved("-10", 1, at=before)).entry_id is None
    assert book(books, moved("10", 2, at=before, settled_at=after)).new
    assert usdt(books)[0] == 1010


def test_an_account_without_books_books_nothing(engine: Engine) -> None:
    assert book(engine, moved("10")).entry_id is None


def test_a_withdrawal_beyond_what_is_available_is_booked_from_suspense(books: Engine) -> None:
    with write(books) as conn:
        place_hold(conn, order_id="o", venue="v", account="a", asset="USDT", amount=D(990), at=NOW)
    posted = book(books, moved("-15", fee=D(1)))
    assert posted.shortfall is not None
    assert posted.shortfall.amount == 6
    assert usdt(books) == (D(984), D(0)), "what the order holds is not touched, and the total is the venue's"


def test_a_deposit_that_was_taken_over_as_a_rise_is_not_booked_a_second_time(books: Engine) -> None:
    adopt(books, "10")
    posted = book(books, moved("10", at=NOW - timedelta(minutes=3)))
    assert (posted.new, posted.explained) == (True, 10)
    assert usdt(books) == (D(1010), D(1010))
    assert book(books, moved("10", 2)).new, "the next one is another"
    assert usdt(books)[0] == 1020
    with read(books) as conn:
        assert unexplained(conn, "v", "a", "USDT") == 0


def test_a_rise_that_was_a_deposit_less_a_withdrawal_ends_with_both_booked(books: Engine) -> None:
    adopt(books, "6")
    began = NOW - timedelta(minutes=3)
    for movement in (moved("-4", at=began), moved("10", at=began)):
        book(books, movement)
    assert usdt(books) == (D(1006), D(1006))


def test_a_rise_is_explained_by_several_and_in_parts(books: Engine) -> None:
    adopt(books, "10")
    began = NOW - timedelta(minutes=3)
    assert book(books, moved("4", 1, at=began)).explained == 4
    assert book(books, moved("9", 2, at=began)).explained == 6
    assert usdt(books)[0] == 1013


def test_a_movement_that_began_after_the_rise_was_taken_over_is_not_its_reason(books: Engine) -> None:
    adopt(books, "10", at=NOW - timedelta(minutes=10))
    assert book(books, moved("10", at=NOW)).explained == 0
    assert usdt(books)[0] == 1020


@pytest.mark.parametrize("amount", ["10", "-10"])
def test_what_a_correction_took_over_is_taken_back_when_the_reason_is_told(books: Engine, amount: str) -> None:
    correct(books, amount)
    began = NOW - timedelta(minutes=3)
    assert book(books, moved(amount, at=began)).explained == D(amount)
    total = 1000 + D(amount)
    assert usdt(books) == (total, total), "nothing waits in suspense any more"


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE unexplained_moves SET unexplained = '11'",
        "UPDATE unexplained_moves SET unexplained = '-1'",
        "UPDATE unexplained_moves SET amount = '1', unexplained = '1'",
        "UPDATE unexplained_moves SET account = 'b'",
        "DELETE FROM unexplained_moves",
        (
            "INSERT INTO unexplained_moves (entry_id, venue, account, asset, amount, unexplained, taken_at) "
            "SELECT min(id), 'v', 'a', 'USDT', '5', '4', 1 FROM ledger_entries"
        ),
    ],
)
def test_what_was_taken_over_is_only_ever_explained(books: Engine, attack: str) -> None:
    adopt(books, "10")
    with pytest.raises(DBAPIError), write(books) as conn:
        conn.execute(text(attack))
    with read(books) as conn:
        assert unexplained(conn, "v", "a", "USDT") == 10
