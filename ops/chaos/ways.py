"""The ways of an order: what is asked for, what the market does, and how it must end. Each leads past certain stages."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ops.chaos.trial import Trial

#: callers at once with the same key
CLIENTS = 64

#: of an order that is to be tried again
_ATTEMPTS = 3

_SYMBOL = "BTCUSDT"
_BELOW = "61000"
_FAR_BELOW = "60990"

#: what an order at _BELOW is amended to: the price between the two, so that the market reaches the old one first
_LOWER, _BETWEEN = "60995", "60998"
_OTHER_SIZES = ("0.0006", "0.0015")

_FILLED = frozenset({"FILLED"})
_CANCELED = frozenset({"CANCELED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """``go`` places the order and does what it needs; it returns the request, or nothing where none was sent by HTTP."""

    go: "Callable[[Trial], dict[str, Any]]"
    ends: frozenset[str]
    #: rules of the venue that lead onto this way
    venue_faults: tuple[Mapping[str, Any], ...] = ()
    #: stages armed to lead onto this way
    armed: Mapping[str, str] = field(default_factory=dict)
    #: how it ends where its own time was over before all of it was sent: a slow machine, and no defect
    ends_late: str = ""
    #: what must hold of the document of an order that went this way, besides what holds of any; each is a sentence
    check: "Callable[[Mapping[str, Any]], Iterator[str]] | None" = None
    means: str = ""


def _place(trial: "Trial", **changes: Any) -> dict[str, Any]:
    request = trial.request(**changes)
    trial.post(request)
    return request


def _market(trial: "Trial") -> dict[str, Any]:
    return _place(trial)


def _resting(trial: "Trial") -> dict[str, Any]:
    request = _place(trial, side="buy", price=_BELOW)
    trial.wait(trial.rests, "the order rests at the venue")
    return request


def _filled_in_two(trial: "Trial") -> dict[str, Any]:
    request = _resting(trial)
    trial.lane.tell_venue("price", {"symbol": _SYMBOL, "price": _FAR_BELOW, "quantity": "0.0004"})
    trial.wait(lambda: trial.filled() or trial.status() == "FILLED", "the first part is booked")
    trial.lane.tell_venue("price", {"symbol": _SYMBOL, "price": _FAR_BELOW})
    return request


def _canceled(trial: "Trial") -> dict[str, Any]:
    request = _resting(trial)
    trial.cancel()
    return request


def _canceled_in_part(trial: "Trial") -> dict[str, Any]:
    request = _resting(trial)
    trial.lane.tell_venue("price", {"symbol": _SYMBOL, "price": _FAR_BELOW, "quantity": "0.0004"})
    trial.cancel()
    return request


def _canceled_at_once(trial: "Trial") -> dict[str, Any]:
    """The cancel meets the order wherever it is."""
    request = _place(trial, side="buy", price=_BELOW)
    trial.cancel()
    return request


def _expiring(trial: "Trial") -> dict[str, Any]:
    expires_at = datetime.now(UTC) + timedelta(seconds=1.5 * trial.lane.pace)
    return _place(trial, side="buy", price=_BELOW, expires_at=expires_at.isoformat())


def _too_large(trial: "Trial") -> dict[str, Any]:
    return _place(trial, side="sell", quantity="200")


def _by_message(trial: "Trial") -> dict[str, Any]:
    request = trial.request()
    trial.send_task("orders.submit", "orders", request=request)
    trial.wait(trial.order_id, "the message is taken in")
    trial.order_ids.add(str(trial.order_id()))
    return request


def _canceled_by_message(trial: "Trial") -> dict[str, Any]:
    request = _resting(trial)
    trial.send_task("orders.cancel", "orders", client_order_id=trial.key, account=trial.account)
    return request


def _canceled_first(trial: "Trial") -> dict[str, Any]:
    """The cancel comes before the order."""
    trial.send_task("orders.cancel", "orders", client_order_id=trial.key, account=trial.account)
    trial.wait(trial.is_remembered, "the cancel is remembered")
    return _place(trial)


def _first_use(trial: "Trial") -> dict[str, Any]:
    """The first order of a venue account, whose books are opened for it."""
    trial.account = trial.lane.fresh_account()
    return _place(trial)


def _many_callers(trial: "Trial") -> dict[str, Any]:
    """The same request from many at a time."""
    import requests

    request = trial.request()
    url = f"{trial.lane.api_url}/v1/orders"

    def call() -> None:
        try:
            answer = requests.post(url, json=request, timeout=10)
            if answer.status_code in (200, 201):
                trial.order_ids.add(answer.json()["id"])
        except (requests.RequestException, ValueError):
            pass  # no answer: whoever called would ask again, as the lane does below

    callers = [threading.Thread(target=call) for _ in range(CLIENTS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        while caller.is_alive():
            trial.look()
            caller.join(0.05)
    trial.post(request)
    return request


def _messages_thrice(trial: "Trial") -> dict[str, Any]:
    """Every step's message three times more, in no order."""
    request = _place(trial)
    order_id = str(trial.order_id())
    steps = [
        ("orders.prepare", "venue"),
        ("orders.validate", "steps"),
        ("orders.commit", "venue"),
        ("orders.settle", "venue"),
    ]
    many = steps * 3
    random.Random(trial.key).shuffle(many)
    for task, queue in many:
        trial.send_task(task, queue, order_id=order_id)
    return request


def _twap(trial: "Trial", *, slices: int, every_s: float, **changes: str) -> dict[str, Any]:
    """The first slices are one wave (``windows.PATIENCE`` says how far ahead), those after them another."""
    algorithm = {"name": "twap", "duration_s": f"{slices * every_s * trial.lane.pace:.3f}", "slices": slices}
    return _place(trial, algorithm=algorithm, **changes)


def _sliced(trial: "Trial") -> dict[str, Any]:
    return _twap(trial, slices=3, every_s=1.5)


def _halted(trial: "Trial") -> dict[str, Any]:
    """A slice that was planned before the halt comes due during it."""
    request = _twap(trial, slices=5, every_s=1.2)
    trial.wait(trial.sent, "the first slice is sent")
    trial.tell("/v1/halt", {"venue": "paper"})
    until = time.monotonic() + 2.5 * trial.lane.pace
    trial.wait(lambda: trial.dropped() or time.monotonic() >= until, "a slice is dropped")
    trial.tell("/v1/resume", {"venue": "paper"}, done="NOT_HALTED")
    return request


def _retried(trial: "Trial") -> dict[str, Any]:
    """There is something to have at its price for the first attempt and for none after it."""
    trial.stand_still(asks=[["62000", "0.0004"], ["62005", "50"]])
    policy = {"name": "retry_remaining", "max_attempts": _ATTEMPTS, "delay_s": f"{0.2 * trial.lane.pace:.3f}"}
    return _place(trial, side="buy", price="62000", time_in_force="IOC", fill_policy=policy)


def _filled_in_part(trial: "Trial", timeout: Mapping[str, Any]) -> dict[str, Any]:
    """It rests, a part of it fills, and nothing more comes by itself."""
    trial.stand_still()
    policy = {**timeout, "timeout_s": f"{0.5 * trial.lane.pace:.3f}"}
    request = _place(trial, side="buy", price=_BELOW, fill_policy=policy)
    trial.wait(trial.rests, "the order rests at the venue")
    trial.lane.tell_venue("price", {"symbol": _SYMBOL, "price": _FAR_BELOW, "quantity": "0.0004"})
    return request


def _timed_out(trial: "Trial") -> dict[str, Any]:
    return _filled_in_part(trial, {"name": "wait_for_complete", "then": "accept"})


def _repriced(trial: "Trial") -> dict[str, Any]:
    """The market comes while an attempt rests, or between two of them."""
    policy = {"name": "cancel_and_retry", "max_attempts": 100, "reprice": "cross"}
    request = _filled_in_part(trial, policy)
    trial.wait(lambda: trial.attempts() > 1 or trial.status() == "FILLED", "a second attempt is planned")
    trial.lane.tell_venue("pause-market", {"paused": False})
    trial.lane.tell_venue("price", {"symbol": _SYMBOL, "price": _FAR_BELOW})
    return request


def _amend(trial: "Trial", expected: str = "DONE", **change: str) -> None:
    """While the answer to it is on its way a part fills, if it still rests where it was."""
    trial.amend(change)
    trial.lane.tell_venue("price", {"symbol": _SYMBOL, "price": _BETWEEN, "quantity": "0.0002"})
    trial.wait(trial.amendment_is_decided, "the amendment is decided")
    found = trial.amendment()
    if found not in (
        expected,
        "REFUSED ORDER_ENDED",
        "",
    ):  # a venue that was killed comes back with a market that moves
        trial.problems.append(f"what became of the amendment is {found}, and this way leads to {expected}")
    trial.lane.tell_venue("pause-market", {"paused": False})
    trial.lane.tell_venue("price", {"symbol": _SYMBOL, "price": _FAR_BELOW})


def _amended(trial: "Trial", *, expected: str = "DONE") -> dict[str, Any]:
    trial.stand_still()
    request = _resting(trial)
    _amend(trial, expected, quantity=trial.rng.choice(_OTHER_SIZES), price=_LOWER)
    return request


def _amend_refused(trial: "Trial") -> dict[str, Any]:
    return _amended(trial, expected="REFUSED VENUE_REJECTED")


def _amended_slices(trial: "Trial") -> dict[str, Any]:
    """What rests of a schedule is ended and sent anew at the new price."""
    trial.stand_still()
    request = _twap(trial, slices=3, every_s=1.5, side="buy", price=_BELOW)
    trial.wait(trial.rests, "the first slice rests at the venue")
    _amend(trial, price=_LOWER)
    return request


def _each_slice_once(document: Mapping[str, Any]) -> Iterator[str]:
    for child in document["child_orders"]:
        if child["attempt"] != 1:
            yield f"slice {child['slice']} has an attempt {child['attempt']}, and no policy asked for one"
        if child["sent_at"] is not None and child["status"] != "FILLED":
            yield f"slice {child['slice']} was sent, and ended {child['status']}"


def _all_attempts(document: Mapping[str, Any]) -> Iterator[str]:
    """An order that ended short was tried as often as its policy says."""
    sent = [child for child in document["child_orders"] if child["sent_at"] is not None]
    if Decimal(document["remaining_quantity"]) and len(sent) != _ATTEMPTS:
        yield f"it ended {document['status']} after {len(sent)} of {_ATTEMPTS} attempts"


def _as_before(document: Mapping[str, Any]) -> Iterator[str]:
    if (document["quantity"], document["price"]) != ("0.001", _BELOW):
        yield f"its amendment was refused, and it is for {document['quantity']} at {document['price']}"


def _ended_by_its_time(document: Mapping[str, Any]) -> Iterator[str]:
    wanted = "PARTIAL_ACCEPTED" if Decimal(document["filled_quantity"]) else "TIMEOUT"
    code = (document["reason"] or {}).get("code")
    if document["status"] == "CANCELED" and code != wanted:
        yield f"it ended CANCELED with the reason {code}, and its fill policy calls that {wanted}"


_POST = {"method": "POST", "endpoint": "order", "count": 1}

WAYS: Mapping[str, Way] = {
    "market": Way(go=_market, ends=_FILLED, means="a market order that meets three levels"),
    "filled_in_two": Way(go=_filled_in_two, ends=_FILLED, means="a limit order rests and fills in two parts"),
    "canceled": Way(go=_canceled, ends=_CANCELED, means="a limit order rests and is cancelled"),
    "canceled_in_part": Way(
        go=_canceled_in_part, ends=frozenset({"CANCELED", "FILLED"}), means="a part fills while the cancel is on its way"
    ),
    "canceled_at_once": Way(go=_canceled_at_once, ends=_CANCELED, means="the cancel follows at once"),
    "expiring": Way(go=_expiring, ends=frozenset({"EXPIRED"}), means="its time is over while it rests"),
    "too_large": Way(go=_too_large, ends=frozenset({"DENIED"}), means="more than there is"),
    "by_message": Way(go=_by_message, ends=_FILLED, means="placed through the broker"),
    "canceled_by_message": Way(go=_canceled_by_message, ends=_CANCELED, means="cancelled through the broker"),
    "canceled_first": Way(go=_canceled_first, ends=_CANCELED, means="the cancel comes before the order"),
    "first_use": Way(go=_first_use, ends=_FILLED, means="the first order of a venue account"),
    "many_callers": Way(go=_many_callers, ends=_FILLED, means=f"{CLIENTS} callers with one key"),
    "messages_thrice": Way(go=_messages_thrice, ends=_FILLED, means="every step's message comes three times more"),
    "request_lost": Way(
        go=_market, ends=_FILLED, venue_faults=({"kind": "drop", "when": "before", **_POST},),
        means="the request is lost: proven absent, sent again",
    ),
    "reply_lost": Way(
        go=_market, ends=_FILLED, venue_faults=({"kind": "drop", "when": "after", **_POST},),
        means="the answer is lost: found by lookup",
    ),
    "lookup_unheard": Way(
        go=_market, ends=_FILLED,
        venue_faults=(
            {"kind": "drop", "when": "after", **_POST},
            # No drop: a read that meets a connection closed meanwhile is asked again at once.
            {"kind": "error", "when": "before", "status": 503, "method": "GET", "endpoint": "order", "count": 1},
        ),
        means="the answer is lost, and the first lookup is not answered",
    ),
    "rejected": Way(
        go=_market, ends=frozenset({"REJECTED"}),
        venue_faults=(
            {"kind": "error", "when": "before", "status": 400, "code": -2010, "msg": "Account has insufficient balance for requested action.", **_POST, "count": None},
        ),
        means="the venue says no, each time it is asked",
    ),
    "slow_answer": Way(
        go=_market, ends=_FILLED, venue_faults=({"kind": "latency", "when": "after", "delay_ms": 600, **_POST},),
        means="the venue takes most of a lease to answer",
    ),
    "reads_fail": Way(
        go=_market, ends=_FILLED, venue_faults=({"kind": "drop", "method": "GET", "count": 2},),
        means="the first reads fail",
    ),
    "cancel_unheard": Way(
        go=_canceled, ends=_CANCELED,
        venue_faults=(
            {"kind": "error", "when": "before", "status": 503, "method": "DELETE", "endpoint": "order", "count": 1},
        ),
        means="the venue does not hear the first cancel",
    ),
    "sliced": Way(
        go=_sliced, ends=_FILLED, ends_late="SCHEDULE_OVER", check=_each_slice_once,
        means="a twap of three slices in two waves",
    ),
    "halted": Way(
        go=_halted, ends=_FILLED, ends_late="SCHEDULE_OVER", check=_each_slice_once,
        means="a twap is halted in the middle, and goes on",
    ),
    # A venue that was killed comes back with a market that moves: then they fill.
    "retried": Way(
        go=_retried, ends=frozenset({"EXPIRED", "FILLED"}), check=_all_attempts,
        means="an IOC order fills in part, and its rest is tried twice more",
    ),
    "timed_out": Way(
        go=_timed_out, ends=frozenset({"CANCELED", "FILLED"}), check=_ended_by_its_time,
        means="a part fills, then its fill policy's time is over",
    ),
    "repriced": Way(
        go=_repriced, ends=_FILLED, means="a part fills, and its rest is cancelled and sent anew until the market comes"
    ),
    "amended": Way(
        go=_amended, ends=_FILLED, means="it is amended where it rests, while a part of it may fill"
    ),
    "amended_slices": Way(
        go=_amended_slices, ends=_FILLED, ends_late="SCHEDULE_OVER",
        means="a twap that rests gets another price: what rests is ended and sent anew",
    ),
    "amend_unheard": Way(
        go=_amended_slices, ends=_FILLED, ends_late="SCHEDULE_OVER",
        venue_faults=(
            {"kind": "error", "when": "before", "status": 503, "method": "DELETE", "endpoint": "order", "count": 1},
        ),
        means="the venue does not hear the cancel that an amendment needs",
    ),
    "amend_refused": Way(
        go=_amend_refused, ends=_FILLED, check=_as_before,
        venue_faults=(
            {"kind": "error", "when": "before", "status": 400, "code": -2010, "msg": "Account has insufficient balance for requested action.", "method": "PUT", "endpoint": "order/amend/keepPriority", "count": None},
        ),
        means="the venue refuses to amend, and the order stands as before",
    ),
    "orphaned": Way(
        go=_market, ends=_FILLED, armed={"commit.sending": "1*kill"}, means="its sender was killed: rescue takes it up"
    ),
}  # fmt: skip
