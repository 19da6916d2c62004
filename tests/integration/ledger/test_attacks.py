"""Raw SQL against the books: the database itself refuses, and nothing of the attempt stays.

Each attack runs as the program's own database user, on a connection like the program's. `A:usdt:available` and the
like are replaced by account ids; `ENTRY` and `LEG` by those of an entry that is in the books.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from models.reports import VenueBalance
from storage import schema, sqlite
from storage.engine import make_engine, read, write
from storage.guards import manifest
from storage.ledger import adopt_deposit, balances, held_for, invariants, open_venue_account, place_hold
from storage.seals import append, digests, note_head, waiting_entries

NOW = datetime(2030, 1, 1, tzinfo=UTC)

NEW_ENTRY = "INSERT INTO ledger_entries (id, key, kind, order_id, detail, leg_count, posted_at) VALUES (900, 'raw', 'correction', {order}, '{{}}', {legs}, 1)"
LEG = "INSERT INTO ledger_legs (entry_id, ordinal, debit_account_id, credit_account_id, asset, amount) VALUES ({entry}, {ordinal}, {debit}, {credit}, '{asset}', {amount})"


def entry(legs: int = 1, order: str = "NULL") -> str:
    return NEW_ENTRY.format(legs=legs, order=order)


def leg(
    *, entry: str = "900", ordinal: str = "1", debit: str = "A:usdt:external", credit: str = "A:usdt:available",
    asset: str = "USDT", amount: str = "'1'",
) -> str:  # fmt: skip
    return LEG.format(entry=entry, ordinal=ordinal, debit=debit, credit=credit, asset=asset, amount=amount)


BALANCES = {
    "set a balance": ["UPDATE ledger_accounts SET balance = '5000' WHERE id = A:usdt:available"],
    "set two balances that still sum to zero": [
        "UPDATE ledger_accounts SET balance = '1001' WHERE id = A:usdt:available",
        "UPDATE ledger_accounts SET balance = '-1106' WHERE id = A:usdt:external",
    ],
    "a balance that names an old leg": [
        "UPDATE ledger_accounts SET balance = '901', last_leg_id = LEG WHERE id = A:usdt:available"
    ],
    "a balance that names a leg to come": [
        "UPDATE ledger_accounts SET balance = '901', last_leg_id = 99999 WHERE id = A:usdt:available"
    ],
    "apply a leg a second time": [
        entry(),
        leg(),
        "UPDATE ledger_accounts SET balance = '898' WHERE id = A:usdt:available",
    ],
    "forget the last leg": ["UPDATE ledger_accounts SET last_leg_id = 0 WHERE id = A:usdt:available"],
    "a new account that begins rich": [
        "INSERT INTO ledger_accounts (venue, account, asset, kind, balance) VALUES ('v', 'x', 'USDT', 'available', '7')"
    ],
    "a new account ahead of its legs": [
        "INSERT INTO ledger_accounts (venue, account, asset, kind, last_leg_id) VALUES ('v', 'x', 'USDT', 'available', 5)"
    ],
    "a new account of a kind that is none": [
        "INSERT INTO ledger_accounts (venue, account, asset, kind) VALUES ('v', 'x', 'USDT', 'gift')"
    ],
    "the same account twice": [
        "INSERT INTO ledger_accounts (venue, account, asset, kind) VALUES ('v', 'a', 'USDT', 'available')"
    ],
    "turn external into available": ["UPDATE ledger_accounts SET kind = 'suspense' WHERE id = A:usdt:external"],
    "another asset": ["UPDATE ledger_accounts SET asset = 'BTC' WHERE id = A:usdt:fee"],
    "another venue": ["UPDATE ledger_accounts SET venue = 'w' WHERE id = A:usdt:available"],
    "another id": ["UPDATE ledger_accounts SET id = 4711 WHERE id = A:usdt:fee"],
    "delete an account": ["DELETE FROM ledger_accounts WHERE id = A:usdt:fee"],
    "delete all accounts": ["DELETE FROM ledger_accounts"],
}
ENTRIES = {
    "edit an entry": ["UPDATE ledger_entries SET detail = '{}' WHERE id = ENTRY"],
    "give an entry to another order": ["UPDATE ledger_entries SET order_id = 'o2'"],
    "make room for another leg": ["UPDATE ledger_entries SET leg_count = 2 WHERE id = ENTRY"],
    "delete an entry": ["DELETE FROM ledger_entries WHERE id = ENTRY"],
    "the same key again": [
        "INSERT INTO ledger_entries (key, kind, detail, leg_count, posted_at) SELECT key, kind, detail, 1, 1 FROM ledger_entries WHERE id = ENTRY"
    ],
    "an entry without legs": [entry(legs=0)],
    "an entry whose legs never come": [entry(legs=1)],
    "an entry that lacks one leg": [entry(legs=2), leg()],
    "an entry that lacks its first leg": [entry(legs=2), leg(ordinal="2")],
    "an entry with a kind that is none": [entry().replace("correction", "gift")],
}
LEGS = {
    "edit a leg's amount": ["UPDATE ledger_legs SET amount = '1' WHERE id = LEG"],
    "turn a leg around": ["UPDATE ledger_legs SET debit_account_id = credit_account_id, credit_account_id = debit_account_id WHERE id = LEG"],
    "delete a leg": ["DELETE FROM ledger_legs WHERE id = LEG"],
    "a further leg on an old entry": [leg(entry="ENTRY", ordinal="2")],
    "a leg in place of an old one": [leg(entry="ENTRY", ordinal="1")],
    "a leg before the first": [entry(), leg(ordinal="0"), leg()],
    "a leg of a negative number": [entry(), leg(ordinal="-1"), leg()],
    "a leg without an entry": [leg(entry="12345")],
    "a leg that is both sides": [entry(), leg(debit="A:usdt:available")],
    "a leg between two assets": [entry(), leg(debit="A:btc:external")],
    "a leg between two assets the other way": [entry(), leg(credit="A:btc:available")],
    "a leg of another asset than its accounts": [entry(), leg(asset="BTC")],
    "a leg between two venue accounts": [
        "INSERT INTO ledger_accounts (id, venue, account, asset, kind) VALUES (4711, 'v', 'thief', 'USDT', 'available')",
        entry(), leg(debit="4711"),
    ],
    "a leg to an account that is none": [entry(), leg(debit="12345")],
    "more than is available": [entry(), leg(amount="'901'")],
    "more than is available, by its last digit": [entry(), leg(amount="'900.000000000000000001'")],
    "an amount of zero": [entry(), leg(amount="'0'")],
    "a negative amount": [entry(), leg(amount="'-1'", debit="A:usdt:available", credit="A:usdt:external")],
    "an amount that is none": [entry(), leg(amount="NULL")],
    "an amount of words": [entry(), leg(amount="'abc'", debit="A:usdt:available", credit="A:usdt:external")],
    "an amount that is not a number": [entry(), leg(amount="'NaN'", debit="A:usdt:available", credit="A:usdt:external")],
    "an infinite amount": [entry(), leg(amount="'Infinity'", debit="A:usdt:available", credit="A:usdt:external")],
    "an amount without end": [entry(), leg(amount="'1e400'", debit="A:usdt:available", credit="A:usdt:external")],
    "an amount of too many digits": [entry(), leg(amount=f"'{'9' * 39}'", debit="A:usdt:available", credit="A:usdt:external")],
    "an amount finer than is kept": [entry(), leg(amount=f"'0.{'0' * 40}1'", debit="A:usdt:available", credit="A:usdt:external")],
}  # fmt: skip
HOLDS = {
    "raise an order's hold": ["UPDATE order_holds SET amount = '101' WHERE order_id = 'o1'"],
    "empty an order's hold": ["UPDATE order_holds SET amount = '0' WHERE order_id = 'o1'"],
    "give a hold to another order": ["UPDATE order_holds SET order_id = 'o2' WHERE order_id = 'o1'"],
    "move a hold to another account": ["UPDATE order_holds SET account_id = A:btc:hold WHERE order_id = 'o1'"],
    "invent a hold": ["INSERT INTO order_holds (order_id, account_id, amount, last_leg_id) VALUES ('o3', A:usdt:hold, '1', LEG)"],
    "invent a hold on another order's leg": [
        "INSERT INTO order_holds (order_id, account_id, amount, last_leg_id) VALUES ('o3', A:usdt:hold, '100', LEG)"
    ],
    "invent a hold of nothing": ["INSERT INTO order_holds (order_id, account_id, amount, last_leg_id) VALUES ('o3', A:usdt:hold, '0', 0)"],
    "apply a leg to a hold a second time": ["UPDATE order_holds SET amount = '200', last_leg_id = LEG WHERE order_id = 'o1'"],
    "hold what is available": [
        entry(order="'o1'"), leg(debit="A:usdt:available", credit="A:usdt:hold", amount="'30'"),
        "INSERT INTO order_holds (order_id, account_id, amount, last_leg_id) SELECT 'o1', A:usdt:available, '30', max(id) FROM ledger_legs",
    ],
    "delete a hold": ["DELETE FROM order_holds WHERE order_id = 'o1'"],
    "release more than the order holds": [
        entry(order="'o1'"), leg(debit="A:usdt:available", credit="A:usdt:hold", amount="'100.5'"),
    ],
    "release another order's hold": [
        entry(order="'o3'"), leg(debit="A:usdt:available", credit="A:usdt:hold", amount="'1'"),
    ],
    "release an order's hold as a foreign one": [
        entry(), leg(debit="A:usdt:available", credit="A:usdt:hold", amount="'6'"),
    ],
    "edit an opening": ["UPDATE venue_accounts SET opened_at = 1"],
    "delete an opening": ["DELETE FROM venue_accounts"],
}  # fmt: skip
SEAL = "INSERT INTO ledger_seals (sequence, entry_id, entry_digest, previous_hash, hash, sealed_at) "
SEALED_AGAIN = (
    SEAL + "SELECT {sequence}, {entry}, entry_digest, {previous}, {hash}, 5 FROM ledger_seals WHERE sequence = 1"
)


def sealed(*, sequence: str = "SEALS + 1", entry: str = "WAITS", previous: str = "HEAD", own: str = "hash") -> str:
    return SEALED_AGAIN.format(sequence=sequence, entry=entry, previous=previous, hash=own)


SEALS = {
    "edit a sealed entry": ["UPDATE ledger_entries SET kind = 'deposit' WHERE id = ENTRY"],
    "delete a sealed entry": ["DELETE FROM ledger_entries WHERE id = ENTRY"],
    "edit a leg of a sealed entry": ["UPDATE ledger_legs SET asset = 'BTC' WHERE entry_id = ENTRY"],
    "a further leg on a sealed entry": [leg(entry="ENTRY", ordinal="2", amount="'0.5'")],
    "edit a seal": ["UPDATE ledger_seals SET sealed_at = 1 WHERE sequence = 1"],
    "edit a digest": [f"UPDATE ledger_seals SET entry_digest = '{'a' * 64}' WHERE sequence = 1"],
    "give a seal to another entry": ["UPDATE ledger_seals SET entry_id = WAITS WHERE sequence = 1"],
    "renumber the seals": ["UPDATE ledger_seals SET sequence = sequence + 100"],
    "delete the first seal": ["DELETE FROM ledger_seals WHERE sequence = 1"],
    "delete the last seal": ["DELETE FROM ledger_seals WHERE sequence = SEALS"],
    "delete the chain": ["DELETE FROM ledger_seals"],
    "a seal with a made-up hash": [sealed()],
    "a seal with a hash of another form": [sealed(own="'x'")],
    "a seal that leaves a gap": [sealed(sequence="SEALS + 2")],
    "a seal before the first": [sealed(sequence="0", previous=f"'{'0' * 64}'")],
    "a second first seal": [sealed(sequence="1", previous=f"'{'0' * 64}'")],
    "a fork: a second seal after an old one": [sealed(previous="previous_hash")],
    "a seal in place of the last": [sealed(sequence="SEALS")],
    "a second seal of an entry": [sealed(entry="ENTRY")],
    "a seal of no entry": [sealed(entry="12345")],
    "take an entry from the sealer": ["DELETE FROM ledger_unsealed WHERE entry_id = WAITS"],
    "have another entry wait in its place": ["UPDATE ledger_unsealed SET entry_id = ENTRY"],
    "have a sealed entry wait again": ["INSERT INTO ledger_unsealed (entry_id) VALUES (ENTRY)"],
    "have no entry wait": ["INSERT INTO ledger_unsealed (entry_id) VALUES (12345)"],
    "edit a head": [f"UPDATE ledger_heads SET hash = '{'a' * 64}'"],
    "delete a head": ["DELETE FROM ledger_heads"],
    "note a head that never was": [
        f"INSERT INTO ledger_heads (day, sequence, hash, noted_at) VALUES ('2031-01-01', 1, '{'a' * 64}', 1)"
    ],
    "a second head of a day": [
        "INSERT INTO ledger_heads (day, sequence, hash, noted_at) SELECT '2030-01-01', sequence, hash, 1 FROM ledger_seals WHERE sequence = 1"
    ],
}
POSTGRESQL = {
    "truncate seals": ["TRUNCATE ledger_seals CASCADE"],
    "truncate what waits": ["TRUNCATE ledger_unsealed"],
    "truncate heads": ["TRUNCATE ledger_heads"],
    "truncate verifications": ["TRUNCATE ledger_verifications"],
    "truncate entries, and with them the chain": ["TRUNCATE ledger_entries CASCADE"],
    "truncate legs": ["TRUNCATE ledger_legs CASCADE"],
    "truncate accounts": ["TRUNCATE ledger_accounts CASCADE"],
    "truncate holds": ["TRUNCATE order_holds"],
    "truncate openings": ["TRUNCATE venue_accounts"],
    "upsert a balance": [
        (
            "INSERT INTO ledger_accounts (venue, account, asset, kind) VALUES ('v', 'a', 'USDT', 'available') "
            "ON CONFLICT (venue, account, asset, kind) DO UPDATE SET balance = 5000"
        )
    ],
    "merge a balance": [
        "MERGE INTO ledger_accounts a USING (SELECT 1) x ON a.id = A:usdt:available WHEN MATCHED THEN UPDATE SET balance = 5000"
    ],
    "apply a leg in the statement that posts it": [
        entry(),
        "WITH l AS ("
        + leg()
        + " RETURNING id) UPDATE ledger_accounts a SET balance = balance - 1, last_leg_id = l.id FROM l WHERE a.id = A:usdt:available",
    ],
    "a balance that is not a number": ["UPDATE ledger_accounts SET balance = 'NaN' WHERE id = A:usdt:external"],
    "put off the check that legs are complete": ["SET CONSTRAINTS ALL DEFERRED", entry(legs=2), leg()],
}
SQLITE = {
    "replace a seal": [sealed(sequence="1", previous=f"'{'0' * 64}'").replace("INSERT", "INSERT OR REPLACE")],
    "replace the last seal": [sealed(sequence="SEALS").replace("INSERT", "INSERT OR REPLACE")],
    "replace what waits": ["INSERT OR REPLACE INTO ledger_unsealed (entry_id) VALUES (WAITS)"],
    "replace a head": [
        "REPLACE INTO ledger_heads (day, sequence, hash, noted_at) SELECT '2030-01-01', sequence, hash, 1 FROM ledger_seals WHERE sequence = 1"
    ],
    "replace an account": [
        "INSERT OR REPLACE INTO ledger_accounts (venue, account, asset, kind) VALUES ('v', 'a', 'USDT', 'available')"
    ],
    "replace an account by its id": [
        "INSERT OR REPLACE INTO ledger_accounts (id, venue, account, asset, kind) VALUES (A:usdt:available, 'v', 'y', 'USDT', 'available')"
    ],
    "replace an entry": [
        "INSERT OR REPLACE INTO ledger_entries (key, kind, detail, leg_count, posted_at) SELECT key, kind, '{}', 1, 1 FROM ledger_entries"
    ],
    "replace a leg": [leg(entry="ENTRY").replace("INSERT", "INSERT OR REPLACE")],
    "replace an older leg": [
        leg(entry="(SELECT min(entry_id) FROM ledger_legs WHERE asset = 'USDT')").replace("INSERT", "INSERT OR REPLACE")
    ],
    "replace a hold by what it was before": [
        entry(order="'o1'"), leg(debit="A:usdt:available", credit="A:usdt:hold", amount="'30'"),
        "REPLACE INTO order_holds (order_id, account_id, amount, last_leg_id) VALUES ('o1', A:usdt:hold, '100', LEG)",
    ],
    "replace a hold": ["REPLACE INTO order_holds (order_id, account_id, amount, last_leg_id) VALUES ('o1', A:usdt:hold, '1', LEG)"],
    "replace an opening": ["REPLACE INTO venue_accounts (venue, account, opened_at) VALUES ('v', 'a', 1)"],
    "ignore that the books go below zero": [entry(), leg(amount="'901'").replace("INSERT", "INSERT OR IGNORE")],
    "ignore that a hold goes below zero": [
        entry(order="'o1'"),
        leg(debit="A:usdt:available", credit="A:usdt:hold", amount="'100.5'").replace("INSERT", "INSERT OR IGNORE"),
    ],
    "switch checks off, then go below zero": ["PRAGMA ignore_check_constraints = ON", entry(), leg(amount="'901'")],
    "switch checks off, then a negative amount": ["PRAGMA ignore_check_constraints = ON", entry(), leg(amount="'-1'")],
    "an amount in other notation": [entry(), leg(amount="'1.0'")],
    "an amount with a blank": [entry(), leg(amount="' 1'")],
    "an amount of bytes": [entry(), leg(amount="x'31'")],
    "a leg numbered far ahead, so that none could follow": [
        entry(), leg().replace("(entry_id", "(id, entry_id").replace("VALUES (", "VALUES (9223372036854775807, "),
    ],
    "a leg between two others": [entry(legs=1), leg(ordinal="0.5")],
    "a time of words": [entry().replace(", 1)", ", 'today')"), leg()],
}  # fmt: skip


#: Only CHECK and the deferred key stand against these, and they do no harm: what they leave moves no balance, the
#: program's own connections refuse it, and `invariants` names it.
HARMLESS = {
    "a new account of a kind that is none",
    "an entry with a kind that is none",
    "an entry whose legs never come",
    "an entry that lacks one leg",
}


def cases() -> Iterator[object]:
    for group in (BALANCES, ENTRIES, LEGS, HOLDS, SEALS):
        for name, attack in group.items():
            yield pytest.param(None, attack, id=name)
    for dialect, group in (("postgresql", POSTGRESQL), ("sqlite", SQLITE)):
        for name, attack in group.items():
            yield pytest.param(dialect, attack, id=f"{dialect}: {name}")


@pytest.fixture(scope="module")
def books(shared_engine: Engine) -> Engine:
    return _filled(shared_engine)


@pytest.fixture(scope="module")
def sqlite_books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = make_engine(f"sqlite:///{tmp_path_factory.mktemp('books')}/books.db")
    schema.upgrade(engine)
    yield _filled(engine)
    engine.dispose()


def _filled(engine: Engine) -> Engine:
    """1000 USDT available, of which order o1 holds 100; 5 USDT held by a foreign order; 2 BTC. Its last entry waits for its seal."""
    with write(engine) as connection:
        found = [
            VenueBalance(asset="USDT", free=Decimal(1000), used=Decimal(5)),
            VenueBalance(asset="BTC", free=Decimal(2), used=Decimal(0)),
        ]
        open_venue_account(connection, "v", "a", found, at=NOW)
        place_hold(connection, order_id="o1", venue="v", account="a", asset="USDT", amount=Decimal(100), at=NOW)
        head = append(connection, None, digests(connection, waiting_entries(connection, 10)), at=NOW)
        assert head is not None
        note_head(connection, head, NOW)
        adopt_deposit(connection, venue="v", account="a", asset="BTC", amount=Decimal(1), key="waits", at=NOW)
    return engine


@pytest.mark.parametrize(("dialect", "attack"), list(cases()))
def test_the_database_refuses(books: Engine, dialect: str | None, attack: list[str]) -> None:
    if dialect not in (None, books.dialect.name):
        pytest.skip(f"an attack on {dialect}")
    before = _content(books)
    with books.connect() as connection:
        statements = [_with_ids(connection, statement) for statement in attack]
    with pytest.raises(DBAPIError), books.connect() as connection:  # noqa: PT012 - any of them, or the commit
        try:
            for statement in statements:
                connection.exec_driver_sql(statement)
            connection.commit()
        finally:
            connection.invalidate()  # what a PRAGMA or SET changed goes with the connection
    assert _content(books) == before
    with read(books, snapshot=True) as connection:
        assert invariants(connection) == []


def test_there_are_more_attacks_than_thirty_on_each_database() -> None:
    for dialect, own in (("postgresql", POSTGRESQL), ("sqlite", SQLITE)):
        count = sum(len(group) for group in (BALANCES, ENTRIES, LEGS, HOLDS, SEALS, own))
        assert count >= 100, dialect


@pytest.mark.parametrize("table", ["ledger_seals", "ledger_unsealed", "ledger_heads"])
def test_a_trigger_that_is_dropped_is_missed(engine: Engine, table: str) -> None:
    """The manifest names it, and what it held is not posted to until it is back (`schema.check`)."""
    with engine.connect() as connection:
        for guard in [found for found in manifest.expected(engine.dialect.name).values() if found.table == table]:
            on = "" if engine.dialect.name == "sqlite" else f" ON {table}"
            connection.exec_driver_sql(f"DROP TRIGGER {guard.name}{on}")
            assert any(guard.name in sentence for sentence in manifest.differences(connection))
        connection.rollback()


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("UPDATE ledger_accounts SET asset = 'BTC' WHERE id = A:usdt:fee", "what account|what an account stands for"),
        ("UPDATE ledger_accounts SET balance = '1' WHERE id = A:usdt:fee", "moves only by a leg"),
        ("UPDATE order_holds SET order_id = 'o2' WHERE order_id = 'o1'", "whose hold it is can not be changed"),
        ("DELETE FROM ledger_legs", "post a new entry instead"),
        ("UPDATE ledger_entries SET detail = '{}'", "post a new (one|entry) instead"),
        (leg(entry="ENTRY", ordinal="2"), "no place for"),
    ],
)
def test_the_refusal_says_what_is_wrong(books: Engine, statement: str, sentence: str) -> None:
    with books.connect() as connection, pytest.raises(DBAPIError, match=sentence):
        connection.exec_driver_sql(_with_ids(connection, statement))


@pytest.mark.integration
@pytest.mark.parametrize(
    "attack",
    [
        pytest.param(attack, id=name)
        for group in (BALANCES, ENTRIES, LEGS, HOLDS, SEALS, SQLITE)
        for name, attack in group.items()
        if name not in HARMLESS
    ],
)
def test_sqlite_refuses_another_program_that_switched_everything_off(sqlite_books: Engine, attack: list[str]) -> None:
    """Foreign keys, checks and recursive triggers are off: the triggers stand alone."""
    before = _content(sqlite_books)
    with sqlite_books.connect() as connection:
        statements = [_with_ids(connection, statement) for statement in attack]
    with closing(sqlite3.connect(str(sqlite_books.url.database), isolation_level=None)) as program:
        sqlite.register_functions(program)
        for pragma in ("foreign_keys = OFF", "recursive_triggers = OFF", "ignore_check_constraints = ON"):
            program.execute(f"PRAGMA {pragma}")
        program.execute("BEGIN")
        with pytest.raises(sqlite3.Error):  # noqa: PT012 - any of them
            for statement in statements:
                program.execute(statement)
        program.execute("ROLLBACK")
    assert _content(sqlite_books) == before


@pytest.mark.integration
def test_a_program_that_knows_nothing_of_the_books_can_not_post_to_them(sqlite_books: Engine) -> None:
    """Such as SQLite's own shell: it lacks the functions that the triggers call."""
    with sqlite_books.connect() as connection:
        statements = [_with_ids(connection, statement) for statement in (entry(), leg())]
    with closing(sqlite3.connect(str(sqlite_books.url.database), isolation_level=None)) as program:
        program.execute("BEGIN")
        program.execute(statements[0])
        with pytest.raises(sqlite3.OperationalError, match="no such function"):
            program.execute(statements[1])


def test_a_correction_by_hand_that_keeps_the_rules_is_taken(engine: Engine) -> None:
    """Else the attacks above could be refused for a reason that has nothing to do with the rules."""
    with write(engine) as connection:
        open_venue_account(
            connection, "v", "a", [VenueBalance(asset="USDT", free=Decimal(1000), used=Decimal(5))], at=NOW
        )
        place_hold(connection, order_id="o1", venue="v", account="a", asset="USDT", amount=Decimal(100), at=NOW)
    with write(engine) as connection:
        for statement in (
            entry(legs=2, order="'o1'"),
            leg(amount="'1.5'"),
            leg(ordinal="2", debit="A:usdt:available", credit="A:usdt:hold", amount="'30'"),
        ):
            connection.exec_driver_sql(_with_ids(connection, statement))
    with read(engine) as connection:
        (balance,) = balances(connection)
        assert (balance.available, balance.held) == (Decimal("928.5"), Decimal(75))
        assert held_for(connection, "o1") == {"USDT": Decimal(70)}


def _with_ids(connection: Connection, statement: str) -> str:
    def account(match: re.Match[str]) -> str:
        query = "SELECT id FROM ledger_accounts WHERE venue = 'v' AND account = 'a' AND asset = :asset AND kind = :kind"
        return str(connection.execute(text(query), {"asset": match[1].upper(), "kind": match[2]}).scalar_one())

    statement = re.sub(r"A:(\w+):(\w+)", account, statement)
    place = "SELECT e.id, l.id FROM ledger_entries e JOIN ledger_legs l ON l.entry_id = e.id WHERE e.kind = 'hold'"
    entry_id, leg_id = connection.execute(text(place)).one()
    waits = connection.execute(text("SELECT min(entry_id) FROM ledger_unsealed")).scalar_one_or_none()
    seals = connection.execute(text("SELECT count(*) FROM ledger_seals")).scalar_one()
    head = connection.execute(
        text("SELECT hash FROM ledger_seals WHERE sequence = :n"), {"n": seals}
    ).scalar_one_or_none()
    for word, value in (("WAITS", waits), ("SEALS", seals), ("HEAD", f"'{head}'")):
        statement = re.sub(rf"\b{word}\b", str(value), statement)
    return re.sub(r"\bLEG\b", str(leg_id), re.sub(r"\bENTRY\b", str(entry_id), statement))


def _content(engine: Engine) -> list[object]:
    tables = ("ledger_accounts", "ledger_entries", "ledger_legs", "order_holds", "venue_accounts",
              "ledger_seals", "ledger_unsealed", "ledger_heads", "ledger_verifications")  # fmt: skip
    with read(engine) as connection:
        return [sorted(map(tuple, connection.execute(text(f"SELECT * FROM {table}")))) for table in tables]
