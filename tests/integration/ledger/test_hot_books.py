"""The hot copy of the books: what moved is in it after the commit, an older write never wins, and it is none when forgotten."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine

from models.reports import VenueBalance
from settings import load_settings
from storage import schema, touched
from storage.engine import make_engine, read, write
from storage.hot_copies import HotCopies, HotValue, ProcessHotCopies, RedisHotCopies
from storage.hot_values import all_values
from storage.ledger import balances, open_venue_account, place_hold
from storage.position_reads import read_positions
from storage.redis_reservations import reservations_client
from storage.touched import Touched, TouchedBalance, TouchedPosition
from tasks import hot_books
from tasks.hot_books import HotBooksThread, copy_anew, copy_everything, copy_what_it_lacks, hot_balances, hot_positions
from tasks.runtime import Runtime
from tests.support.order_values import NOW
from tests.support.position_books import PositionBooks
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

#: a net under hangs, in seconds
SOON = 120.0

KINDS = ["process", pytest.param("redis", marks=pytest.mark.redis)]


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Engine]:
    engine = make_engine(f"sqlite:///{tmp_path}/books.db")
    schema.upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture(params=KINDS)
def copies(request: pytest.FixtureRequest) -> HotCopies:
    if request.param == "process":
        return ProcessHotCopies()
    return RedisHotCopies(reservations_client(request.getfixturevalue("redis_url")))


@pytest.fixture(params=KINDS)
def runtime(request: pytest.FixtureRequest, on_sqlite: Engine, tmp_path: Path) -> Iterator[Runtime]:
    broker = "memory://" if request.param == "process" else request.getfixturevalue("redis_url")
    made = Runtime(
        load_settings(
            {
                "STEADFILL_CONFIG": os.devnull,
                "STEADFILL_HOME": str(tmp_path),
                "STEADFILL_BROKER_URL": broker,
                "STEADFILL_DATABASE_URL": str(on_sqlite.url),
            }
        )
    )
    made.hot_copies  # noqa: B018 - the closed one must be the one that was used
    yield made
    made.close()


def documents(copies: HotCopies, venue: str = "v") -> list[object] | None:
    copy = copies.read("balances", venue, "a")
    return None if copy is None else list(copy.documents)


def test_an_older_write_never_overwrites_a_newer_one(copies: HotCopies) -> None:
    def save(version: int, text: str, *, whole: bool = False) -> None:
        copies.save(
            "balances",
            "v",
            "a",
            [HotValue(name="BTC", version=version, document={"is": text})],
            whole=1 if whole else None,
        )

    save(9, "nine")
    assert documents(copies) is None, "not all of the account was copied yet"
    save(10, "ten", whole=True)
    save(9, "late")
    assert documents(copies) == [{"is": "ten"}]
    save(10, "ten again")
    save(2, "older still", whole=True)
    assert documents(copies) == [{"is": "ten again"}]
    assert documents(copies, "another") is None


def test_one_of_all_processes_copies_everything(copies: HotCopies) -> None:
    assert [copies.take_turn("whole", 3_600) for _ in range(3)] == [True, False, False]
    assert copies.take_turn("content", 3_600)


def test_only_what_is_durable_is_told_and_only_to_who_listens(on_sqlite: Engine) -> None:
    told: list[frozenset[Touched]] = []
    opening = [VenueBalance(asset="USDT", free=Decimal(1_000), used=Decimal(0))]
    balance = TouchedBalance("paper", "main", "USDT")
    with write(on_sqlite) as conn:
        open_venue_account(conn, "paper", "main", opening, at=NOW)
    touched.listen(on_sqlite, told.append)

    def hold(order_id: str) -> None:
        place_hold(
            conn, order_id=order_id, venue="paper", account="main", asset="USDT", amount=Decimal(1), at=NOW
        )  # fmt: skip

    with suppress(ZeroDivisionError), write(on_sqlite) as conn:
        hold("taken-back")
        raise ZeroDivisionError
    assert told == []
    with write(on_sqlite) as conn:
        pass
    assert told == [], "what was taken back is not told by the next transaction"
    with write(on_sqlite) as conn:
        hold("kept")
        assert told == []
    assert told == [frozenset({balance})]
    PositionBooks(on_sqlite).buy("1", "100", strategy="s")
    assert TouchedPosition("paper", "main", "BTC", "USDT", "s") in told[-1]
    touched.stop_listening(on_sqlite)
    with write(on_sqlite) as conn:
        hold("unheard")
    assert len(told) == 2


def is_copied(runtime: Runtime) -> bool:
    """Whether the copy is what the database has."""
    with read(runtime.engine, snapshot=True) as conn:
        held, owned = read_positions(conn), balances(conn)
    positions, totals = hot_positions(runtime, "paper", "main"), hot_balances(runtime, "paper", "main")
    return positions is not None and totals is not None and positions[0] == held and totals[0] == owned


def test_what_moves_is_copied_after_its_commit(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot_books, "WHOLE_EVERY_S", 3_600.0)  # it is not the look at everything that finds it
    books = PositionBooks(runtime.engine)
    books.buy("1", "100", fee="0.01", fee_asset="BNB")
    thread = HotBooksThread(runtime)
    thread.start()
    try:
        eventually(lambda: is_copied(runtime), within_s=SOON, describe="what was there is copied")
        for number in range(5):
            books.sell("0.3", str(100 + number), fee="0.1", strategy="ab"[number % 2])
        eventually(lambda: is_copied(runtime), within_s=SOON, describe="what moved is copied")
        books.buy("2", "90")
    finally:
        thread.stop()
        thread.join(SOON)
    assert is_copied(runtime), "the last of it is copied when the process ends"


def test_each_minute_only_what_the_copy_lacks_is_sent(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a process was killed between its commit and its copy; flat positions and empty accounts are there as well."""
    books = PositionBooks(runtime.engine)
    books.buy("1", "100", strategy="a")
    books.buy("1", "100", strategy="b")
    copy_what_it_lacks(runtime)
    assert is_copied(runtime)
    books.sell("1", "110", strategy="b")
    assert not is_copied(runtime)
    sent: list[str] = []
    save = runtime.hot_copies.save

    def note(kind: str, venue: str, account: str, values: Sequence[HotValue], *, whole: int | None = None) -> bool:
        sent.extend(value.name for value in values)
        return save(kind, venue, account, values, whole=whole)

    monkeypatch.setattr(runtime.hot_copies, "save", note)
    copy_what_it_lacks(runtime)

    assert is_copied(runtime)
    assert sorted(sent) == ["BTC", "BTC\nUSDT\nb", "USDT"]
    sent.clear()
    copy_what_it_lacks(runtime)
    assert sent == []


@pytest.mark.parametrize("wrong", ["a newer version", "a name more"])
def test_a_copy_that_is_ahead_of_a_restored_database_is_made_anew(runtime: Runtime, wrong: str) -> None:
    PositionBooks(runtime.engine).buy("1", "100")
    copy_what_it_lacks(runtime)
    with read(runtime.engine, snapshot=True) as conn:
        found = all_values(conn)
    (position,) = found["positions", "paper", "main"]
    name = position.name if wrong == "a newer version" else "ETH\nUSDT\n"
    later = {**position.document, "asset": "ETH", "booked_at": "2031-01-01T00:00:00.000000Z"}
    value = HotValue(name=name, version=position.version + 1000, document=later)
    runtime.hot_copies.save("positions", "paper", "main", [value])
    assert not is_copied(runtime)

    copy_what_it_lacks(runtime)

    assert is_copied(runtime)


def test_what_is_wrong_under_the_right_version_ends_when_all_is_copied_anew(runtime: Runtime) -> None:
    PositionBooks(runtime.engine).buy("1", "100")
    copy_what_it_lacks(runtime)
    with read(runtime.engine, snapshot=True) as conn:
        (position,) = all_values(conn)["positions", "paper", "main"]
    wrong = replace(position, document={**position.document, "strategy": "nobody's"})

    for repaired in (copy_everything, lambda runtime: copy_anew(runtime, "paper", "main")):
        runtime.hot_copies.save("positions", "paper", "main", [wrong])
        copy_what_it_lacks(runtime)
        assert not is_copied(runtime), "versions do not show it"
        repaired(runtime)
        assert is_copied(runtime)


def test_a_copy_of_which_a_part_was_forgotten_meanwhile_is_not_called_whole(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    PositionBooks(runtime.engine).buy("1", "100")
    save, forgot = runtime.hot_copies.save, list[str]()

    def forgetful(kind: str, venue: str, account: str, values: Sequence[HotValue], *, whole: int | None = None) -> bool:
        if whole is not None and not forgot:
            forgot.append(kind)
            runtime.hot_copies.forget(kind, venue, account)
        return save(kind, venue, account, values, whole=whole)

    monkeypatch.setattr(runtime.hot_copies, "save", forgetful)
    with pytest.raises(hot_books.Forgotten):
        copy_everything(runtime)
    reads = {"positions": hot_positions, "balances": hot_balances}
    assert reads[forgot[0]](runtime, "paper", "main") is None
    copy_what_it_lacks(runtime)
    assert is_copied(runtime)


@pytest.mark.redis
def test_a_redis_that_forgot_has_no_copy_until_all_is_copied_again(
    on_sqlite: Engine, redis_url: str, tmp_path: Path
) -> None:
    environ = {
        "STEADFILL_CONFIG": os.devnull, "STEADFILL_HOME": str(tmp_path), "STEADFILL_BROKER_URL": redis_url,
        "STEADFILL_DATABASE_URL": str(on_sqlite.url),
    }  # fmt: skip
    runtime = Runtime(load_settings(environ))
    PositionBooks(on_sqlite).buy("1", "100")
    copy_everything(runtime)
    assert is_copied(runtime)
    client = reservations_client(redis_url)
    for key in client.keys("steadfill.hot.*"):
        client.delete(key)
    thread = HotBooksThread(runtime)
    assert runtime.hot_copies.take_turn("whole", 3_600)
    thread.hear(frozenset({TouchedBalance("paper", "main", "BTC")}))
    assert thread.copy()
    assert hot_balances(runtime, "paper", "main") is None, "one asset is not the whole account"
    copy_everything(runtime)
    assert is_copied(runtime)
    client.close()
    runtime.close()


def test_what_could_not_be_copied_is_copied_later(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    books = PositionBooks(runtime.engine)
    copy_everything(runtime)
    thread = HotBooksThread(runtime)
    touched.listen(runtime.engine, thread.hear)
    books.buy("1", "100")
    with monkeypatch.context() as broken:
        broken.setattr(hot_books, "_save", lambda *_, **__: (_ for _ in ()).throw(OSError("away")))
        assert not thread.copy()
    assert hot_positions(runtime, "paper", "main") is None or not is_copied(runtime)
    assert thread.copy()
    copy_everything(runtime)
    assert is_copied(runtime)
    touched.stop_listening(runtime.engine)
