"""Positions: exact sums under every order of fills, and the figures that other systems publish for the same fills."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounting.fills import FillPosting
from accounting.lots import FINEST, NO_LOT, Lot, share_towards_zero, take_oldest
from accounting.position_figures import FeesIn, Figures, Method, figures, total
from accounting.positions import Basis, Position, moved, movement_of
from models.money import ZERO, add, subtract
from models.vocabulary import Side

ASSETS = ("BTC", "USDT", "BNB")
amounts = st.decimals("0", "100000", places=8, allow_nan=False)
positive = st.decimals("0.00000001", "100000", places=8, allow_nan=False)


def fill(
    side: str, quantity: str, price: str, fee: str = "0", fee_asset: str = "USDT", *, cost: Decimal | None = None
) -> FillPosting:
    return FillPosting(
        key="k", order_id="o", venue="v", account="a", side=Side(side), base="BTC", quote="USDT",
        quantity=Decimal(quantity), price=Decimal(price), fee=Decimal(fee), fee_asset=fee_asset,
        cost=Decimal(quantity) * Decimal(price) if cost is None else cost,
    )  # fmt: skip


@st.composite
def fills(draw: st.DrawFn) -> FillPosting:
    return FillPosting(
        key="k", order_id="o", venue="v", account="a", side=draw(st.sampled_from(Side)), base="BTC", quote="USDT",
        quantity=draw(positive), price=Decimal(1), cost=draw(amounts),
        fee=draw(st.decimals("-100", "100", places=8, allow_nan=False)), fee_asset=draw(st.sampled_from(ASSETS)),
    )  # fmt: skip


class Book:
    """A position and the lots that its changes opened, as the database keeps them."""

    def __init__(self) -> None:
        self.position = Position()
        self.lots: list[Lot] = []

    def after(self, number: int) -> Iterator[Lot]:
        return iter([lot for lot in self.lots if lot.number > number])

    def take(self, *several: FillPosting) -> "Book":
        for one in several:
            change = moved(self.position, movement_of(one), self.after)
            self.position = change.after
            if change.opened is not None:
                self.lots.append(change.opened)
        return self

    def figures(self, method: Method = Method.AVERAGE, fees: FeesIn = FeesIn.INCLUDED) -> Figures:
        return figures(self.position, base="BTC", cost_asset="USDT", method=method, fees=fees)

    @property
    def open_lots(self) -> list[Lot]:
        return [lot for lot in (self.position.head, *self.after(self.position.head.number)) if lot.quantity]


# ------------------------------------------------------------------------------------------------------ properties


@given(several=st.lists(fills(), max_size=12))
def test_cash_paid_and_received_is_profit_less_what_is_open(several: list[FillPosting]) -> None:
    """The identity that holds after every fill, exactly: nothing is won or lost by rounding."""
    book = Book()
    cash = fees = ZERO
    for one in several:
        book.take(one)
        movement = movement_of(one)
        cash, fees = add(cash, movement.cash), add(fees, movement.fee)
        for method in Method:
            apart, included = book.figures(method, FeesIn.APART), book.figures(method, FeesIn.INCLUDED)
            assert subtract(apart.realized, apart.open_cost) == cash
            assert subtract(included.realized, included.open_cost) == subtract(cash, fees)
            price = Decimal("61234.5")
            worth = add(cash, apart.quantity * price)
            assert add(apart.realized, apart.unrealized(price)) == worth
            assert add(included.realized, included.unrealized(price)) == subtract(worth, fees)


@given(several=st.lists(fills(), max_size=12))
def test_the_quantity_is_what_the_fills_brought_and_what_the_lots_hold(several: list[FillPosting]) -> None:
    book, expected, paid = Book(), ZERO, dict.fromkeys(ASSETS, ZERO)
    for one in several:
        book.take(one)
        expected += one.quantity if one.side is Side.BUY else -one.quantity
        expected -= one.fee if one.fee_asset == "BTC" else ZERO
        if one.fee_asset is not None:
            paid[one.fee_asset] += one.fee
        assert book.position.quantity == expected
        lots = book.open_lots
        assert sum((lot.quantity for lot in lots), ZERO) == abs(expected)
        assert sum((lot.cost for lot in lots), ZERO) == book.position.fifo.cost
        assert sum((lot.fees for lot in lots), ZERO) == book.position.fifo.fees
    assert book.position.number == len(several)
    assert book.figures().paid == {asset: amount for asset, amount in paid.items() if amount}


@given(several=st.lists(fills(), min_size=1, max_size=8), data=st.data())
def test_flat_in_any_order_both_methods_have_won_what_came_in(several: list[FillPosting], data: st.DataObject) -> None:
    """Fills of one time may come in any order: once nothing is open, order and method make no difference."""
    left = Book().take(*several).position.quantity
    if left:
        several.append(fill("sell" if left > 0 else "buy", str(abs(left)), "7"))
    shuffled = data.draw(st.permutations(several))
    cash = sum((movement_of(one).cash for one in several), ZERO)
    fees = sum((movement_of(one).fee for one in several), ZERO)
    for order in (several, shuffled):
        book = Book().take(*order)
        assert book.position.quantity == 0
        for method in Method:
            assert book.figures(method, FeesIn.APART).realized == cash
            assert book.figures(method, FeesIn.INCLUDED).realized == cash - fees
            assert book.figures(method).open_cost == 0
            assert book.figures(method).average_cost is None
        assert book.open_lots == []


class Ideal:
    """Average cost in fractions, without a rounding."""

    def __init__(self) -> None:
        self.quantity = self.cost = self.realized = Fraction(0)

    def take(self, one: FillPosting) -> None:
        movement = movement_of(one)
        quantity, cash = Fraction(movement.quantity), Fraction(movement.cash)
        if quantity == 0 or (cash != 0 and (quantity > 0) == (cash > 0)):
            self.realized, cash = self.realized + cash, Fraction(0)
        money = abs(cash)
        if self.quantity and (quantity > 0) != (self.quantity > 0):
            closing = min(abs(quantity), abs(self.quantity))
            got, out = money * closing / abs(quantity), self.cost * closing / abs(self.quantity)
            self.realized += (got - out) if self.quantity > 0 else (out - got)
            self.cost -= out
            rest = abs(quantity) - closing
            self.quantity += closing if quantity > 0 else -closing
            money, quantity = money - got, (rest if quantity > 0 else -rest)
        if quantity:
            self.cost, self.quantity = self.cost + money, self.quantity + quantity


@given(several=st.lists(fills(), max_size=12))
def test_each_fill_is_off_the_exact_average_by_two_steps_at_most(several: list[FillPosting]) -> None:
    book, ideal = Book(), Ideal()
    for count, one in enumerate(several, start=1):
        book.take(one)
        ideal.take(one)
        assert Fraction(book.position.quantity) == ideal.quantity
        bound = 2 * count * Fraction(FINEST)
        assert abs(Fraction(book.position.average.cost) - ideal.cost) <= bound
        assert abs(Fraction(book.position.average.realized) - ideal.realized) <= bound
        if not ideal.quantity:
            assert book.position.average.cost == ideal.cost == 0


@given(amount=st.decimals("-1000", "1000", places=18, allow_nan=False), part=positive, more=amounts)
def test_a_share_is_cut_towards_zero_by_less_than_a_step(amount: Decimal, part: Decimal, more: Decimal) -> None:
    whole = add(part, more)
    share, exact = share_towards_zero(amount, part, whole), Fraction(amount) * Fraction(part) / Fraction(whole)
    assert abs(Fraction(share)) <= abs(exact)
    assert abs(exact - Fraction(share)) < Fraction(FINEST)


def test_a_fill_alone_is_looked_at_once_and_a_sale_asks_for_no_lot_that_it_does_not_need() -> None:
    """Booking does not grow with history: later lots are read one by one, and only once the oldest is used up."""
    asked: list[int] = []

    def lots_after(number: int) -> Iterator[Lot]:
        for later in range(number + 1, 1_000_000):
            asked.append(later)
            yield Lot(number=later, quantity=Decimal(1), cost=Decimal(1), fees=ZERO)

    head = Lot(number=1, quantity=Decimal(5), cost=Decimal(5), fees=ZERO)
    assert take_oldest(head, lots_after, Decimal(5)).head.quantity == 0
    assert asked == []
    assert take_oldest(head, lots_after, Decimal(7)).head.number == 3
    assert asked == [2, 3]


def test_lots_that_hold_less_than_is_open_are_an_error_and_no_guess() -> None:
    with pytest.raises(LookupError, match="used up"):
        take_oldest(NO_LOT, lambda _: iter(()), Decimal(1))


# ------------------------------------------------------------------------------------------------- published figures


def book_of(*several: Sequence[str]) -> Book:
    return Book().take(*(fill(*one) for one in several))


@pytest.mark.parametrize(
    ("made", "quantity", "average_cost", "realized", "last", "unrealized"),
    [
        pytest.param([("buy", "100000", "1.00001", "2")], "100000", "1.00001", "0", "1.0005", "49", id="buy"),
        pytest.param([("buy", "50000", "1.00001", "2")], "50000", "1.00001", "0", "1.00048", "23.5", id="part"),
        pytest.param(
            [("buy", "150000", "1.00001", "3"), ("sell", "150000", "1.00011")], "0", None, "15", "2", "0", id="closed"
        ),
        pytest.param(
            [("buy", "100000", "1", "2"), ("sell", "100000", "1", "2")], "0", None, "0", "2", "0", id="no change"
        ),
        pytest.param(
            [("buy", "12", "100", "0.12"), ("buy", "17", "99", "0.1683")],
            "29", "99.4137931034482759", "0", "99", "-12", id="two buys",
        ),
        pytest.param(
            [("buy", "12", "10000", "120"), ("buy", "17", "9999", "169.983")],
            "29", "9999.41379310344828", "0", "10000", "17", id="before sides interleave",
        ),
        pytest.param([("buy", "2", "10500", "21")] * 2, "4", "10500", "0", "11505.60", "4022.40", id="long"),
        pytest.param([("sell", "10.15", "10500", "106.575")], "-10.15", "10500", "0", "10390", "1116.50", id="short"),
        pytest.param([("buy", "100000", "0.7", "1.4"), ("sell", "100000", "0.7001", "1.4")], "0", None, "10", "1", "0", id="a cycle"),
        pytest.param([("sell", "200000", "0.70025", "2.8"), ("buy", "200000", "0.70017", "2.8")], "0", None, "16", "1", "0", id="a short cycle"),
        pytest.param([("sell", "50000", "0.7502", "2.25"), ("buy", "50000", "0.7503", "0.75")], "0", None, "-5", "1", "0", id="the short leg of a flip"),
    ],
)  # fmt: skip
def test_average_entries_as_an_engine_for_netted_positions_has_them(
    made: list[Any], quantity: str, average_cost: str | None, realized: str, last: str, unrealized: str
) -> None:
    """NautilusTrader's own cases, whose profit is ours with fees apart, less the fees."""
    found = book_of(*made).figures(fees=FeesIn.APART)
    assert found.quantity == Decimal(quantity)
    assert found.average_cost == (None if average_cost is None else Decimal(average_cost))
    assert found.realized == Decimal(realized)
    assert found.unrealized(Decimal(last)) == Decimal(unrealized)


def test_buys_between_sells_as_that_engine_has_them() -> None:
    """12 at 10000, 17 at 9999, 9 sold at 10001, 3 at 10003: its profit is rounded to the eighth digit, fees off."""
    made = [("buy", "12", "10000", "120"), ("buy", "17", "9999", "169.983"), ("sell", "9", "10001", "90.009"), ("buy", "3", "10003", "30.009")]  # fmt: skip
    found = book_of(*made).figures(fees=FeesIn.APART)
    assert found.quantity == 23
    assert found.average_cost is not None
    assert round(found.average_cost, 11) == Decimal("9999.88155922039")
    assert round(found.realized - found.paid["USDT"], 8) == Decimal("-395.72513793")


def test_the_example_of_trading_technologies() -> None:
    """12 at 100 and 17 at 99 bought, 9 at 101 and 4 at 105 sold: 36.19948966 with the fees taken off at once."""
    made = [("buy", "12", "100", "0.12"), ("buy", "17", "99", "0.1683"), ("sell", "9", "101", "0.0909"), ("sell", "4", "105", "0.042")]  # fmt: skip
    found = book_of(*made).figures(fees=FeesIn.APART)
    assert found.quantity == 16
    assert found.average_cost == Decimal("99.4137931034482759")
    assert round(found.realized - found.paid["USDT"], 8) == Decimal("36.19948966")
    # The oldest first: 9 and 3 of those at 100, 1 of those at 99.
    fifo = book_of(*made).figures(Method.FIFO, FeesIn.APART)
    assert (fifo.realized, fifo.open_cost) == (Decimal(9 + 15 + 6), Decimal(16 * 99))


@pytest.mark.parametrize(
    ("fee_rate", "orders", "after"),
    [
        pytest.param(
            "0", [("buy", "100", "10"), ("buy", "100", "15"), ("sell", "50", "12"), ("sell", "100", "20"), ("sell", "50", "5")],
            [("100", "10", "0"), ("200", "12.5", "0"), ("150", "12.5", "-25"), ("50", "12.5", "725"), ("0", None, "350")], id="no fee",
        ),
        pytest.param(
            "0.0025",
            [("buy", "100", "3"), ("buy", "100", "7"), ("sell", "100", "11"), ("buy", "150", "15"), ("sell", "100", "19"), ("sell", "150", "23")],
            [("100", "3", "0"), ("200", "5", "0"), ("100", "5", "596"), ("250", "11", "596"), ("150", "11", "1388.5"), ("0", None, "3175.75")],
            id="a quarter of a percent each way",
        ),
        pytest.param(
            "0", [("buy", "100", "8"), ("buy", "100", "9"), ("sell", "100", "10"), ("buy", "150", "11"), ("sell", "100", "12"), ("sell", "150", "14")],
            [("100", "8", "0"), ("200", "8.5", "0"), ("100", "8.5", "150"), ("250", "10", "150"), ("150", "10", "350"), ("0", None, "950")], id="again",
        ),
    ],
)  # fmt: skip
def test_buying_in_steps_as_freqtrade_reckons_it(fee_rate: str, orders: list[Any], after: list[Any]) -> None:
    """Its average has no fees in it, its profit has those of both sides."""
    book = Book()
    for (side, quantity, price), (left, average_cost, realized) in zip(orders, after, strict=True):
        fee = Decimal(quantity) * Decimal(price) * Decimal(fee_rate)
        book.take(fill(side, quantity, price, str(fee)))
        assert book.position.quantity == Decimal(left)
        shown = book.figures(fees=FeesIn.APART).average_cost
        assert shown == (None if average_cost is None else Decimal(average_cost))
        assert book.figures(fees=FeesIn.INCLUDED).realized == Decimal(realized)


@pytest.mark.parametrize(
    ("first", "then", "quantity", "average_cost", "profit_less_fees"),
    [
        pytest.param(("buy", "1", "100", "10"), ("buy", "1", "120", "10"), "2", "110", "-20", id="increase long"),
        pytest.param(("buy", "1", "100", "10"), ("sell", "1", "150", "10"), "0", None, "30", id="close long"),
        pytest.param(("sell", "1", "100", "10"), ("sell", "1", "80", "10"), "-2", "90", "-20", id="increase short"),
        pytest.param(("sell", "1", "100", "10"), ("buy", "1", "80", "10"), "0", None, "0", id="close short"),
    ],
)
def test_long_and_short_as_barter_has_them(
    first: Any, then: Any, quantity: str, average_cost: str | None, profit_less_fees: str
) -> None:
    found = book_of(first, then).figures(fees=FeesIn.APART)
    assert found.quantity == Decimal(quantity)
    assert found.average_cost == (None if average_cost is None else Decimal(average_cost))
    assert found.realized - found.paid["USDT"] == Decimal(profit_less_fees)


@pytest.mark.parametrize(
    ("average", "quantity", "price", "more", "expected"),
    [("100", "2", "200", "2", "150"), ("100", "20", "200", "1", "104.761904761904762")],
)
def test_the_average_of_two_buys_is_weighted(average: str, quantity: str, price: str, more: str, expected: str) -> None:
    found = book_of(("buy", quantity, average), ("buy", more, price)).figures()
    assert found.average_cost == Decimal(expected)


def test_a_flip_splits_price_and_fee_by_quantity() -> None:
    book = book_of(("buy", "1", "100", "2"), ("sell", "4", "90", "8"))
    for method in Method:
        assert book.figures(method, FeesIn.APART).realized == -10
        found = book.figures(method, FeesIn.INCLUDED)
        assert found.realized == -10 - 2 - 2  # a quarter of the sale's fee closes, the rest opens
        assert (found.quantity, found.open_cost) == (-3, -(3 * 90 - 6))
        assert found.average_cost == 88  # what one unit brought in, after fees
        assert found.unrealized(Decimal(80)) == 3 * 8
    assert book.open_lots == [Lot(number=2, quantity=Decimal(3), cost=Decimal(270), fees=Decimal(6))]


# --------------------------------------------------------------------------------------------------------------- fees


def test_a_fee_in_base_makes_what_is_left_dearer() -> None:
    found = book_of(("buy", "1.0", "50000", "0.001", "BTC")).figures()
    assert (found.quantity, found.open_cost) == (Decimal("0.999"), 50000)
    assert found.average_cost == Decimal("50050.0500500500501")
    assert found.apart == {}
    assert found.paid == {"BTC": Decimal("0.001")}


@pytest.mark.parametrize(
    ("made", "quantity"),
    [
        ([("buy", "1.0", "50000", "0.001", "BTC"), ("sell", "0.999", "50100", "0.000999", "BTC")], "-0.000999"),
        ([("sell", "0.5", "50000", "0.001", "BTC"), ("sell", "0.5", "50000", "0.001", "BTC")], "-1.002"),
    ],
)
def test_a_fee_in_base_leaves_with_what_is_sold(made: list[Any], quantity: str) -> None:
    assert book_of(*made).position.quantity == Decimal(quantity)


def test_bought_with_a_fee_in_base_and_sold_with_one_in_quote() -> None:
    """Closed: 2,097.90 came in and 2,000 went out, then 2 as a fee. The fee in base is worth nothing twice."""
    book = book_of(("buy", "1.00000", "2000", "0.001", "BTC"), ("sell", "0.99900", "2100", "2.0"))
    assert book.position.quantity == 0
    assert book.figures(fees=FeesIn.APART).realized == Decimal("97.9")
    assert book.figures(fees=FeesIn.INCLUDED).realized == Decimal("95.9")


def test_a_fee_in_a_third_asset_stays_apart_either_way() -> None:
    book = book_of(("buy", "1", "100", "0.01", "BNB"), ("sell", "1", "110", "0.02", "BNB"))
    for fees in FeesIn:
        found = book.figures(fees=fees)
        assert found.realized == 10
        assert found.apart == {"BNB": Decimal("0.03")}


def test_a_rebate_makes_it_cheaper() -> None:
    assert book_of(("buy", "2", "100", "-1")).figures().average_cost == Decimal("99.5")
    assert book_of(("buy", "2", "100", "-0.5", "BTC")).figures().average_cost == 80


@pytest.mark.parametrize(
    ("fee", "quantity", "open_cost"), [("1", "0", "0"), ("1.5", "-0.5", "0"), ("0.5", "0.5", "100")]
)
def test_a_fee_that_eats_the_whole_fill_is_a_loss_at_once(fee: str, quantity: str, open_cost: str) -> None:
    found = book_of(("buy", "1", "100", fee, "BTC")).figures()
    assert (found.quantity, found.open_cost) == (Decimal(quantity), Decimal(open_cost))
    assert found.realized == Decimal(open_cost) - 100


# --------------------------------------------------------------------------------------------------------------- sums


def test_strategies_sum_and_long_beside_short_has_no_average() -> None:
    long, other = book_of(("buy", "1", "100")).figures(), book_of(("buy", "3", "120", "1", "BNB")).figures()
    short = book_of(("sell", "1", "130")).figures()
    both = total([long, other])
    assert (both.quantity, both.average_cost, both.apart) == (4, 115, {"BNB": 1})
    mixed = total([long, short])
    assert (mixed.quantity, mixed.average_cost, mixed.unrealized(Decimal(50))) == (0, None, 30)
    assert total([total([long, short]), other]).average_cost is None
    with pytest.raises(ValueError, match="no figures"):
        total([])


def test_a_position_begins_with_nothing() -> None:
    assert Position().average == Position().fifo == Basis()
    assert Book().figures().average_cost is None
