"""The books' operations on both databases: what they post, what they refuse, and what a repeat does."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from accounting.fills import FillPosting, Shortfall
from models.reports import VenueBalance
from models.vocabulary import Side
from storage.engine import read, write
from storage.ledger import (
    Balance,
    EntryConflict,
    FillConflict,
    InsufficientFunds,
    Released,
    adopt_deposit,
    balances,
    held_for,
    is_opened,
    open_venue_account,
    place_hold,
    post_fill,
    release_hold,
)
from storage.ledger_amends import lower_hold, raise_hold
from storage.ledger_tables import ledger_entries

NOW = datetime(2030, 1, 1, tzinfo=UTC)
D = Decimal


def fill(key: str = "f1", **change: Any) -> FillPosting:
    values: dict[str, Any] = {
        "key": key, "order_id": "o1", "venue": "v", "account": "a", "side": Side.BUY, "base": "BTC", "quote": "USDT",
        "quantity": D("0.5"), "price": D(100), "cost": D(50), "fee": D("0.0005"), "fee_asset": "BTC",
    }  # fmt: skip
    return FillPosting(**(values | change))


@pytest.fixture(autouse=True)
def _opened(engine: Engine) -> None:
    with write(engine) as connection:
        found = [
            VenueBalance(asset="USDT", free=D("1000.5"), used=D(5)),
            VenueBalance(asset="DUST", free=D(0), used=D(0)),
        ]
        assert open_venue_account(connection, "v", "a", found, at=NOW)


def _hold(engine: Engine, amount: str, *, order_id: str = "o1", key: str | None = None) -> None:
    with write(engine) as connection:
        place_hold(
            connection, order_id=order_id, venue="v", account="a", asset="USDT", amount=D(amount), at=NOW, key=key
        )


def _post(engine: Engine, posting: FillPosting) -> tuple[bool, tuple[Shortfall, ...]]:
    with write(engine) as connection:
        posted = post_fill(connection, posting, at=NOW)
    return posted.new, posted.shortfalls


def _release(engine: Engine, order_id: str = "o1") -> Released:
    with write(engine) as connection:
        return release_hold(connection, order_id=order_id, at=NOW)


def _balances(engine: Engine) -> dict[str, tuple[Decimal, Decimal, Decimal]]:
    with read(engine) as connection:
        return {found.asset: (found.total, found.held, found.available) for found in balances(connection)}


def _entries(engine: Engine) -> int:
    with read(engine) as connection:
        return connection.execute(select(func.count()).select_from(ledger_entries)).scalar_one()


def test_opening_takes_over_what_is_free_and_what_others_lock(engine: Engine) -> None:
    with read(engine) as connection:
        assert balances(connection) == [
            Balance(venue="v", account="a", asset="USDT", total=D("1005.5"), held=D(5), available=D("1000.5"))
        ]
        assert held_for(connection, "foreign") == {"USDT": D(5)}
        assert is_opened(connection, "v", "a")
        assert not is_opened(connection, "v", "other")


def test_a_venue_account_is_opened_once(engine: Engine) -> None:
    with write(engine) as connection:
        assert not open_venue_account(connection, "v", "a", [VenueBalance(asset="BTC", free=D(9), used=D(0))], at=NOW)
    assert set(_balances(engine)) == {"USDT"}


def test_an_account_without_balances_is_opened_too(engine: Engine) -> None:
    with write(engine) as connection:
        assert open_venue_account(connection, "v", "empty", [], at=NOW)
        assert is_opened(connection, "v", "empty")
        assert balances(connection, "v", "empty") == []


def test_a_balance_below_zero_is_booked_as_the_venue_says_it(engine: Engine) -> None:
    with write(engine) as connection:
        open_venue_account(connection, "v", "debt", [VenueBalance(asset="USDT", free=D("-3"), used=D(1))], at=NOW)
        (found,) = balances(connection, account="debt")
    assert (found.total, found.held, found.available) == (D(-2), D(1), D(0))


def test_a_hold_moves_funds_and_its_release_brings_back_what_is_left(engine: Engine) -> None:
    _hold(engine, "60")
    assert _balances(engine)["USDT"] == (D("1005.5"), D(65), D("940.5"))
    _post(engine, fill())
    assert _release(engine) == Released(amounts={"USDT": D(10)})
    assert _balances(engine) == {"USDT": (D("955.5"), D(5), D("950.5")), "BTC": (D("0.4995"), D(0), D("0.4995"))}


def test_a_hold_beyond_what_is_available_is_refused_and_leaves_nothing(engine: Engine) -> None:
    before = _entries(engine)
    with pytest.raises(InsufficientFunds) as caught:
        _hold(engine, "1000.500000000000000001")
    assert (caught.value.asset, caught.value.available) == ("USDT", D("1000.5"))
    assert str(caught.value) == "1000.500000000000000001 USDT are needed and 1000.5 USDT are available"
    assert _entries(engine) == before


def test_a_hold_in_an_asset_never_seen_is_refused(engine: Engine) -> None:
    with write(engine) as connection, pytest.raises(InsufficientFunds):
        place_hold(connection, order_id="o1", venue="v", account="a", asset="ETH", amount=D(1), at=NOW)


def test_the_same_hold_again_holds_nothing_more_even_when_nothing_is_left(engine: Engine) -> None:
    _hold(engine, "1000.5")
    _hold(engine, "1000.5")
    assert _balances(engine)["USDT"] == (D("1005.5"), D("1005.5"), D(0))


def test_the_same_hold_with_another_amount_is_a_conflict_unless_it_names_its_own_key(engine: Engine) -> None:
    _hold(engine, "10")
    with pytest.raises(EntryConflict, match="hold:o1:USDT"):
        _hold(engine, "11")
    _hold(engine, "1", key="hold:o1:amend:2")
    with read(engine) as connection:
        assert held_for(connection, "o1") == {"USDT": D(11)}


def test_a_release_again_releases_nothing_and_a_new_hold_can_be_released_anew(engine: Engine) -> None:
    _hold(engine, "10")
    assert _release(engine) == Released(amounts={"USDT": D(10)})
    assert _release(engine) == Released(amounts={})
    _hold(engine, "7", key="hold:o1:again")
    assert _release(engine) == Released(amounts={"USDT": D(7)})


def test_an_order_that_holds_nothing_releases_nothing(engine: Engine) -> None:
    assert _release(engine, "never seen") == Released(amounts={})


def test_a_fill_told_twice_is_booked_once(engine: Engine) -> None:
    _hold(engine, "60")
    assert _post(engine, fill()) == (True, ())
    after = _balances(engine)
    assert _post(engine, fill(quantity=D("0.50"))) == (False, ())
    assert _balances(engine) == after


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": D("0.6")},
        {"cost": D(51)},
        {"fee": D(0)},
        {"fee_asset": "USDT"},
        {"side": Side.SELL},
        {"order_id": "o2"},
    ],
)
def test_a_fill_told_again_with_other_content_is_a_conflict(engine: Engine, change: dict[str, Any]) -> None:
    _post(engine, fill())
    after = _balances(engine)
    with pytest.raises(FillConflict) as caught:
        _post(engine, fill(**change))
    assert caught.value.existing != caught.value.posted
    assert _balances(engine) == after


def test_a_fill_takes_the_hold_then_available_then_suspense(engine: Engine) -> None:
    _hold(engine, "60")
    assert _post(engine, fill(cost=D("1010.5"))) == (True, (Shortfall(asset="USDT", amount=D(10)),))
    # the foreign hold of 5 is not ours to take; the total is what the venue now has
    assert _balances(engine)["USDT"] == (D(-5), D(5), D(0))
    with read(engine) as connection:
        assert held_for(connection, "o1") == {}


def test_a_fill_never_takes_another_orders_hold(engine: Engine) -> None:
    _hold(engine, "1000.5", order_id="o2")
    assert _post(engine, fill()) == (True, (Shortfall(asset="USDT", amount=D(50)),))
    with read(engine) as connection:
        assert held_for(connection, "o2") == {"USDT": D("1000.5")}


def test_a_fill_of_an_order_without_a_hold_is_booked(engine: Engine) -> None:
    assert _post(engine, fill(order_id="late")) == (True, ())
    assert _balances(engine)["USDT"] == (D("955.5"), D(5), D("950.5"))


def test_a_rebate_is_ours(engine: Engine) -> None:
    _post(engine, fill(fee=D("-0.25"), fee_asset="BNB"))
    assert _balances(engine)["BNB"] == (D("0.25"), D(0), D("0.25"))


def test_deposits_come_in_once_per_key_and_withdrawals_are_bounded(engine: Engine) -> None:
    def adopt(amount: str, key: str) -> int:
        with write(engine) as connection:
            return adopt_deposit(connection, venue="v", account="a", asset="USDT", amount=D(amount), key=key, at=NOW)

    assert adopt("10", "deposit:1") == adopt("10.0", "deposit:1")
    assert _balances(engine)["USDT"] == (D("1015.5"), D(5), D("1010.5"))
    adopt("-1010.5", "withdrawal:1")
    adopt("-1010.5", "withdrawal:1")
    assert _balances(engine)["USDT"] == (D(5), D(5), D(0))
    with pytest.raises(InsufficientFunds):
        adopt("-0.1", "withdrawal:2")
    with pytest.raises(EntryConflict):
        adopt("11", "deposit:1")


def test_a_transaction_that_fails_later_takes_its_posting_with_it(engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError), write(engine) as connection:  # noqa: PT012 - the block is the transaction
        post_fill(connection, fill(), at=NOW)
        raise ZeroDivisionError
    assert set(_balances(engine)) == {"USDT"}
    assert _post(engine, fill()) == (True, ())


def test_amounts_of_eighteen_digits_after_the_point_survive_every_operation(engine: Engine) -> None:
    tiny, large = D("0.000000000000000001"), D("1000000000000000000.000000000000000001")
    with write(engine) as connection:
        adopt_deposit(connection, venue="v", account="a", asset="WEI", amount=large, key="d", at=NOW)
        place_hold(connection, order_id="w", venue="v", account="a", asset="WEI", amount=tiny, at=NOW)
    assert _balances(engine)["WEI"] == (large, tiny, D(10**18))


def _raise(engine: Engine, to: str, amendment_id: int = 1) -> Decimal:
    with write(engine) as connection:
        return raise_hold(
            connection,
            order_id="o1",
            venue="v",
            account="a",
            asset="USDT",
            to=D(to),
            amendment_id=amendment_id,
            at=NOW,
        )


def _lower(engine: Engine, to: str, amendment_id: int = 1) -> Decimal:
    with write(engine) as connection:
        return lower_hold(
            connection,
            order_id="o1",
            venue="v",
            account="a",
            asset="USDT",
            to=D(to),
            amendment_id=amendment_id,
            at=NOW,
        )


def test_an_amendment_raises_the_hold_once_and_lowers_it_once(engine: Engine) -> None:
    _hold(engine, "100")

    assert [_raise(engine, "250.5"), _raise(engine, "250.5")] == [D("150.5"), D(0)]
    assert _balances(engine)["USDT"] == (D("1005.5"), D("255.5"), D(750))
    assert [_lower(engine, "80"), _lower(engine, "80")] == [D("170.5"), D(0)]
    assert _balances(engine)["USDT"] == (D("1005.5"), D(85), D("920.5"))


def test_the_same_amendment_raises_nothing_though_a_fill_has_taken_from_the_hold(engine: Engine) -> None:
    _hold(engine, "100")
    _raise(engine, "200")
    _post(engine, fill())

    assert _raise(engine, "200") == D(0)
    with read(engine) as connection:
        assert held_for(connection, "o1") == {"USDT": D(150)}
    assert _raise(engine, "200", amendment_id=2) == D(50)


def test_a_hold_that_is_enough_is_not_raised_and_one_that_is_low_is_not_lowered(engine: Engine) -> None:
    _hold(engine, "100")
    entries = _entries(engine)

    assert (_raise(engine, "99"), _lower(engine, "101")) == (D(0), D(0))
    assert _entries(engine) == entries


def test_a_hold_is_not_raised_beyond_what_is_available(engine: Engine) -> None:
    _hold(engine, "100")
    entries = _entries(engine)

    with pytest.raises(InsufficientFunds) as short:
        _raise(engine, "1000.6")

    assert (short.value.asset, short.value.needed, short.value.available) == ("USDT", D("900.6"), D("900.5"))
    assert _entries(engine) == entries
    assert _raise(engine, "1000.5") == D("900.5")


def test_the_rest_is_released_whatever_amendments_have_moved(engine: Engine) -> None:
    _hold(engine, "100")
    _raise(engine, "300")
    _lower(engine, "200")

    assert _release(engine).amounts == {"USDT": D(200)}
    assert _release(engine).amounts == {}
    assert _balances(engine)["USDT"] == (D("1005.5"), D(5), D("1000.5"))
