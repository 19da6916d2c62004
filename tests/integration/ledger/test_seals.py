"""The chain on both databases: nothing is passed over, nobody waits for it, and nobody forks it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from accounting.seals import next_seal, seal_hash, seal_is_true
from storage import leases
from storage.engine import make_engine, read, write
from storage.ledger import adopt_deposit
from storage.seals import (
    ChainMoved,
    append,
    chain_state,
    digests,
    last_seal,
    note_head,
    noted_heads,
    waiting_entries,
)
from storage.verify import verify
from storage.verify.checks import CHECKS
from tasks import seal as seal_step
from tasks.runtime import Runtime
from tasks.seal import LEASE, seal
from tests.support.runtime import make_settings
from tests.support.waiting import eventually

NOW = datetime(2030, 1, 1, tzinfo=UTC)
#: a transaction that a test keeps open lives for as long as the test needs
PATIENT = text("SET LOCAL idle_in_transaction_session_timeout = 0")
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def runtime(engine: Engine, tmp_path: Path) -> Iterator[Runtime]:
    url = engine.url.render_as_string(hide_password=False)
    made = Runtime(make_settings(tmp_path, "http://127.0.0.1:1", database_url=url))
    yield made
    made.close()


def deposit(engine: Engine, number: int, asset: str = "USDT") -> None:
    with write(engine) as conn:
        adopt_deposit(
            conn, venue="v", account="a", asset=asset, amount=Decimal(number), key=f"d{number}{asset}", at=NOW
        )


def sealed(engine: Engine) -> list[tuple[int, int]]:
    """(sequence, entry), in order."""
    with read(engine) as conn:
        rows = conn.execute(text("SELECT sequence, entry_id FROM ledger_seals ORDER BY sequence"))
        return [tuple(row) for row in rows]  # type: ignore[misc]


def assert_whole(engine: Engine) -> None:
    with read(engine, snapshot=True) as conn:
        assert verify(conn, CHECKS[:3]).failures == []


def test_what_was_posted_is_sealed_once_and_in_batches(
    engine: Engine, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seal_step, "BATCH", 3)
    for number in range(1, 8):
        deposit(engine, number)

    assert [seal(runtime), seal(runtime)] == ["7 sealed", "nothing waits"]
    deposit(engine, 8)
    assert seal(runtime) == "1 sealed"

    assert [sequence for sequence, _ in sealed(engine)] == list(range(1, 9))
    with read(engine) as conn:
        state = chain_state(conn)
    assert (state.waiting, state.head is not None and seal_is_true(state.head)) == (0, True)
    assert_whole(engine)


def test_an_entry_that_commits_after_a_later_one_is_not_passed_over(engine: Engine, runtime: Runtime) -> None:
    """Its id was drawn before the other's, which is sealed by the time that it commits."""
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer: ids and commits come in one order")
    deposit(engine, 1, "BTC")
    deposit(engine, 1, "ETH")
    seal(runtime)
    with engine.connect() as slow:
        slow.execute(PATIENT)
        adopt_deposit(slow, venue="v", account="a", asset="BTC", amount=Decimal(2), key="slow", at=NOW)
        deposit(engine, 2, "ETH")
        assert seal(runtime) == "1 sealed", "the other is not there yet, and nobody waits for it"
        slow.commit()
    assert seal(runtime) == "1 sealed"

    entries = [entry for _, entry in sealed(engine)]
    assert entries[-1] < entries[-2], "the chain has an order of its own"
    assert_whole(engine)


def test_a_posting_does_not_wait_for_the_chain(engine: Engine, runtime: Runtime) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer: whoever writes waits for it, whatever it writes")
    deposit(engine, 1)
    with engine.connect() as sealer:
        sealer.execute(PATIENT)
        append(sealer, None, digests(sealer, waiting_entries(sealer, 10)), at=NOW)
        deposit(engine, 2)  # would wait here for ever if it needed the chain
        sealer.commit()
    assert seal(runtime) == "1 sealed"


def test_a_sealer_that_is_behind_writes_nothing(engine: Engine) -> None:
    deposit(engine, 1)
    deposit(engine, 2)
    with read(engine) as conn:
        first, second = digests(conn, waiting_entries(conn, 2))
    with write(engine) as conn:
        head = append(conn, None, [first], at=NOW)
    with pytest.raises(ChainMoved), write(engine) as conn:
        append(conn, None, [second], at=NOW)
    with write(engine) as conn:
        append(conn, head, [second], at=NOW)
    assert [sequence for sequence, _ in sealed(engine)] == [1, 2]


def test_the_database_takes_one_seal_for_each_place(engine: Engine) -> None:
    """Two sealers that read the same last seal, past the lease: the second meets the first's commit."""
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer: the second reads what the first wrote")
    deposit(engine, 1)
    deposit(engine, 2)
    with read(engine) as conn:
        first, second = digests(conn, waiting_entries(conn, 2))
    with engine.connect() as one, engine.connect() as other:
        one.execute(PATIENT)
        append(one, None, [first], at=NOW)
        other.execute(text("SET LOCAL lock_timeout = '300ms'"))
        with pytest.raises(DBAPIError):  # it waits for the first, and would be refused after it
            append(other, None, [second], at=NOW)
        one.commit()
    assert [sequence for sequence, _ in sealed(engine)] == [1]


def test_a_sealer_whose_lease_went_to_another_writes_nothing(engine: Engine, runtime: Runtime) -> None:
    deposit(engine, 1)
    with write(engine) as conn:
        old = leases.take(conn, LEASE, owner="zombie", lease_ms=60_000)
    assert old is not None
    with write(engine) as conn:
        leases.end(conn, LEASE)
        assert leases.take(conn, LEASE, owner="another", lease_ms=60_000) == old + 1

    with pytest.raises(ChainMoved):
        seal_step._seal_batch(runtime, old)
    assert sealed(engine) == []
    assert seal(runtime) == "somebody else is sealing"


def test_the_head_is_noted_once_a_day(engine: Engine) -> None:
    deposit(engine, 1)
    deposit(engine, 2)
    with read(engine) as conn:
        found = digests(conn, waiting_entries(conn, 2))
    with write(engine) as conn:
        head = append(conn, None, found[:1], at=NOW)
        assert head is not None
        assert [note_head(conn, head, NOW), note_head(conn, head, NOW + timedelta(hours=23))] == [True, False]
        later = append(conn, head, found[1:], at=NOW)
        assert later is not None
        assert note_head(conn, later, NOW + timedelta(days=1))
    with read(engine) as conn:
        assert [(row.day, row.sequence) for row in noted_heads(conn, 10)] == [("2030-01-02", 2), ("2030-01-01", 1)]


STAGES = ("seal.hashed", "seal.appended", "seal.committed")
PROGRAM = "from tasks.runtime import get_runtime\nfrom tasks.seal import seal\nprint(seal(get_runtime()))"


@pytest.mark.integration
def test_a_sealer_that_is_killed_leaves_a_chain_that_the_next_one_goes_on_with(tmp_path: Path) -> None:
    from storage import schema

    url = f"sqlite:///{tmp_path}/books.db"
    schema.upgrade(url)
    engine = make_engine(url)
    runtime = Runtime(make_settings(tmp_path, "http://127.0.0.1:1", database_url=url))
    environment = {**os.environ, "STEADFILL_HOME": str(tmp_path), "STEADFILL_DATABASE_URL": url}
    for number, stage in enumerate(STAGES, start=1):
        deposit(engine, number)
        killed = subprocess.run(
            [sys.executable, "-c", PROGRAM], cwd=ROOT, env={**environment, "STEADFILL_FAILPOINTS": f"{stage}=kill"},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert killed.returncode == -9, killed.stderr
        # The lease of the dead one runs out first.
        eventually(lambda: seal(runtime) != "somebody else is sealing", within_s=90, describe="the next one seals")
        assert len(sealed(engine)) == number
        assert_whole(engine)
    runtime.close()
    engine.dispose()


def test_seals_are_not_taken_for_the_chain_by_their_place_alone(engine: Engine) -> None:
    """A seal with the right number and predecessor, and a hash that somebody made up."""
    deposit(engine, 1)
    with read(engine) as conn:
        ((entry_id, digest),) = digests(conn, waiting_entries(conn, 1))
    true = next_seal(None, entry_id, digest, sealed_at=5)
    insert = text(
        "INSERT INTO ledger_seals (sequence, entry_id, entry_digest, previous_hash, hash, sealed_at) "
        "VALUES (:sequence, :entry_id, :entry_digest, :previous_hash, :hash, :sealed_at)"
    )
    values = {
        name: getattr(true, name)
        for name in ("sequence", "entry_id", "entry_digest", "previous_hash", "hash", "sealed_at")
    }
    with pytest.raises(DBAPIError, match="not that of what"), write(engine) as conn:
        conn.execute(insert, {**values, "hash": "f" * 64})
    with write(engine) as conn:
        conn.execute(insert, values)
    with read(engine) as conn:
        assert last_seal(conn) == true


@pytest.mark.parametrize("link", ["a gap", "a fork", "from nothing", "from a made-up seal", "before the first"])
def test_a_seal_with_a_right_hash_and_a_wrong_predecessor_is_refused(engine: Engine, link: str) -> None:
    deposit(engine, 1)
    deposit(engine, 2)
    with read(engine) as conn:
        (first_id, first), (entry_id, digest) = digests(conn, waiting_entries(conn, 2))
    with write(engine) as conn:
        head = append(conn, None, [(first_id, first)], at=NOW)
    assert head is not None
    sequence, previous = {
        "a gap": (3, head.hash),
        "a fork": (2, head.previous_hash),
        "from nothing": (1, head.previous_hash),
        "from a made-up seal": (2, "f" * 64),
        "before the first": (0, head.hash),
    }[link]
    insert = text(
        "INSERT INTO ledger_seals (sequence, entry_id, entry_digest, previous_hash, hash, sealed_at) "
        "VALUES (:sequence, :entry_id, :digest, :previous, :hash, 5)"
    )
    values = {"sequence": sequence, "entry_id": entry_id, "digest": digest, "previous": previous}
    with pytest.raises(DBAPIError, match="follow"), write(engine) as conn:
        conn.execute(insert, {**values, "hash": seal_hash(sequence, entry_id, digest, 5, previous)})
    assert sealed(engine) == [(1, first_id)]
