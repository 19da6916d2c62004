"""A fill as legs: balanced, never below zero, always booked in full, and the same totals in whatever order."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounting.fills import FillPosting, Funds, Shortfall, fill_legs
from accounting.legs import NEVER_NEGATIVE, AccountKind, AccountRef, Leg, moves, sum_per_asset
from models.money import ZERO, add, subtract
from models.vocabulary import Side

ASSETS = ("BTC", "USDT", "BNB")
amounts = st.decimals("0", "100000", places=8, allow_nan=False)
positive = st.decimals("0.00000001", "100000", places=8, allow_nan=False)
funds = st.dictionaries(st.sampled_from(ASSETS), st.builds(Funds, held=amounts, available=amounts))


def fill(
    side: Side = Side.BUY, *, quantity: str = "2", cost: str = "100", fee: str = "0", fee_asset: str | None = None
) -> FillPosting:
    return FillPosting(
        key="k", order_id="o", venue="v", account="a", side=side, base="BTC", quote="USDT",
        quantity=Decimal(quantity), price=Decimal(50), cost=Decimal(cost), fee=Decimal(fee), fee_asset=fee_asset,
    )  # fmt: skip


@st.composite
def fills(draw: st.DrawFn) -> FillPosting:
    fee = draw(st.decimals("-100", "100", places=8, allow_nan=False))
    return FillPosting(
        key="k", order_id="o", venue="v", account="a", side=draw(st.sampled_from(Side)), base="BTC", quote="USDT",
        quantity=draw(positive), price=draw(positive), cost=draw(amounts), fee=fee, fee_asset=draw(st.sampled_from(ASSETS)),
    )  # fmt: skip


def shown(legs: tuple[Leg, ...]) -> list[str]:
    return [f"{leg.amount} {leg.asset} {leg.credit.kind} -> {leg.debit.kind}" for leg in legs]


@pytest.mark.parametrize(
    ("posting", "held", "available", "expected"),
    [
        pytest.param(
            fill(fee="0.002", fee_asset="BTC"), "100", "0",
            ["100 USDT hold -> clearing", "2 BTC clearing -> available", "0.002 BTC available -> fee"],
            id="buy, fee taken from what was received",
        ),
        pytest.param(
            fill(fee="1", fee_asset="USDT"), "101", "0",
            ["100 USDT hold -> clearing", "2 BTC clearing -> available", "1 USDT hold -> fee"],
            id="buy, fee in quote from the hold",
        ),
        pytest.param(
            fill(fee="1", fee_asset="USDT"), "60", "41",
            ["60 USDT hold -> clearing", "40 USDT available -> clearing", "2 BTC clearing -> available", "1 USDT available -> fee"],
            id="buy beyond its hold",
        ),
        pytest.param(
            fill(fee="-0.5", fee_asset="USDT"), "100", "0",
            ["100 USDT hold -> clearing", "2 BTC clearing -> available", "0.5 USDT fee -> available"],
            id="buy with a rebate",
        ),
        pytest.param(
            fill(Side.SELL, fee="0.1", fee_asset="USDT"), "0", "0",
            ["2 BTC suspense -> clearing", "100 USDT clearing -> available", "0.1 USDT available -> fee"],
            id="sell of what the books do not have",
        ),
    ],
)  # fmt: skip
def test_a_fill_becomes_these_legs(posting: FillPosting, held: str, available: str, expected: list[str]) -> None:
    found = fill_legs(posting, {"USDT": Funds(held=Decimal(held), available=Decimal(available))})
    assert shown(found.legs) == expected


def test_what_the_books_do_not_have_comes_from_suspense_and_is_told() -> None:
    found = fill_legs(
        fill(fee="3", fee_asset="BNB"), {"USDT": Funds(held=Decimal(60)), "BNB": Funds(available=Decimal(1))}
    )
    assert found.shortfalls == (Shortfall(asset="USDT", amount=Decimal(40)), Shortfall(asset="BNB", amount=Decimal(2)))


def test_a_cost_of_zero_moves_no_quote() -> None:
    assert shown(fill_legs(fill(cost="0"), {}).legs) == ["2 BTC clearing -> available"]


@pytest.mark.parametrize(
    ("change", "rule"), [({"quantity": "0"}, "quantity"), ({"cost": "-1"}, "cost"), ({"fee": "1"}, "asset")]
)
def test_a_fill_that_says_nothing_definite_is_refused(change: dict[str, str], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        fill(**change)  # type: ignore[arg-type]  # a table of one changed argument each


@given(fills(), funds)
def test_every_fill_is_balanced_and_booked_in_full(posting: FillPosting, found: dict[str, Funds]) -> None:
    legs = fill_legs(posting, found).legs
    assert all(total == 0 for total in sum_per_asset(legs).values())
    moved = moves(legs)
    sign = 1 if posting.side is Side.BUY else -1
    assert moved.get(AccountRef("BTC", AccountKind.CLEARING), ZERO) == -sign * posting.quantity
    assert moved.get(AccountRef("USDT", AccountKind.CLEARING), ZERO) == sign * posting.cost
    assert posting.fee_asset is not None
    assert moved.get(AccountRef(posting.fee_asset, AccountKind.FEE), ZERO) == posting.fee


@given(fills(), funds)
def test_no_leg_takes_hold_or_available_below_zero_not_even_for_a_moment(
    posting: FillPosting, found: dict[str, Funds]
) -> None:
    balances = _balances(found)
    result = fill_legs(posting, found)
    for leg in result.legs:
        _apply(balances, leg)
        assert all(amount >= 0 for account, amount in balances.items() if account.kind in NEVER_NEGATIVE)
    suspense = {account.asset: amount for account, amount in balances.items() if account.kind is AccountKind.SUSPENSE}
    assert {short.asset: -short.amount for short in result.shortfalls} == suspense


@given(st.lists(fills(), max_size=5), funds, st.randoms(use_true_random=False))
def test_the_order_of_fills_does_not_change_what_is_ours_in_the_end(
    postings: list[FillPosting], found: dict[str, Funds], dice: object
) -> None:
    shuffled = list(postings)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]  # random.Random, which Hypothesis shrinks
    assert _totals(postings, found) == _totals(shuffled, found)


def _totals(postings: list[FillPosting], found: dict[str, Funds]) -> dict[tuple[str, str], Decimal]:
    balances = _balances(found)
    for posting in postings:
        now = {
            asset: Funds(
                held=balances.get(AccountRef(asset, AccountKind.HOLD), ZERO),
                available=balances.get(AccountRef(asset, AccountKind.AVAILABLE), ZERO),
            )
            for asset in ASSETS
        }
        for leg in fill_legs(posting, now).legs:
            _apply(balances, leg)
    totals: dict[tuple[str, str], Decimal] = {}
    for account, amount in balances.items():
        group = account.kind if account.kind in (AccountKind.CLEARING, AccountKind.FEE) else "ours"
        totals[account.asset, group] = add(totals.get((account.asset, group), ZERO), amount)
    return {key: total for key, total in totals.items() if total != 0}


def _balances(found: dict[str, Funds]) -> dict[AccountRef, Decimal]:
    return {
        AccountRef(asset, kind): amount
        for asset, held in found.items()
        for kind, amount in ((AccountKind.HOLD, held.held), (AccountKind.AVAILABLE, held.available))
    }


def _apply(balances: dict[AccountRef, Decimal], leg: Leg) -> None:
    balances[leg.debit] = add(balances.get(leg.debit, ZERO), leg.amount)
    balances[leg.credit] = subtract(balances.get(leg.credit, ZERO), leg.amount)


#: what each fee is taken in, of BTC/USDT
FEE_ASSETS = {"base": "BTC", "quote": "USDT", "a third asset": "BNB"}


@pytest.mark.parametrize("fee_asset", list(FEE_ASSETS.values()), ids=list(FEE_ASSETS))
@pytest.mark.parametrize("side", list(Side))
@given(
    trades=st.lists(st.tuples(*[st.integers(1, 10**12)] * 2, st.integers(-(10**10), 10**10)), min_size=1, max_size=6),
    found=funds,
)
def test_what_we_own_changes_as_at_the_venue_to_one_atom(
    side: Side, fee_asset: str, trades: list[tuple[int, int, int]], found: dict[str, Funds]
) -> None:
    """The venue counts in whole atoms of 1e-8; fees in base, quote or a third asset, rebates below zero."""
    atoms = Decimal("0.00000001")
    at_venue = dict.fromkeys(ASSETS, 0)
    postings = []
    for quantity, cost, fee in trades:
        sign = 1 if side is Side.BUY else -1
        at_venue["BTC"] += sign * quantity
        at_venue["USDT"] -= sign * cost
        at_venue[fee_asset] -= fee
        postings.append(
            FillPosting(
                key="k",
                order_id="o",
                venue="v",
                account="a",
                side=side,
                base="BTC",
                quote="USDT",
                quantity=quantity * atoms,
                price=Decimal(1),
                cost=cost * atoms,
                fee=fee * atoms,
                fee_asset=fee_asset,
            )
        )
    before, after = _totals([], found), _totals(postings, found)
    for asset in ASSETS:
        ours = (asset, "ours")
        assert after.get(ours, ZERO) - before.get(ours, ZERO) == at_venue[asset] * atoms
