"""A state machine over the books: whatever comes in whatever order, our copy and the database's agree to the digit."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import Engine

from accounting.fills import FillPosting
from models.money import ZERO
from models.reports import VenueBalance
from models.vocabulary import Side
from storage.engine import read, write
from storage.ledger import (
    InsufficientFunds,
    adopt_deposit,
    balances,
    held_for,
    invariants,
    open_venue_account,
    place_hold,
    post_fill,
    release_hold,
)

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ASSETS = ("BTC", "USDT", "BNB")
ORDERS = ("o1", "o2", "o3")
amounts = st.decimals("0.00000001", "500", places=8, allow_nan=False)


class Books(RuleBasedStateMachine):
    """The model: what the venue would say we have (``total``), and what each order still holds (``held``)."""

    engine: Engine

    def __init__(self) -> None:
        super().__init__()
        self.account = f"a{id(self)}-{next(_NUMBERS)}"
        self.total = dict.fromkeys(ASSETS, Decimal(1000))
        self.available = dict.fromkeys(ASSETS, Decimal(1000))
        self.held: dict[tuple[str, str], Decimal] = {}
        self.keys = 0
        self.posted: list[FillPosting] = []
        with write(self.engine) as connection:
            found = [VenueBalance(asset=asset, free=Decimal(1000), used=Decimal(0)) for asset in ASSETS]
            open_venue_account(connection, "v", self.account, found, at=NOW)

    def _key(self) -> str:
        self.keys += 1
        return f"{self.account}:{self.keys}"

    def _order(self, order: str) -> str:
        return f"{self.account}:{order}"

    @rule(order=st.sampled_from(ORDERS), asset=st.sampled_from(ASSETS), amount=amounts)
    def hold(self, order: str, asset: str, amount: Decimal) -> None:
        try:
            with write(self.engine) as connection:
                place_hold(
                    connection, order_id=self._order(order), venue="v", account=self.account,
                    asset=asset, amount=amount, at=NOW, key=self._key(),
                )  # fmt: skip
        except InsufficientFunds as refusal:
            assert refusal.available == self.available[asset] < amount  # noqa: PT017 - either way is a legal step
        else:
            self.available[asset] -= amount
            self.held[order, asset] = self.held.get((order, asset), ZERO) + amount

    @rule(order=st.sampled_from(ORDERS))
    def release(self, order: str) -> None:
        with write(self.engine) as connection:
            released = release_hold(connection, order_id=self._order(order), at=NOW).amounts
        ours = {asset: amount for (holder, asset), amount in self.held.items() if holder == order and amount}
        assert released == ours
        for asset, amount in ours.items():
            self.available[asset] += amount
            self.held[order, asset] = ZERO

    @rule(
        order=st.sampled_from(ORDERS), side=st.sampled_from(Side), quantity=amounts, cost=amounts,
        fee=st.decimals("-1", "1", places=8, allow_nan=False), fee_asset=st.sampled_from(ASSETS),
    )  # fmt: skip
    def fill(self, order: str, side: Side, quantity: Decimal, cost: Decimal, fee: Decimal, fee_asset: str) -> None:
        posting = FillPosting(
            key=self._key(), order_id=self._order(order), venue="v", account=self.account, side=side, base="BTC",
            quote="USDT", quantity=quantity, price=cost / quantity, cost=cost, fee=fee, fee_asset=fee_asset,
        )  # fmt: skip
        with write(self.engine) as connection:
            posted = post_fill(connection, posting, at=NOW)
        self.posted.append(posting)
        short = {shortfall.asset: shortfall.amount for shortfall in posted.shortfalls}
        given, given_amount = ("USDT", cost) if side is Side.BUY else ("BTC", quantity)
        taken, taken_amount = ("BTC", quantity) if side is Side.BUY else ("USDT", cost)
        expected: dict[str, Decimal] = {}
        self._pay(order, given, given_amount, expected)
        self._receive(taken, taken_amount)
        if fee > 0:
            self._pay(order, fee_asset, fee, expected)
        else:
            self._receive(fee_asset, -fee)
        assert short == expected

    def _pay(self, order: str, asset: str, amount: Decimal, short: dict[str, Decimal]) -> None:
        self.total[asset] -= amount
        from_hold = min(amount, self.held.get((order, asset), ZERO))
        from_available = min(amount - from_hold, self.available[asset])
        self.held[order, asset] = self.held.get((order, asset), ZERO) - from_hold
        self.available[asset] -= from_available
        if amount > from_hold + from_available:
            short[asset] = short.get(asset, ZERO) + amount - from_hold - from_available

    def _receive(self, asset: str, amount: Decimal) -> None:
        self.total[asset] += amount
        self.available[asset] += amount

    @rule(dice=st.randoms(use_true_random=False))
    def tell_a_fill_again(self, dice: object) -> None:
        if self.posted:
            again = self.posted[dice.randrange(len(self.posted))]  # type: ignore[attr-defined]
            with write(self.engine) as connection:
                assert not post_fill(connection, again, at=NOW).new

    @rule(asset=st.sampled_from(ASSETS), amount=amounts, out=st.booleans())
    def deposit(self, asset: str, amount: Decimal, out: bool) -> None:
        signed = -amount if out else amount
        try:
            with write(self.engine) as connection:
                adopt_deposit(
                    connection, venue="v", account=self.account, asset=asset, amount=signed, key=self._key(), at=NOW
                )
        except InsufficientFunds:
            assert out
            assert self.available[asset] < amount
        else:
            self.total[asset] += signed
            self.available[asset] += signed

    @invariant()
    def the_books_agree(self) -> None:
        with read(self.engine, snapshot=True) as connection:
            found = {balance.asset: balance for balance in balances(connection, account=self.account)}
            for asset in ASSETS:
                assert found[asset].total == self.total[asset]
                assert found[asset].available == self.available[asset]
            for order in ORDERS:
                ours = {asset: amount for (holder, asset), amount in self.held.items() if holder == order and amount}
                assert held_for(connection, self._order(order)) == ours

    def teardown(self) -> None:
        with read(self.engine, snapshot=True) as connection:
            assert invariants(connection) == []


_NUMBERS = iter(range(10**9))


@pytest.mark.timeout(300)
def test_the_books_follow_the_model(shared_engine: Engine) -> None:
    class OnThisDatabase(Books):
        engine = shared_engine

    examples = settings(
        max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    run_state_machine_as_test(OnThisDatabase, settings=examples)  # type: ignore[no-untyped-call]
