"""Positions on both databases: moved with the fill, kept as they were, guarded, and equal to what the ledger makes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text, update
from sqlalchemy.exc import DBAPIError

from accounting.position_figures import FeesIn, Figures, Method, figures
from models.vocabulary import Mode
from storage.engine import read, write
from storage.guards import manifest
from storage.ledger_tables import ledger_entries
from storage.position_posting import LOTS_A_LOOK
from storage.position_proof import MOST_FINDINGS, prove_equal, rebuild
from storage.position_reads import HeldPosition, PositionFilter, PositionKey, read_positions, read_these
from storage.position_tables import position_changes, positions
from tests.support.order_values import NOW
from tests.support.position_books import PositionBooks

MINUTE = timedelta(minutes=1)


@pytest.fixture
def books(engine: Engine) -> PositionBooks:
    return PositionBooks(engine)


def held(books: PositionBooks, **wanted: str) -> HeldPosition:
    with read(books.engine) as conn:
        (found,) = read_positions(conn, PositionFilter(**wanted))
    return found


def shown(found: HeldPosition, method: Method = Method.AVERAGE, fees: FeesIn = FeesIn.INCLUDED) -> Figures:
    key = found.key
    return figures(found.position, base=key.asset, cost_asset=key.cost_asset, method=method, fees=fees)


def proof(books: PositionBooks) -> list[str]:
    with read(books.engine, snapshot=True) as conn:
        return prove_equal(conn)


def content(books: PositionBooks) -> list[tuple[object, ...]]:
    with read(books.engine) as conn:
        rows = [tuple(row) for row in conn.execute(position_changes.select().order_by(position_changes.c.entry_id))]
        return rows + [tuple(row) for row in conn.execute(positions.select().order_by(positions.c.id))]


def test_fills_move_their_position_and_both_methods_are_there(books: PositionBooks) -> None:
    books.buy("1", "100", fee="1")
    books.buy("1", "140", fee="0.01", fee_asset="BNB")
    books.sell("1.5", "150", fee="3", at=NOW + MINUTE)
    found = held(books)
    assert found.key == PositionKey(venue="paper", account="main", asset="BTC", cost_asset="USDT", strategy="")
    assert (found.mode, found.position.number) == (Mode.LIVE, 3)
    assert (found.booked_at, found.traded_at) == (NOW + MINUTE, NOW + MINUTE - timedelta(milliseconds=250))
    average, fifo = shown(found), shown(found, Method.FIFO)
    assert (average.quantity, average.average_cost) == (Decimal("0.5"), Decimal("120.5"))
    assert average.realized == Decimal(225) - 180 - 3 - Decimal("0.75")
    assert (fifo.quantity, fifo.average_cost) == (Decimal("0.5"), 140)
    assert fifo.realized == Decimal(225) - 170 - 3 - 1
    assert average.apart == fifo.apart == {"BNB": Decimal("0.01")}
    assert shown(found, fees=FeesIn.APART).realized == Decimal(225) - 180
    assert proof(books) == []


def test_each_account_pair_and_strategy_has_a_position_of_its_own(books: PositionBooks) -> None:
    for strategy in ("", "momentum"):
        books.buy("1", "100", strategy=strategy)
    books.buy("2", "100", account="desk2")
    books.buy("3", "0.05", pair="ETH/BTC")
    books.buy("4", "100", venue="dry", mode=Mode.DRY_RUN)
    with read(books.engine) as conn:
        found = read_positions(conn)
        assert [(one.key, one.position.quantity, one.mode) for one in found] == [
            (PositionKey(venue="dry", account="main", asset="BTC", cost_asset="USDT", strategy=""), 4, Mode.DRY_RUN),
            (PositionKey(venue="paper", account="desk2", asset="BTC", cost_asset="USDT", strategy=""), 2, Mode.LIVE),
            (PositionKey(venue="paper", account="main", asset="BTC", cost_asset="USDT", strategy=""), 1, Mode.LIVE),
            (PositionKey(venue="paper", account="main", asset="BTC", cost_asset="USDT", strategy="momentum"), 1, Mode.LIVE),
            (PositionKey(venue="paper", account="main", asset="ETH", cost_asset="BTC", strategy=""), 3, Mode.LIVE),
        ]  # fmt: skip
        assert [one.key.strategy for one in read_positions(conn, PositionFilter(strategy="momentum"))] == ["momentum"]
        assert [one.key.asset for one in read_positions(conn, PositionFilter(cost_asset="BTC"))] == ["ETH"]
        assert read_these(conn, [found[0].key, found[4].key]) == [found[0], found[4]]
        assert read_these(conn, []) == []
    assert proof(books) == []


def test_a_position_can_be_read_as_it_was_at_any_time(books: PositionBooks) -> None:
    for minute in range(4):
        books.buy("1", "100", at=NOW + minute * MINUTE)
    books.sell("4", "110", at=NOW + 5 * MINUTE)
    books.buy("1", "100", account="desk2", at=NOW + 5 * MINUTE)

    def at(minutes: float) -> list[tuple[str, Decimal]]:
        with read(books.engine) as conn:
            found = read_positions(conn, at=NOW + minutes * MINUTE)
        return [(one.key.account, one.position.quantity) for one in found]

    assert [at(minutes) for minutes in (-0.1, 0, 0.5, 3, 4.9, 5)] == [
        [], [("main", 1)], [("main", 1)], [("main", 4)], [("main", 4)], [("desk2", 1), ("main", 0)],
    ]  # fmt: skip


def test_a_clock_that_went_back_does_not_put_a_change_before_the_one_before_it(books: PositionBooks) -> None:
    books.buy("1", "100", at=NOW + MINUTE)
    books.buy("1", "100", at=NOW)
    assert held(books).booked_at == NOW + MINUTE
    assert proof(books) == []


def test_a_sale_of_many_lots_reads_them_all(books: PositionBooks) -> None:
    many = LOTS_A_LOOK + 3
    for number in range(many):
        books.buy("1", str(100 + number))
    books.sell(f"{many - 1}", "500")
    assert shown(held(books), Method.FIFO).average_cost == 100 + many - 1
    books.sell("0.5", "500")
    assert held(books).position.head.number == many
    assert proof(books) == []


def test_fills_of_one_position_at_the_same_time_each_move_it_once(books: PositionBooks) -> None:
    for strategy in ("a", "b"):
        books.order(strategy=strategy)

    def trade(thread: int) -> None:
        for number in range(10):
            fill = books.buy if (thread + number) % 3 else books.sell
            fill("0.3", str(100 + number), strategy="ab"[thread % 2], fee="0.001", fee_asset="BTC")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(trade, range(4)))
    with read(books.engine) as conn:
        assert [one.position.number for one in read_positions(conn)] == [20, 20]
    assert proof(books) == []


def refused(books: PositionBooks, attack: str) -> bool:
    try:
        with books.engine.begin() as conn:
            conn.exec_driver_sql(attack)
    except DBAPIError:
        return True
    return False


ATTACKS = {
    "edit what it was": "UPDATE position_changes SET quantity = '7'",
    "delete what it was": "DELETE FROM position_changes WHERE number = 2",
    "go back": "UPDATE positions SET number = 1",
    "go ahead of its changes": "UPDATE positions SET number = 3",
    "another owner": "UPDATE positions SET account = 'other'",
    "real money of a dry run": "UPDATE positions SET mode = 'dry_run'",
    "delete a position": "DELETE FROM positions",
    "begin in the middle": "INSERT INTO positions (venue, account, asset, cost_asset, strategy, mode, number) "
    "VALUES ('v', 'a', 'A', 'B', '', 'live', 1)",
    "a change of the past": "INSERT INTO position_changes SELECT position_id, 3, entry_id + 100, at - 1, traded_at, quantity, "
    "average_cost, average_fees, average_realized, average_realized_fees, fifo_cost, fifo_fees, fifo_realized, "
    "fifo_realized_fees, head_number, head_quantity, head_cost, head_fees, paid, lot_quantity, lot_cost, lot_fees "
    "FROM position_changes WHERE number = 2",
    "the same fill again": "INSERT INTO position_changes SELECT position_id, 3, entry_id, at, traded_at, quantity, "
    "average_cost, average_fees, average_realized, average_realized_fees, fifo_cost, fifo_fees, fifo_realized, "
    "fifo_realized_fees, head_number, head_quantity, head_cost, head_fees, paid, lot_quantity, lot_cost, lot_fees "
    "FROM position_changes WHERE number = 2",
}


def test_the_database_itself_refuses_to_change_a_position_but_by_a_fill(books: PositionBooks) -> None:
    books.buy("1", "100")
    books.buy("1", "100")
    before = content(books)
    for name, attack in ATTACKS.items():
        assert refused(books, attack), f"the database took it: {name}"
    assert content(books) == before
    assert proof(books) == []


def _unguarded(books: PositionBooks, *attacks: str) -> None:
    with write(books.engine) as conn:
        manifest.remove(conn)
        for attack in attacks:
            conn.execute(text(attack))
        manifest.install(conn)


DIFFERENCES = {
    "UPDATE position_changes SET fifo_realized = '6' WHERE number = 2": "fifo_realized is 6, the ledger makes it 5",
    "UPDATE position_changes SET at = at + 1 WHERE number = 2": "position BTC/USDT at paper (main, strategy s), change 2: at is",
    "UPDATE positions SET number = 1": "stands at change 1, the ledger makes 2",
    "UPDATE positions SET strategy = 'other'": "is in that of BTC/USDT at paper (main, strategy other)",
}


def test_what_differs_from_the_ledger_is_told_and_made_again(books: PositionBooks) -> None:
    books.buy("1", "100", strategy="s", fee="0.5", fee_asset="BNB")
    books.sell("0.5", "110", strategy="s", at=NOW + MINUTE)
    before = content(books)
    for attack, told in DIFFERENCES.items():
        _unguarded(books, attack)
        assert any(told in sentence for sentence in proof(books)), (attack, proof(books))
        assert rebuild(books.engine) == 2
        assert proof(books) == []
        assert [row[1:] for row in content(books)] == [row[1:] for row in before]
    with read(books.engine) as conn:
        assert manifest.differences(conn) == []


def test_fills_of_an_older_version_are_missing_until_positions_are_made_again(engine: Engine) -> None:
    older = PositionBooks(engine, with_positions=False)
    older.buy("1", "100")
    older.sell("0.25", "120")
    sentences = proof(older)
    assert len(sentences) == 2
    assert all("lacks the fill" in sentence and "--rebuild" in sentence for sentence in sentences)
    assert rebuild(engine) == 2
    assert held(older).position.average.realized == 5
    assert proof(older) == []


def test_a_fill_entry_without_its_row_and_a_change_without_its_entry_are_told(books: PositionBooks) -> None:
    books.buy("1", "100")
    key = books.buy("1", "100")
    _unguarded(books, "DELETE FROM fills WHERE venue_trade_id = (SELECT max(venue_trade_id) FROM fills)")
    assert any("a fill without its row or its content" in sentence for sentence in proof(books)), key
    with write(books.engine) as conn:
        manifest.remove(conn)
        conn.execute(update(ledger_entries).values(kind="correction"))
        manifest.install(conn)
    assert "position_changes: 2 changes of positions belong to no fill in the ledger" in proof(books)
    _unguarded(books, "UPDATE ledger_entries SET kind = 'fill'")


def test_many_findings_end_with_their_number(engine: Engine) -> None:
    older = PositionBooks(engine, with_positions=False)
    for _ in range(MOST_FINDINGS + 2):
        older.buy("1", "100")
    assert proof(older)[-1] == "and 2 more differences between positions and ledger"
