"""Many at a time on the same accounts: no deadlock, nothing twice, nothing lost, never below zero."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text

from accounting.fills import FillPosting
from models.reports import VenueBalance
from models.vocabulary import Side
from storage.engine import read, write
from storage.ledger import (
    InsufficientFunds,
    adopt_deposit,
    balances,
    open_venue_account,
    place_hold,
    post_fill,
    release_hold,
)

NOW = datetime(2030, 1, 1, tzinfo=UTC)
THREADS = 8
D = Decimal


def test_threads_that_trade_crosswise_end_with_exact_balances(engine: Engine) -> None:
    """Buys and sells over pairs that share assets in both roles: the locks of one posting cross those of another."""
    pairs = [("BTC", "USDT"), ("ETH", "BTC"), ("USDT", "EUR"), ("ETH", "USDT")]
    with write(engine) as connection:
        found = [VenueBalance(asset=asset, free=D(1000), used=D(0)) for asset in ("BTC", "ETH", "USDT", "EUR")]
        open_venue_account(connection, "v", "a", found, at=NOW)

    def trade(thread: int) -> None:
        for number in range(12):
            base, quote = pairs[(thread + number) % len(pairs)]
            side = Side.BUY if (thread + number // 4) % 2 else Side.SELL
            order_id = f"o{thread}-{number}"
            with write(engine) as connection:
                place_hold(
                    connection, order_id=order_id, venue="v", account="a",
                    asset=quote if side is Side.BUY else base, amount=D("1.5"), at=NOW,
                )  # fmt: skip
            with write(engine) as connection:
                post_fill(
                    connection,
                    FillPosting(
                        key=f"fill:{order_id}", order_id=order_id, venue="v", account="a", side=side, base=base, quote=quote,
                        quantity=D(1), price=D(1), cost=D(1), fee=D("0.01"), fee_asset="FEE",
                    ),
                    at=NOW,
                )  # fmt: skip
            with write(engine) as connection:
                release_hold(connection, order_id=order_id, at=NOW)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(trade, range(THREADS)))
    with read(engine) as connection:
        after = {found.asset: found for found in balances(connection)}
    assert all(found.held == 0 for found in after.values())
    assert after["FEE"].total == D("-0.96")
    assert sum(after[asset].total for asset in ("BTC", "ETH", "USDT", "EUR")) == 4000


def test_the_same_fill_from_many_threads_is_booked_once(engine: Engine) -> None:
    posting = FillPosting(
        key="f", order_id="o", venue="v", account="a", side=Side.BUY, base="BTC", quote="USDT",
        quantity=D(1), price=D(1), cost=D(1),
    )  # fmt: skip

    def post(_thread: int) -> bool:
        with write(engine) as connection:
            return post_fill(connection, posting, at=NOW).new

    with ThreadPoolExecutor(THREADS) as pool:
        assert sorted(pool.map(post, range(THREADS))) == [False] * (THREADS - 1) + [True]


def test_one_venue_account_is_opened_once_by_many_threads(engine: Engine) -> None:
    def open_it(_thread: int) -> bool:
        with write(engine) as connection:
            return open_venue_account(connection, "v", "a", [VenueBalance(asset="USDT", free=D(7), used=D(0))], at=NOW)

    with ThreadPoolExecutor(THREADS) as pool:
        assert sum(pool.map(open_it, range(THREADS))) == 1
    with read(engine) as connection:
        assert [found.total for found in balances(connection)] == [7]


def test_holds_from_many_threads_never_promise_more_than_there_is(engine: Engine) -> None:
    with write(engine) as connection:
        adopt_deposit(connection, venue="v", account="a", asset="USDT", amount=D(10), key="d", at=NOW)

    def hold(number: int) -> bool:
        try:
            with write(engine) as connection:
                place_hold(connection, order_id=f"o{number}", venue="v", account="a", asset="USDT", amount=D(3), at=NOW)
        except InsufficientFunds:
            return False
        return True

    with ThreadPoolExecutor(THREADS) as pool:
        assert sum(pool.map(hold, range(THREADS))) == 3


def test_releases_from_many_threads_release_once(engine: Engine) -> None:
    with write(engine) as connection:
        adopt_deposit(connection, venue="v", account="a", asset="USDT", amount=D(10), key="d", at=NOW)
        place_hold(connection, order_id="o", venue="v", account="a", asset="USDT", amount=D(4), at=NOW)

    def release(_thread: int) -> Decimal:
        with write(engine) as connection:
            return sum(release_hold(connection, order_id="o", at=NOW).amounts.values(), D(0))

    with ThreadPoolExecutor(THREADS) as pool:
        assert sum(pool.map(release, range(THREADS))) == 4


def test_a_fill_sees_what_a_fill_before_it_left_of_the_hold(engine: Engine) -> None:
    """Each waits for the other's lock; one that read the hold before it would take more than is there and fail."""
    with write(engine) as connection:
        adopt_deposit(connection, venue="v", account="a", asset="USDT", amount=D(8), key="d", at=NOW)
        place_hold(connection, order_id="o", venue="v", account="a", asset="USDT", amount=D(5), at=NOW)

    def post(number: int) -> int:
        posting = FillPosting(
            key=f"f{number}", order_id="o", venue="v", account="a", side=Side.BUY, base="BTC", quote="USDT",
            quantity=D(1), price=D(1), cost=D(1),
        )  # fmt: skip
        with write(engine) as connection:
            return len(post_fill(connection, posting, at=NOW).shortfalls)

    with ThreadPoolExecutor(THREADS) as pool:
        assert sum(pool.map(post, range(THREADS))) == 0
    with read(engine) as connection:
        assert {found.asset: found.total for found in balances(connection)} == {"BTC": 8, "USDT": 0}


@pytest.mark.timeout(300)
def test_raw_inserts_without_our_locks_still_number_legs_in_the_order_of_the_balances(engine: Engine) -> None:
    with write(engine) as connection:
        adopt_deposit(connection, venue="v", account="a", asset="USDT", amount=D(1000), key="d", at=NOW)
        ids = {row.kind: row.id for row in connection.execute(text("SELECT kind, id FROM ledger_accounts"))}

    def post(number: int) -> None:
        with write(engine) as connection:
            entry = (
                "INSERT INTO ledger_entries (key, kind, detail, leg_count, posted_at) "
                "VALUES (:key, 'correction', '{}', 1, 1) RETURNING id"
            )
            entry_id = connection.execute(text(entry), {"key": f"raw{number}"}).scalar_one()
            leg = (
                "INSERT INTO ledger_legs (entry_id, ordinal, debit_account_id, credit_account_id, asset, amount) "
                "VALUES (:entry, 1, :debit, :credit, 'USDT', '1')"
            )
            connection.execute(text(leg), {"entry": entry_id, "debit": ids["external"], "credit": ids["available"]})

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(post, range(40)))
    with read(engine) as connection:
        assert [found.available for found in balances(connection)] == [960]
