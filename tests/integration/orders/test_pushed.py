"""What a venue pushes, beside polls: in any order, late, twice or never, the books end as the venue has it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from exchanges.streams.notes import StreamNotes
from exchanges.streams.source import OrderNews
from exchanges.streams.status import StreamState, StreamStatus
from models.reports import OrderReport, Trade, VenueStatus
from models.vocabulary import ChildStatus
from storage.attention import Watched
from storage.engine import write
from tasks import look, pushed, stream_health, track
from tasks.pushed import take_news, take_trades
from tasks.stream_health import ALERT_AFTER_S, tell
from tests.integration.orders.conftest import ON_SQLITE
from tests.support.runtime import Desk

HERE = Watched(venue="paper", account="main", symbol="BTC/USDT")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
PARTS = 4


def resting(desk: Desk, quantity: str = "0.04") -> str:
    """An order that rests below a market that stands still."""
    desk.venue.pause_market()
    order_id = desk.limit("-500", quantity=quantity)
    desk.work(order_id)
    assert desk.child(order_id).status is ChildStatus.ACCEPTED
    return order_id


def trade_some(desk: Desk, order_id: str, quantity: str = "0.01") -> None:
    """The market comes down to it for so much, and goes back."""
    child = desk.child(order_id)
    assert child.price is not None
    bid = desk.bid()
    desk.venue.set_price("BTC/USDT", str(child.price), quantity=quantity)
    desk.venue.set_price("BTC/USDT", str(bid))


def told(desk: Desk, order_id: str) -> list[Trade]:
    """What the stream tells of its trades: the very values of a poll, which the contract tests hold it to."""
    child = desk.child(order_id)
    assert child.venue_order_id is not None
    gateway = desk.runtime.gateways.get("paper", "main")
    return list(gateway.order_trades("BTC/USDT", child.venue_order_id, LONG_AGO))


def push(desk: Desk, trades: Sequence[Trade]) -> pushed.Taken:
    return take_trades(desk.runtime, "paper", "main", trades)


def news(desk: Desk, order_id: str, status: VenueStatus, filled: str) -> pushed.Taken:
    child = desk.child(order_id)
    assert child.venue_order_id is not None
    report = OrderReport(
        symbol="BTC/USDT",
        venue_order_id=child.venue_order_id,
        client_order_id=None,
        status=status,
        quantity=child.quantity,
        filled_quantity=Decimal(filled),
        filled_cost=None,
        price=child.price,
    )
    entry = OrderNews(symbol="BTC/USDT", venue_order_id=child.venue_order_id, report=report)
    return take_news(desk.runtime, "paper", "main", [entry])


@pytest.mark.parametrize("seed", range(2))
def test_events_and_polls_in_any_order_book_each_fill_once_and_end_in_the_venues_truth(desk: Desk, seed: int):
    chance = random.Random(seed)
    order_id = resting(desk, quantity="0.05")  # 0.01 more than it trades
    parts = PARTS
    for _ in range(14):
        move = chance.choice(["trade", "push", "push", "poll", "news"])
        if move == "trade" and parts:
            parts -= 1
            trade_some(desk, order_id)
        elif move == "push":
            events = told(desk, order_id)
            chance.shuffle(events)
            push(desk, events[: chance.randint(0, len(events))] * chance.randint(1, 2))
        elif move == "news":
            # Late, early and false ones: none may end it, open it again or book anything.
            before = desk.child(order_id)
            news(desk, order_id, chance.choice(list(VenueStatus)), chance.choice(["0", "0.01", "0.05"]))
            assert desk.child(order_id) == before
        elif move == "poll":
            desk.track()
        child = desk.child(order_id)
        assert sum((fill["quantity"] for fill in desk.fills(order_id)), Decimal(0)) == child.filled_quantity
    desk.cancel(order_id)
    desk.pump(lambda: desk.order(order_id).is_final)
    push(desk, told(desk, order_id))  # once more, after the end

    (theirs,) = desk.at_venue(order_id)
    assert {fill["venue_trade_id"] for fill in desk.fills(order_id)} == {
        str(trade["trade_id"]) for trade in theirs["trades"]
    }
    assert desk.child(order_id).filled_quantity == Decimal(theirs["executed"])
    assert desk.order(order_id).filled_quantity == Decimal(theirs["executed"])
    assert desk.held(order_id) == {}
    assert desk.alerts() == []
    desk.assert_books_match()


@ON_SQLITE
def test_a_fill_that_only_the_stream_told_is_booked_and_completes_the_order(desk: Desk):
    order_id = resting(desk)
    trade_some(desk, order_id, "0.04")

    taken = push(desk, told(desk, order_id))

    assert taken == pushed.Taken(booked=len(told(desk, order_id)))
    assert desk.end(order_id)[0] == "FILLED"
    assert push(desk, told(desk, order_id)) == pushed.Taken()
    desk.assert_books_match()


@ON_SQLITE
def test_a_smaller_fill_that_comes_after_a_greater_one_is_booked_too(desk: Desk):
    order_id = resting(desk)
    trade_some(desk, order_id, "0.005")
    trade_some(desk, order_id, "0.02")
    first, second = told(desk, order_id)

    push(desk, [second])
    push(desk, [first])

    assert desk.child(order_id).filled_quantity == Decimal("0.025")


@pytest.mark.parametrize(
    "status", [VenueStatus.CANCELED, VenueStatus.EXPIRED, VenueStatus.REJECTED, VenueStatus.FILLED], ids=str
)
@ON_SQLITE
def test_news_of_an_end_are_a_reason_to_look_and_end_nothing(desk: Desk, status: VenueStatus):
    order_id = resting(desk)
    before = desk.child(order_id)
    assert news(desk, order_id, status, "0") == pushed.Taken(look=frozenset({HERE}))
    assert desk.child(order_id) == before


@ON_SQLITE
def test_an_event_of_an_order_whose_create_is_not_answered_proves_nothing_and_the_lookup_books_it(desk: Desk):
    desk.venue.pause_market()
    desk.venue.arm({"kind": "drop", "when": "after", "method": "POST", "endpoint": "order", "count": 1})
    order_id = desk.place()
    desk.until_sent(order_id)
    child = desk.child(order_id)
    assert child.status in (ChildStatus.SUBMITTING, ChildStatus.UNKNOWN)
    (theirs,) = desk.at_venue(order_id)
    gateway = desk.runtime.gateways.get("paper", "main")
    events = gateway.order_trades("BTC/USDT", str(theirs["order_id"]), LONG_AGO)
    assert events

    assert push(desk, events) == pushed.Taken(look_later=frozenset({HERE}))

    assert desk.child(order_id) == child
    desk.pump(lambda: desk.order(order_id).is_final)
    assert desk.end(order_id)[0] == "FILLED"
    push(desk, events)
    assert len(desk.fills(order_id)) == len(events)
    desk.assert_books_match()


@ON_SQLITE
def test_an_event_of_nobodys_order_books_nothing(desk: Desk):
    order_id = resting(desk)
    trade_some(desk, order_id)
    events = [replace(trade, venue_order_id="999999") for trade in told(desk, order_id)]
    assert push(desk, events) == pushed.Taken(look_later=frozenset({HERE}))
    assert desk.fills(order_id) == []


@ON_SQLITE
def test_where_a_pushed_trade_may_have_other_digits_it_is_polled(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pushed, "stream_notes", lambda _: StreamNotes())
    order_id = resting(desk)
    trade_some(desk, order_id)
    assert push(desk, told(desk, order_id)) == pushed.Taken(look=frozenset({HERE}))
    assert desk.fills(order_id) == []
    desk.track()
    assert len(desk.fills(order_id)) == 1


# ---------------------------------------------------------------------------------------------------------- health

#: Times inside of which a machine may stand still, in seconds; a lease can be no longer than a minute.
LONG_S = 50.0


@pytest.fixture(autouse=True)
def _room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_health, "BELIEVED_S", LONG_S)
    monkeypatch.setattr(stream_health, "SETTLED_S", LONG_S)
    monkeypatch.setattr(look, "HINT_MS", round(LONG_S * 1000))


def status(since: datetime, state: StreamState = StreamState.LIVE) -> StreamStatus:
    return StreamStatus(
        state=state,
        since=since,
        heard_at=since,
        messages=1,
        reconnects=0,
        gaps=0,
        fills=0,
        lag_ms=None,
        error="cut" if state is StreamState.DOWN else None,
    )


def say(desk: Desk, state: StreamState = StreamState.LIVE, *, for_s: float = LONG_S) -> None:
    with write(desk.engine) as conn:
        since = desk.runtime.now() - timedelta(seconds=for_s)
        tell(conn, desk.runtime, ("paper", "main"), status(since, state))


@pytest.fixture
def started(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> list[Watched]:
    """A desk whose paper venue streams; the looks that ``watch`` starts."""
    looks: list[Watched] = []
    venue = desk.runtime.settings.venues["paper"].model_copy(update={"streams": True, "stream_poll_ms": 60_000})
    desk.runtime.settings = desk.runtime.settings.model_copy(update={"venues": {"paper": venue}})
    monkeypatch.setattr(track, "look_now", lambda _, place: looks.append(place) is None)
    return looks


@ON_SQLITE
def test_polling_is_slower_while_a_stream_is_healthy_and_in_its_rhythm_again_when_nobody_says_so(
    desk: Desk, started: list[Watched]
):
    resting(desk)
    track.watch(desk.runtime)
    track.watch(desk.runtime)
    assert started == [HERE, HERE]

    say(desk)
    for _ in range(3):
        track.watch(desk.runtime)
    assert started == [HERE] * 3  # one in its time

    desk.runtime.advance(LONG_S + 1)  # the process that streams was killed
    track.watch(desk.runtime)
    track.watch(desk.runtime)
    assert started == [HERE] * 5


@pytest.mark.parametrize(
    ("state", "for_s"),
    [(StreamState.DOWN, LONG_S), (StreamState.CONNECTING, LONG_S), (StreamState.LIVE, LONG_S / 2)],
    ids=["down", "connecting", "live-for-a-moment"],
)
@ON_SQLITE
def test_a_stream_that_is_not_surely_up_slows_nothing(
    desk: Desk, started: list[Watched], state: StreamState, for_s: float
):
    resting(desk)
    say(desk, state, for_s=for_s)
    track.watch(desk.runtime)
    track.watch(desk.runtime)
    assert started == [HERE, HERE]


@ON_SQLITE
def test_a_stream_that_is_down_for_long_is_alerted_once(desk: Desk):
    say(desk, StreamState.DOWN, for_s=ALERT_AFTER_S / 2)
    assert desk.alerts() == []
    since = desk.runtime.now() - timedelta(seconds=ALERT_AFTER_S)
    for _ in range(2):
        with write(desk.engine) as conn:
            tell(conn, desk.runtime, ("paper", "main"), status(since, StreamState.DOWN))
    assert desk.alerts() == ["STREAM_DOWN"]


@ON_SQLITE
def test_a_process_that_tells_nothing_any_more_is_alerted_once(desk: Desk, started: list[Watched]):
    del started
    say(desk)
    stream_health.alert_silent(desk.runtime)
    assert desk.alerts() == []
    desk.runtime.advance(ALERT_AFTER_S)
    for _ in range(2):
        track.watch(desk.runtime)
    assert desk.alerts() == ["STREAM_DOWN"]


@ON_SQLITE
def test_one_process_streams_an_account_and_another_when_it_is_gone(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    place = ("paper", "main")
    first = desk.runtime.owner
    with write(desk.engine) as conn:
        assert stream_health.is_ours(conn, desk.runtime, place)
    monkeypatch.setattr(desk.runtime, "owner", "another")
    with write(desk.engine) as conn:
        assert not stream_health.is_ours(conn, desk.runtime, place)
    monkeypatch.setattr(desk.runtime, "owner", first)
    with write(desk.engine) as conn:
        stream_health.end_stream(conn, desk.runtime, place, status(desk.runtime.now()))
    monkeypatch.setattr(desk.runtime, "owner", "another")
    with write(desk.engine) as conn:
        assert stream_health.is_ours(conn, desk.runtime, place)


@ON_SQLITE
def test_a_look_under_way_is_not_doubled(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    sent: list[dict[str, str]] = []
    monkeypatch.setattr(look.app, "send_task", lambda *_, kwargs, **__: sent.append(kwargs))
    assert look.look_now(desk.runtime, HERE)
    assert not look.look_now(desk.runtime, HERE)  # the hint holds for seconds, or until its look has ended
    assert len(sent) == 1
    desk.track()
    assert look.look_now(desk.runtime, HERE)
