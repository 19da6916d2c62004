"""Which intervals share a request, and when a venue that showed nothing is asked again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from accounting.costs_market import whole_candles
from storage.cost_markets import PendingMarket
from tasks.costs import CANDLES_A_REQUEST, LONGEST_WAIT, MOST_ATTEMPTS, _next_time, _together

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def pending(name: str, after: timedelta, lasting: timedelta, symbol: str = "BTC/USDT") -> PendingMarket:
    span = whole_candles(NOW + after, NOW + after + lasting)
    return PendingMarket(order_id=name, order_version=1, symbol=symbol, span=span, attempts=0)


def test_intervals_that_are_close_share_a_request_and_others_do_not() -> None:
    due = [
        pending("near", 2 * MINUTE, MINUTE),
        pending("first", 0 * MINUTE, MINUTE),
        pending("far", CANDLES_A_REQUEST * MINUTE, MINUTE),
        pending("other symbol", 0 * MINUTE, MINUTE, "ETH/USDT"),
        pending("longer candles", 0 * MINUTE, timedelta(hours=6)),
    ]

    together = [[one.order_id for one in group] for group in _together(due)]

    assert together == [["first", "near"], ["far"], ["longer candles"], ["other symbol"]]


@given(
    st.lists(
        st.tuples(
            st.timedeltas(timedelta(), timedelta(days=9)),
            st.timedeltas(timedelta(), timedelta(days=9)),
            st.sampled_from(["BTC/USDT", "ETH/USDT"]),
        ),
        max_size=20,
    )
)
def test_each_interval_is_in_one_request_of_its_own_kind_and_none_is_too_long(
    rows: list[tuple[timedelta, timedelta, str]],
) -> None:
    due = [pending(str(number), *row) for number, row in enumerate(rows)]

    groups = list(_together(due))

    assert sorted(one.order_id for group in groups for one in group) == sorted(one.order_id for one in due)
    for group in groups:
        assert len({(one.symbol, one.span.length) for one in group}) == 1
        first = group[0].span.start_at
        assert first == min(one.span.start_at for one in group)
        assert max(one.span.end_at for one in group) - first <= CANDLES_A_REQUEST * group[0].span.length


def test_a_venue_is_asked_later_each_time_and_at_last_not_any_more() -> None:
    times = [_next_time(attempts, NOW) for attempts in range(MOST_ATTEMPTS)]

    asked = [at - NOW for at in times if at is not None]
    assert asked == sorted(asked)
    assert (asked[0], asked[-1], times[-1]) == (MINUTE, LONGEST_WAIT, None)
    assert timedelta(days=1) < sum(asked, timedelta()) < timedelta(days=2)
