"""`verify` over books of real orders: true ones pass; whatever was changed past the guards is named by its row."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from typer.testing import CliRunner

from accounting.seals import GENESIS, Seal, next_seal
from ops.__main__ import app
from storage.engine import read
from storage.guards import manifest
from storage.seals import digests
from storage.verifications import last_verification
from storage.verify import CHECKS, read_head, verify
from storage.verify.chain import NotAHead, chain_check
from tasks.seal import seal
from tasks.verify import verify_if_due
from tests.support.runtime import Desk


@contextmanager
def tampered(desk: Desk) -> Iterator[Connection]:
    """A transaction without any guard; nothing of it stays. Foreign keys are off as far as each database lets one."""
    with desk.engine.connect() as conn:
        if conn.dialect.name == "sqlite":
            conn.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        manifest.remove(conn)
        if conn.dialect.name == "postgresql":
            for row in conn.exec_driver_sql(
                "SELECT conrelid::regclass AS child, conname FROM pg_constraint "
                "WHERE contype = 'f' AND connamespace = current_schema()::regnamespace"
            ).all():
                conn.exec_driver_sql(f"ALTER TABLE {row.child} DROP CONSTRAINT {row.conname}")
        yield conn
        conn.rollback()


@pytest.fixture
def books(desk: Desk) -> Desk:
    """One order filled, one canceled, one that rests; everything sealed."""
    desk.work(desk.place(quantity="0.03"))
    canceled = desk.limit("-5000", quantity="0.02")
    desk.work(canceled)
    desk.cancel(canceled)
    desk.pump(lambda: desk.order(canceled).is_final)
    desk.work(desk.limit("-6000", quantity="0.01"))
    desk.forget_outbox()
    seal(desk.runtime)
    return desk


#: what somebody did past the guards, by the statements → the check that names it, and the row
FILL = "(SELECT min(id) FROM ledger_entries WHERE kind = 'fill')"
MOVED = "(SELECT min(id) FROM ledger_accounts WHERE balance <> '0')"
OTHER = "(SELECT max(id) FROM ledger_accounts WHERE id NOT IN (debit_account_id, credit_account_id))"
SWAP = "UPDATE ledger_seals SET sequence = {} WHERE sequence = {}"
RESTS = "status = 'WORKING'"
ATTACKS: dict[str, tuple[str, str, str]] = {
    "an entry's words": (f"UPDATE ledger_entries SET detail = '{{}}' WHERE id = {FILL}", "entries", r"entry \d+ \(fill:"),
    "an entry's time": (f"UPDATE ledger_entries SET posted_at = posted_at + 1 WHERE id = {FILL}", "entries", "entry "),
    "an entry's order": ("UPDATE ledger_entries SET order_id = 'x' WHERE kind = 'release'", "entries", "hold-release"),
    "a leg's amount": (f"UPDATE ledger_legs SET amount = '9' WHERE entry_id = {FILL} AND ordinal = 1", "entries", "fill:"),
    "a leg's account": (f"UPDATE ledger_legs SET credit_account_id = {OTHER} WHERE entry_id = {FILL}", "entries", "fill:"),
    "a leg that is gone": (f"DELETE FROM ledger_legs WHERE entry_id = {FILL} AND ordinal = 2", "entries", "fill:"),
    "an entry that is gone": (
        f"DELETE FROM ledger_legs WHERE entry_id = {FILL}; DELETE FROM ledger_entries WHERE id = {FILL}", "entries", "entry ",
    ),
    "what an account stands for": ("UPDATE ledger_accounts SET account = 'x' WHERE asset = 'USDT'", "entries", "entry "),
    "a balance": (f"UPDATE ledger_accounts SET balance = '123456789' WHERE id = {MOVED}", "balances", r"account \d+ \("),
    "a balance, and the sum with it": (
        f"UPDATE ledger_accounts SET balance = '123456789' WHERE id = {MOVED}", "zero", "BTC|USDT|ETH|SOL",
    ),
    "a hold": ("UPDATE order_holds SET amount = '77' WHERE amount <> '0'", "holds", "hold of "),
    "a hold that is gone": ("DELETE FROM order_holds WHERE amount <> '0'", "holds", "hold of "),
    "a hold of nobody": (
        f"INSERT INTO order_holds (order_id, account_id, amount, last_leg_id) VALUES ('x', {MOVED}, '1', 1)", "holds", "of x",
    ),
    "a fill that is gone": ("DELETE FROM fills", "fills", "entry fill:"),
    "a fill's quantity": ("UPDATE fills SET quantity = '0.5'", "fills", "fill fill:"),
    "a fill's fee": ("UPDATE fills SET fee = '0.5'", "fills", "fill fill:"),
    "a fill's trade": ("UPDATE fills SET venue_trade_id = 'x'", "fills", "fill fill:"),
    "an order's sum": ("UPDATE orders SET filled_cost = '1' WHERE status = 'FILLED'", "sums", "order "),
    "a child's sum": ("UPDATE child_orders SET filled_quantity = '1' WHERE status = 'FILLED'", "sums", "child "),
    "an order's status": ("UPDATE orders SET status = 'CANCELED' WHERE status = 'FILLED'", "sums", "order "),
    "an end that kept its hold": (f"UPDATE orders SET status = 'CANCELED' WHERE {RESTS}", "holds", "order "),
    "an order beyond its hold": (f"UPDATE orders SET quantity = '500' WHERE {RESTS}", "holds", "order "),
    "a seal's digest": (f"UPDATE ledger_seals SET entry_digest = '{'a' * 64}' WHERE sequence = 2", "chain", "seal 2 "),
    "a seal's time": ("UPDATE ledger_seals SET sealed_at = 1 WHERE sequence = 3", "chain", "seal 3 "),
    "a seal that is gone": ("DELETE FROM ledger_seals WHERE sequence = 2", "chain", "seal 3 "),
    "the last seal gone": (
        "DELETE FROM ledger_seals WHERE sequence = (SELECT max(sequence) FROM ledger_seals)", "waiting", "entry ",
    ),
    "two seals that changed places": ("; ".join((SWAP.format(-1, 2), SWAP.format(2, 3), SWAP.format(3, -1))), "chain", "seal 2 "),
    "a head": (f"UPDATE ledger_heads SET hash = '{'b' * 64}'", "heads", "head of "),
}  # fmt: skip


def test_true_books_are_proved_and_what_is_changed_past_the_guards_is_named(books: Desk) -> None:
    with read(books.engine, snapshot=True) as conn:
        report = verify(conn)
    assert report.failures == []
    assert report.unsealed == 0
    assert report.seals == report.entries > 8

    missed = []
    for name, (statements, check, row) in ATTACKS.items():
        with tampered(books) as conn:
            for statement in filter(None, statements.split(";")):
                assert conn.exec_driver_sql(statement).rowcount != 0, f"{name} changed nothing"
            found = {failure.first.check: failure for failure in verify(conn).failures}
        if check not in found or not _matches(row, found[check].first.row):
            missed.append((name, {key: failure.first.row for key, failure in found.items()}))
        assert "guards" in found, "they are off"
    assert missed == []

    with read(books.engine, snapshot=True) as conn:
        assert verify(conn).failures == []


def _matches(pattern: str, row: str) -> bool:
    return re.search(pattern, row) is not None


def test_a_chain_that_was_made_anew_is_found_by_a_head_that_was_noted(books: Desk) -> None:
    with read(books.engine, snapshot=True) as conn:
        noted = verify(conn).head
    assert noted is not None
    checks = [chain_check([read_head(noted)]), *CHECKS[2:]]
    with read(books.engine, snapshot=True) as conn:
        assert verify(conn, checks).failures == []

    with tampered(books) as conn:
        conn.exec_driver_sql("UPDATE ledger_entries SET detail = '{}' WHERE id = (SELECT min(id) FROM ledger_entries)")
        _make_anew(conn)
        conn.exec_driver_sql("DELETE FROM ledger_heads")
        assert verify(conn, [chain_check(), *CHECKS[2:3]]).failures == [], "by itself it looks true"
        (failure,) = verify(conn, checks).failures
    assert (failure.first.check, failure.first.row) == ("heads", f"seal {noted.split(':')[0]}")


def _make_anew(conn: Connection) -> None:
    """What somebody would do who can switch the guards off and knows how seals are made."""
    last: Seal | None = None
    for sequence, entry_id, sealed_at in conn.exec_driver_sql(
        "SELECT sequence, entry_id, sealed_at FROM ledger_seals ORDER BY sequence"
    ).all():
        ((_, digest),) = digests(conn, [entry_id])
        last = next_seal(last, entry_id, digest, sealed_at=sealed_at)
        conn.execute(
            text("UPDATE ledger_seals SET entry_digest = :d, previous_hash = :p, hash = :h WHERE sequence = :s"),
            {"d": digest, "p": last.previous_hash, "h": last.hash, "s": sequence},
        )
    assert last is not None
    assert last.previous_hash != GENESIS


@pytest.mark.parametrize("text", ["", "5", "x:" + "a" * 64, "5:" + "g" * 64, "5:abc", "-1:" + "a" * 64])
@pytest.mark.integration
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(NotAHead, match="SEQUENCE:HASH"):
        read_head(text)


def test_the_command_says_what_holds_and_exits_1_where_a_row_fails(
    books: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEADFILL_DATABASE_URL", books.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("STEADFILL_HOME", str(tmp_path))
    run: Callable[..., object] = lambda *arguments: CliRunner().invoke(app, ["verify", *arguments])  # noqa: E731

    good = run("--json")
    assert good.exit_code == 0, good.output  # type: ignore[attr-defined]
    document = json.loads(good.output)  # type: ignore[attr-defined]
    assert (document["status"], document["unsealed"], document["failures"]) == ("ok", 0, [])
    assert run("--head", document["head"]).exit_code == 0  # type: ignore[attr-defined]

    wrong = run("--head", f"1:{'a' * 64}")
    assert wrong.exit_code == 1  # type: ignore[attr-defined]
    assert "seal 1: it was noted elsewhere" in wrong.output  # type: ignore[attr-defined]
    assert "What to do:" in wrong.output  # type: ignore[attr-defined]
    assert run("--head", "nonsense").exit_code == 2  # type: ignore[attr-defined]


def test_once_a_day_the_deployment_verifies_by_itself_and_tells_of_a_failure(books: Desk) -> None:
    assert verify_if_due(books.runtime).endswith("entries verified")
    assert verify_if_due(books.runtime) == "verified within a day"

    with books.engine.begin() as conn:
        table = "" if conn.dialect.name == "sqlite" else " ON ledger_heads"
        name = "ledger_heads_update" if conn.dialect.name == "sqlite" else "ledger_heads_append_only"
        conn.exec_driver_sql(f"DROP TRIGGER {name}{table}")
    books.runtime.advance(24 * 3600)

    assert verify_if_due(books.runtime) == "1 checks failed, the first at schema"
    assert "LEDGER_FALSE" in books.alerts()
    with read(books.engine) as conn:
        last = last_verification(conn)
    assert last is not None
    assert last.failures == 1


def test_a_run_on_record_is_never_edited(books: Desk) -> None:
    verify_if_due(books.runtime)
    for statement in ("UPDATE ledger_verifications SET entries = 0", "DELETE FROM ledger_verifications"):
        with pytest.raises(DBAPIError), books.engine.begin() as conn:
            conn.exec_driver_sql(statement)
