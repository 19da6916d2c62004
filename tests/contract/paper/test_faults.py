"""Each fault does what the plan says, and the journal knows what really happened."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import ccxt
import pytest
import requests

from exchanges.paper.journal import read_faults, read_orders, read_requests
from tests.support.paper import PaperProcess
from tests.support.paper_api import Answer, PaperApi

POST_ORDER = {"method": "POST", "endpoint": "order"}


def place(api: PaperApi, client_id: str = "x", **more: Any) -> Answer | type[Exception]:
    """The answer, or what kind of exception the client got instead."""
    try:
        return api.order("BUY", "0.01", "50000", newClientOrderId=client_id, **more)
    except requests.exceptions.RequestException as error:
        return type(error)


def eventually(check: Callable[[], bool], within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not check():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


# rule -> what the client sees (a status, or None for a broken connection), and whether the order exists
STRIKES: dict[str, tuple[dict[str, Any], int | None, bool]] = {
    "drop before": ({"kind": "drop"}, None, False),
    "drop after": ({"kind": "drop", "when": "after"}, None, True),
    "reset before": ({"kind": "reset"}, None, False),
    "reset after": ({"kind": "reset", "when": "after"}, None, True),
    "503 before": ({"kind": "error"}, 503, False),
    "502 after": ({"kind": "error", "when": "after", "status": 502}, 502, True),
    "429": ({"kind": "rate_limited", "retry_after_s": 7}, 429, False),
    "418": ({"kind": "rate_limited", "status": 418, "retry_after_s": 120}, 418, False),
    "outage that closes": ({"kind": "outage", "duration_ms": 60_000}, None, False),
    "outage that answers": ({"kind": "outage", "form": "error", "duration_ms": 60_000}, 503, False),
    "outage that resets": ({"kind": "outage", "form": "reset", "duration_ms": 60_000}, None, False),
    "latency": ({"kind": "latency", "delay_ms": [10, 50]}, 200, True),
    "latency after": ({"kind": "latency", "delay_ms": 20, "when": "after"}, 200, True),
    "empty": ({"kind": "unreadable", "form": "empty"}, 200, True),
    "garbage": ({"kind": "unreadable", "form": "garbage"}, 200, True),
    "html": ({"kind": "unreadable", "form": "html"}, 200, True),
    "truncated": ({"kind": "unreadable", "form": "truncated"}, 200, True),
    "without an id": ({"kind": "unreadable", "form": "no_id"}, 200, True),
    "cut off": ({"kind": "unreadable", "form": "cut"}, None, True),
    "drip": ({"kind": "drip", "piece_bytes": 100, "piece_ms": 5}, 200, True),
    "late": ({"kind": "late", "delay_ms": 50}, None, True),
    "late, reset": ({"kind": "late", "delay_ms": 50, "form": "reset"}, None, True),
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperProcess]:
    """One venue for the whole table: each case has its own client id."""
    with PaperProcess(tmp_path_factory.mktemp("venue")) as process:
        process.pause_market()
        yield process


@pytest.mark.parametrize("case", STRIKES)
def test_strike_shows_and_happens_as_planned(shared: PaperProcess, case: str) -> None:
    rule, status, exists = STRIKES[case]
    client_id = f"case-{list(STRIKES).index(case)}"

    def orders() -> list[str]:
        return [order.client_order_id for order in read_orders(shared.home) if order.client_order_id == client_id]

    shared.arm({**POST_ORDER, **rule})
    with PaperApi(shared.url) as api:
        answer = place(api, client_id)
        shared.disarm()

        assert (answer.status if isinstance(answer, Answer) else None) == status
        if exists:
            eventually(lambda: len(orders()) == 1)
        assert len(orders()) == exists
        struck = [fault for fault in read_faults(shared.home) if fault.client_order_id == client_id]
        assert [fault.kind for fault in struck] == [rule["kind"]]
        assert api.find(client_id).code == (0 if exists else -2013)


def test_rate_limit_says_when_to_come_back(venue: PaperProcess, api: PaperApi) -> None:
    venue.arm({**POST_ORDER, "kind": "rate_limited", "retry_after_s": 7})

    answer = place(api)

    assert isinstance(answer, Answer)
    assert (answer.code, answer.headers["Retry-After"]) == (-1003, "7")


def test_gateway_timeout_is_binances_unknown_outcome(venue: PaperProcess, api: PaperApi) -> None:
    venue.arm({**POST_ORDER, "kind": "error", "when": "after", "status": 504})

    answer = place(api)

    assert isinstance(answer, Answer)
    assert (answer.status, answer.code) == (504, -1007)
    assert len(venue.orders()) == 1


def test_body_without_an_id_parses_and_says_nothing(venue: PaperProcess, binance: ccxt.binance) -> None:
    venue.arm({**POST_ORDER, "kind": "unreadable", "form": "no_id"})

    order = binance.create_order("BTC/USDT", "limit", "buy", 0.01, 50_000)

    assert order["id"] is None
    assert len(venue.orders()) == 1


def test_late_acceptance_past_the_window_is_refused(venue: PaperProcess, api: PaperApi) -> None:
    venue.arm({**POST_ORDER, "kind": "late", "delay_ms": 1200})
    tries = 1
    while isinstance(answer := place(api, recvWindow=600), Answer):
        assert answer.code == -1021, "a machine that stood still for longer than the window has it refused at the door"
        tries += 1

    assert answer is requests.exceptions.ConnectionError
    eventually(lambda: len(read_requests(venue.home)) == tries)
    assert {(request.code, request.client_order_id) for request in read_requests(venue.home)} == {(-1021, "x")}
    assert venue.orders() == []


def test_latency_past_the_window_is_refused_too(venue: PaperProcess, api: PaperApi) -> None:
    venue.arm({**POST_ORDER, "kind": "latency", "delay_ms": 400})

    answer = place(api, recvWindow=200)

    assert isinstance(answer, Answer)
    assert answer.code == -1021


def test_lagging_reads_show_a_new_order_later(venue: PaperProcess, api: PaperApi) -> None:
    place(api, "plain")

    def looks() -> tuple[bool, bool, bool]:
        """Whether it is shown among the trades, among all orders, and by its id, asked last."""
        traded = number in {trade["orderId"] for trade in api.my_trades()}
        listed = number in {row["orderId"] for row in api.signed("GET", "allOrders", symbol="BTCUSDT").body}
        return traded, listed, api.find(name).code == 0

    for lag_ms in (1_500, 6_000, 30_000):  # the longer ones for a machine that stood still meanwhile
        name = f"lagging-{lag_ms}"
        venue.arm({**POST_ORDER, "kind": "lag", "lag_ms": lag_ms, "count": 1})
        number = api.order("BUY", "0.01", newClientOrderId=name).body["orderId"]
        first_look = looks()
        if not first_look[-1]:
            break

    assert first_look == (False, False, False)
    eventually(lambda: looks() == (True, True, True))
    assert api.find("plain").code == 0


def test_order_that_reads_do_not_show_can_be_cancelled(venue: PaperProcess, api: PaperApi) -> None:
    venue.arm({**POST_ORDER, "kind": "drop", "when": "after", "lag_ms": 60_000})
    place(api)

    assert api.find("x").code == -2013
    assert api.signed("GET", "openOrders").body == []
    assert api.cancel("x").body["status"] == "CANCELED"


def test_outage_that_refuses_connections_ends(venue: PaperProcess, api: PaperApi) -> None:
    def refused() -> bool:
        try:
            api.session.close()
            api.public("time")
        except requests.exceptions.ConnectionError as error:
            return "Connection refused" in str(error)
        return False

    def refused_within(duration_s: float) -> bool:
        give_up_at = time.monotonic() + duration_s
        while time.monotonic() < give_up_at:
            if refused():
                return True
        return False

    for duration_ms in (1_500, 6_000, 20_000):  # the longer ones for a machine that stands still for one of them
        venue.arm({"kind": "outage", "form": "refuse", "duration_ms": duration_ms})
        if refused_within(duration_ms / 1000):
            break
        eventually(lambda: not refused())
    else:
        pytest.fail("nobody was refused")
    eventually(lambda: not refused())
    assert isinstance(place(api), Answer)


def test_only_matching_requests_are_struck(venue: PaperProcess, api: PaperApi) -> None:
    venue.arm({**POST_ORDER, "kind": "error", "client_id": "bad-*", "count": 1, "skip": 1})

    seen = [place(api, name).status for name in ("good-1", "bad-1", "bad-2", "bad-3")]  # type: ignore[union-attr]

    assert seen == [200, 200, 503, 200]


def test_same_seed_strikes_the_same_requests(start_venue: Callable[..., PaperProcess]) -> None:
    plan = [{**POST_ORDER, "kind": "error", "probability": 0.5}]

    def run(seed: int) -> list[int]:
        with PaperApi(start_venue(seed=seed, faults=plan).url) as api:
            return [place(api, f"n{n}").status for n in range(30)]  # type: ignore[union-attr]

    first, again, otherwise = run(3), run(3), run(4)

    assert first == again != otherwise
    assert {200, 503} == set(first)


def test_disarmed_rule_strikes_no_more(venue: PaperProcess, api: PaperApi) -> None:
    venue.arm({"kind": "error", "name": "one"}, {"kind": "error", "name": "two", "endpoint": "time"})
    venue.disarm("one")

    assert isinstance(place(api), Answer)
    assert api.public("time").status == 503


BAD_PLANS = [
    ({"kind": "explode"}, "kind must be one of"),
    ({"kind": "drop", "status": 500}, "'status' does not belong here"),
    ({"kind": "latency", "delay_ms": "soon"}, "delay_ms must be milliseconds"),
    ({"kind": "latency", "delay_ms": [5, 1]}, "delay_ms must be milliseconds"),
    ({"kind": "drop", "probability": 2}, "probability must be 0 to 1"),
    ({"kind": "drop", "when": "during"}, "when must be before or after"),
    ({"kind": "unreadable", "form": "blank"}, "form must be one of"),
    ({"kind": "outage"}, "duration_ms must be over 0"),
    ({"kind": "drop", "count": -1}, "must be numbers of 0 or more"),
]


@pytest.mark.parametrize(("rule", "sentence"), BAD_PLANS)
def test_plan_that_makes_no_sense_is_refused_with_a_sentence(rule: dict[str, Any], sentence: str) -> None:
    from exchanges.paper.faults import BadPlan, parse_plan

    with pytest.raises(BadPlan, match=sentence):
        parse_plan([rule])
