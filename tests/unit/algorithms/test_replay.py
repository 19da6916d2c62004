"""Orders against small tapes: results computed by hand, and what holds for every tape."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms import replay as replaying
from algorithms.replay import TooManyPieces, replay
from algorithms.tape import Tape
from models.clock import micros
from models.vocabulary import ChildStatus, Liquidity, OrderStatus, Side, TimeInForce
from tests.unit.algorithms.replaying import D, after, fills, instrument, model, order, run, tape

TWAP = {"name": "twap", "duration_s": "40", "slices": 4, "jitter": "0"}


def policy(name: str, **parameters: Any) -> dict[str, Any]:
    return {"name": name, **parameters}


def test_a_market_order_takes_all_of_it_at_once_at_the_price_before_it():
    past = tape((-1, "100", "1"), (0, "200", "1"), (1, "300", "1"))

    done = run(order("5"), past)

    assert fills(done) == [(0, "5.00", "100.00", "taker")]
    assert done.order.status is OrderStatus.FILLED
    assert done.ended_at == after(0)


@pytest.mark.parametrize(("side", "price"), [(Side.BUY, "100.06"), (Side.SELL, "99.94")])
def test_who_takes_pays_half_the_spread_to_the_tick_against_the_order(side: Side, price: str):
    # half of 11 bps of 100 is 0.055, and the tick is 0.01
    done = run(order("1", side=side), tape((-1, "100", "1")), model(spread_bps=D(11)))

    assert fills(done) == [(0, "1.00", price, "taker")]


def test_impact_is_the_root_of_the_share_of_a_day():
    # 1 * 0.04 * √(1 / 100) = 0.004
    busy = model(impact_factor=D(1), volatility=D("0.04"), daily_volume=D(100))

    assert fills(run(order("1"), tape((-1, "100", "1")), busy)) == [(0, "1.00", "100.40", "taker")]


def test_slices_in_one_instant_cost_what_one_would():
    busy = model(impact_factor=D(1), volatility=D("0.04"), daily_volume=D(100), tick=D("0.0001"))
    past = tape((-1, "100", "1"))
    sweep = run(order("1", {"name": "iceberg", "display_quantity": "0.05", "jitter": "0"}, price=D(110)), past, busy)
    whole = run(order("1", price=D(110)), past, busy)

    assert len(sweep.fills) == 20
    # each of the twenty is rounded up by less than a tick
    assert 0 <= sweep.order.filled_cost - whole.order.filled_cost < D("0.0001")


@pytest.mark.parametrize(
    ("recovery_s", "second"),
    [
        (0, "100.40"),
        # after 10 s of 20, half of the first one is missing: 0.4 * (1.5^1.5 - 0.5^1.5) = 0.5935
        (20, "100.60"),
        # 0.4 * (2^1.5 - 1) would be 0.7314 with none of it back; 10 of 1000 s are: 0.4 * (1.99^1.5 - 0.99^1.5) = 0.7289
        (1000, "100.73"),
    ],
)
def test_what_was_taken_comes_back_evenly(recovery_s: int, second: str):
    busy = model(impact_factor=D(1), volatility=D("0.04"), daily_volume=D(100), recovery=timedelta(seconds=recovery_s))
    twap = {"name": "twap", "duration_s": "20", "slices": 2, "jitter": "0"}

    done = run(order("2", twap), tape((-1, "100", "1")), busy)

    assert fills(done) == [(0, "1.00", "100.40", "taker"), (10, "1.00", second, "taker")]


def test_twap_takes_at_the_price_of_each_time():
    past = tape((-1, "100", "1"), (5, "101", "1"), (15, "102", "1"), (29, "103", "1"), (30, "999", "1"))

    done = run(order("1", TWAP), past)

    assert fills(done) == [
        (0, "0.25", "100.00", "taker"),
        (10, "0.25", "101.00", "taker"),
        (20, "0.25", "102.00", "taker"),
        (30, "0.25", "103.00", "taker"),
    ]
    assert done.order.filled_cost == D("101.5")
    assert done.order.status is OrderStatus.FILLED


def test_what_rests_is_filled_through_its_price_by_its_share_of_each_trade():
    past = tape(
        (-1, "101", "1"),
        (0, "99", "9"),  # of the microsecond in which it was sent: before it
        (1, "100", "9"),  # at its price: others were first
        (2, "99.99", "0.5"),  # half of it
        (3, "100.01", "9"),
        (4, "99.50", "0.03"),  # half of it is a lot and a half
        (5, "99.50", "0.01"),  # and this makes it a second lot
        (6, "98", "9"),
    )

    done = run(order("1", price=D(100)), past)

    assert fills(done) == [
        (2, "0.25", "100.00", "maker"),
        (4, "0.01", "100.00", "maker"),
        (5, "0.01", "100.00", "maker"),
        (6, "0.73", "100.00", "maker"),
    ]
    assert done.order.status is OrderStatus.FILLED
    assert done.ended_at == after(6)


def test_a_sell_rests_above():
    past = tape((-1, "99", "1"), (1, "100", "9"), (2, "100.01", "1"), (3, "99", "9"), (4, "101", "1"))

    done = run(order("1", price=D(100), side=Side.SELL), past)

    assert fills(done) == [(2, "0.50", "100.00", "maker"), (4, "0.50", "100.00", "maker")]


def test_two_slices_share_one_trade():
    past = tape((-1, "101", "1"), (15, "99", "0.6"), (16, "99", "0.6"))

    # two slices of 0.5 rest by then; the first takes its share first
    done = run(order("2", TWAP, price=D(100)), past)

    assert fills(done) == [
        (15, "0.30", "100.00", "maker"),
        (16, "0.20", "100.00", "maker"),
        (16, "0.10", "100.00", "maker"),
        # the market is below the limit from then on: the other two slices take
        (20, "0.50", "99.00", "taker"),
        (30, "0.50", "99.00", "taker"),
    ]


def test_a_limit_that_crosses_takes_what_stays_within_it_and_the_rest_waits():
    # the next lot costs 1.5 * 0.04 * √(q / 100): 0.6 % of it are reached at q = 1
    busy = model(impact_factor=D(1), volatility=D("0.04"), daily_volume=D(100))
    past = tape((-1, "100", "1"), (5, "100.50", "0.2"))

    done = run(order("3", price=D("100.60")), past, busy)

    assert fills(done) == [(0, "1.00", "100.40", "taker"), (5, "0.10", "100.60", "maker")]
    assert done.order.status is OrderStatus.EXPIRED
    assert done.order.reason is not None
    assert done.order.reason.code == "EXPIRED"
    assert done.ended_at == after(60)


@pytest.mark.parametrize(
    ("time_in_force", "filled"), [(TimeInForce.IOC, [(0, "1.00", "100.40", "taker")]), (TimeInForce.FOK, [])]
)
def test_what_may_not_wait_ends_at_once(time_in_force: TimeInForce, filled: list[Any]):
    busy = model(impact_factor=D(1), volatility=D("0.04"), daily_volume=D(100))
    past = tape((-1, "100", "1"), (5, "90", "99"))

    done = run(order("3", price=D("100.60"), time_in_force=time_in_force), past, busy)

    assert fills(done) == filled
    assert done.order.status is OrderStatus.EXPIRED
    assert done.ended_at == after(0)


def test_an_iceberg_shows_the_next_slice_when_the_last_one_is_gone():
    past = tape((-1, "101", "1"), (1, "99", "0.4"), (2, "99", "9"), (3, "99", "9"))
    iceberg = {"name": "iceberg", "display_quantity": "0.5", "jitter": "0"}

    done = run(order("1", iceberg, price=D(100)), past)

    # the second slice is shown at 2 s, when the market is through the limit already: it takes at the price before
    assert fills(done) == [
        (1, "0.20", "100.00", "maker"),
        (2, "0.30", "100.00", "maker"),
        (2, "0.50", "99.00", "taker"),
    ]


def test_pov_answers_what_others_traded():
    # looks at 0, 1, 2 … s; others' 3 at a quarter are answered by 1
    past = tape((-1, "100", "9"), (0.5, "100", "3"), (5.25, "101", "6"), (9.5, "102", "99"))
    pov = {"name": "pov", "participation": "0.25", "duration_s": "9"}

    done = run(order("10", pov), past)

    assert fills(done) == [(1, "1.00", "100.00", "taker"), (6, "2.00", "101.00", "taker")]
    assert done.order.status is OrderStatus.EXPIRED
    assert done.order.reason is not None
    assert done.order.reason.code == "SCHEDULE_OVER"
    assert done.notes["left_over"] == "7"


def test_pov_does_not_answer_its_own_fills():
    # 1 of the 3 that traded through the limit came to us; of what rests nobody knows yet whether it is among the 2
    past = tape((-1, "101", "9"), (0.5, "101", "3"), (1.5, "99", "2"))
    pov = {"name": "pov", "participation": "0.5", "duration_s": "4"}

    done = run(order("10", pov, price=D(100)), past)

    assert [child.quantity for child in done.children] == [D(3)]
    assert done.notes["others_volume"] == "4"
    assert fills(done)[0] == (1.5, "1.00", "100.00", "maker")


def test_vwap_and_adaptive_do_without_a_past_and_say_so():
    past = tape((-1, "100", "1"))
    slots = {"duration_s": "40", "slices": 4}

    for algorithm in (
        {"name": "vwap", **slots, "jitter": "0", "profile": "history", "lookback_days": 7},
        {"name": "adaptive", **slots, "risk_aversion": "1"},
    ):
        done = run(order("1", algorithm), past)
        assert [fill.quantity for fill in done.fills] == [D("0.25")] * 4
        assert "as a twap" in done.notes["fallback"]


def test_vwap_follows_the_days_before():
    # two days: everything trades from 12:00 to 13:00; the order lasts from 12:00 to 14:00
    days = [
        (-86_400 * day + 3600 * hour, "100", "240" if hour == 0 else "0.01")
        for day in (2, 1)
        for hour in range(-12, 12)
    ]
    vwap = {"name": "vwap", "duration_s": "7200", "slices": 2, "jitter": "0", "profile": "history", "lookback_days": 7}

    done = run(order("1", vwap, lasting_s=7200), tape(*days, (-1, "100", "1")))

    # (2 days of nearly 1 + 2 of 1/24) / 4 = 0.52 and (0 + 2 / 24) / 4 = 0.02; the second hour gets more, as planned
    assert [fill.quantity for fill in done.fills] == [D("0.96"), D("0.04")]
    assert done.notes["profile"] == "history"


def test_adaptive_learns_from_before_its_time_only():
    wild = [(-60 + index, "100" if index % 2 else "101", "1") for index in range(60)]
    adaptive = {"name": "adaptive", "duration_s": "40", "slices": 4, "risk_aversion": "0.1"}

    done = run(order("1", adaptive), tape(*wild), model(spread_bps=D(1)))

    sizes = [fill.quantity for fill in done.fills]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > D("0.25")
    assert "fallback" not in done.notes
    later = run(
        order("1", adaptive), tape(*wild, *[(35 + index, "500", "9") for index in range(20)]), model(spread_bps=D(1))
    )
    assert later.fills == done.fills


def test_wait_for_complete_ends_the_order():
    past = tape((-1, "101", "1"), (1, "99", "0.4"), (6, "99", "9"))
    wait = policy("wait_for_complete", timeout_s="5", then="accept")

    done = run(order("1", price=D(100), fill_policy=wait), past)

    assert fills(done) == [(1, "0.20", "100.00", "maker")]
    assert (done.order.status, done.order.reason and done.order.reason.code) == (
        OrderStatus.CANCELED,
        "PARTIAL_ACCEPTED",
    )
    assert done.ended_at == after(5)


def test_wait_for_complete_gives_a_slice_back_to_its_schedule():
    past = tape((-1, "101", "1"), (12, "99", "9"))
    wait = policy("wait_for_complete", timeout_s="5", then="accept")

    done = run(order("1", TWAP, price=D(100), fill_policy=wait), past)

    assert [child.status for child in done.children] == [ChildStatus.CANCELED] + [ChildStatus.FILLED] * 3
    assert done.order.status is OrderStatus.FILLED
    assert sum((child.filled_quantity for child in done.children), D(0)) == D(1)


def test_wait_for_complete_ends_an_iceberg():
    past = tape((-1, "101", "1"), (1, "99", "0.4"), (30, "99", "9"))
    wait = policy("wait_for_complete", timeout_s="5", then="accept")
    iceberg = {"name": "iceberg", "display_quantity": "0.5", "jitter": "0"}

    done = run(order("1", iceberg, price=D(100), fill_policy=wait), past)

    assert fills(done) == [(1, "0.20", "100.00", "maker")]
    assert done.order.status is OrderStatus.CANCELED
    assert done.ended_at == after(5)


def test_cancel_and_retry_crosses_at_its_timeout():
    past = tape((-1, "99.50", "1"), (1, "99.80", "1"))
    # joined at 99.00 it would wait for ever; 99.80 is within the order's 100
    first = order(
        "1",
        price=D(100),
        fill_policy=policy("cancel_and_retry", timeout_s="5", max_attempts=2, reprice="cross"),
    )
    dear = model(spread_bps=D(200))

    done = run(first, past, dear)

    # the ask is 100.495 first and 100.80 after that: beyond the limit, so that neither attempt takes
    assert [(child.attempt, child.price, child.status) for child in done.children] == [
        (1, D(100), ChildStatus.CANCELED),
        (2, D(100), ChildStatus.CANCELED),
    ]
    assert done.order.status is OrderStatus.CANCELED
    assert done.ended_at == after(10)
    falls = tape((-1, "99.50", "1"), (1, "98", "0.01"))
    assert fills(run(first, falls, dear))[-1] == (5, "1.00", "98.98", "taker")


def test_retry_remaining_sends_the_rest_again():
    busy = model(impact_factor=D(1), volatility=D("0.04"), daily_volume=D(100), recovery=timedelta(seconds=10))
    again = policy("retry_remaining", max_attempts=3, delay_s="10")
    first = order("3", price=D("100.60"), time_in_force=TimeInForce.IOC, fill_policy=again)

    done = run(first, tape((-1, "100", "1")), busy)

    assert fills(done) == [(at, "1.00", "100.40", "taker") for at in (0, 10, 20)]
    assert [child.attempt for child in done.children] == [1, 2, 3]


def test_too_many_pieces_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(replaying, "MAX_CHILDREN", 50)
    crumbs = {"name": "iceberg", "display_quantity": "0.01", "jitter": "0"}

    with pytest.raises(TooManyPieces, match="more than 50 pieces"):
        run(order("1", crumbs, price=D(200)), tape((-1, "100", "1")))


def test_an_order_needs_an_end_and_a_price_before_it():
    with pytest.raises(ValueError, match="expires_at"):
        run(order("1", expires_at=None), tape((-1, "100", "1")))
    with pytest.raises(ValueError, match="no trade before"):
        run(order("1"), tape((1, "100", "1")))


def test_waves_are_those_of_the_live_loop():
    from algorithms import replay_market, tape_figures
    from tasks import market
    from tasks.market import LATELY_KEPT_S, LONGEST_TAPE
    from tasks.plan import AHEAD

    assert replaying.AHEAD == AHEAD
    assert replay_market.LONGEST_TAPE == LONGEST_TAPE
    assert replay_market.LATELY_KEPT.total_seconds() == LATELY_KEPT_S
    assert replay_market.CURVE_KEPT.total_seconds() == market.CURVE_KEPT_S
    assert tape_figures.VOLATILITY_CANDLES[0] == market.LATELY


@st.composite
def tapes(draw: st.DrawFn) -> Tape:
    rows = draw(
        st.lists(
            st.tuples(st.integers(0, 3_000_000), st.integers(9_500, 10_500), st.integers(1, 300)),
            min_size=1,
            max_size=60,
        )
    )
    at, clock = [micros(after(-1))], micros(after(-1))
    for gap, _, _ in rows:
        clock += gap
        at.append(clock)
    return Tape.of(at, [10_000, *(price for _, price, _ in rows)], [100, *(size for _, _, size in rows)], digits=2)


ALGORITHMS = [
    {"name": "single"},
    {"name": "twap", "duration_s": "40", "slices": 7, "jitter": "0.3"},
    {"name": "vwap", "duration_s": "40", "slices": 5, "jitter": "0", "profile": ["1", "3", "0", "1", "2"]},
    {"name": "iceberg", "display_quantity": "0.5", "jitter": "0.2"},
    {"name": "pov", "participation": "0.3", "duration_s": "40"},
    {"name": "adaptive", "duration_s": "40", "slices": 6, "risk_aversion": "1"},
]
POLICIES = [
    policy("accept_partial"),
    policy("retry_remaining", max_attempts=3, delay_s="1"),
    policy("wait_for_complete", timeout_s="7", then="accept"),
    policy("wait_for_complete", timeout_s="7", then="cancel"),
    policy("cancel_and_retry", timeout_s="3", max_attempts=3, reprice="cross"),
    policy("cancel_and_retry", timeout_s="3", max_attempts=3, reprice="join"),
]


@settings(deadline=None, max_examples=300)
@given(
    past=tapes(),
    algorithm=st.sampled_from(ALGORITHMS),
    fill_policy=st.sampled_from(POLICIES),
    side=st.sampled_from(list(Side)),
    lots=st.integers(10, 500),
    limit=st.integers(9_400, 10_600),
    time_in_force=st.sampled_from(list(TimeInForce)),
    impact=st.sampled_from(["0", "1", "30"]),
    cap=st.sampled_from(["0.1", "0.33", "1"]),
)
def test_every_run_keeps_to_its_order_and_its_tape(
    past: Tape,
    algorithm: dict[str, Any],
    fill_policy: dict[str, Any],
    side: Side,
    lots: int,
    limit: int,
    time_in_force: TimeInForce,
    impact: str,
    cap: str,
):
    if algorithm["name"] == "iceberg":
        time_in_force = TimeInForce.GTC
    price = D(limit).scaleb(-2)
    what = order(
        str(D(lots).scaleb(-2)), algorithm, price=price, side=side, fill_policy=fill_policy, time_in_force=time_in_force
    )
    venue = model(spread_bps=D(2), impact_factor=D(impact), volatility=D("0.03"), daily_volume=D(1000), cap=D(cap))

    done = replay(what, instrument(), past, venue)

    assert done == replay(what, instrument(), past, venue), "the same input, the same result"
    assert done.order.is_final
    assert all(child.is_final for child in done.children)
    assert done.order.filled_quantity <= what.quantity
    assert (done.order.filled_quantity == what.quantity) == (done.order.status is OrderStatus.FILLED)
    assert done.order.filled_quantity == sum((fill.quantity for fill in done.fills), D(0))
    assert done.order.filled_cost == sum((fill.quantity * fill.price for fill in done.fills), D(0))
    assert done.order.filled_quantity == sum((child.filled_quantity for child in done.children), D(0))
    times = [fill.at for fill in done.fills]
    assert times == sorted(times)
    assert all(what.created_at <= at < after(60) for at in times)
    for fill in done.fills:
        assert fill.price <= price if side is Side.BUY else fill.price >= price
        assert fill.quantity > 0
        assert fill.quantity % D("0.01") == 0
    _assert_share_of_each_trade(done.fills, past, price, side, D(cap))


def _assert_share_of_each_trade(made: Any, past: Tape, price: Decimal, side: Side, cap: Decimal) -> None:
    """Up to any time what came to resting slices is within the cap of what had traded through the limit."""
    came = D(0)
    for fill in made:
        if fill.liquidity is Liquidity.MAKER:
            came += fill.quantity
            stop = past.seen(fill.at + timedelta(microseconds=1))
            through = sum(
                size
                for traded, size in zip(past.prices[:stop], past.quantities[:stop], strict=True)
                if (past.decimal(traded) < price if side is Side.BUY else past.decimal(traded) > price)
            )
            assert came <= cap * past.decimal(through)
