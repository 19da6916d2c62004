"""What the oracle reads from the order of events in the venue's log: how much was there at any time, and which attempts at once."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from exchanges.paper.events import Accepted, Amended, Deposited, Ended, Event, Listed, Traded
from exchanges.paper.journal_file import Journal
from ops.chaos.oracle import at_any_time
from ops.chaos.venue_log import VenueLog
from ops.chaos.ways import WAYS

LOT = 100_000  # 0.001 in 1e-8
OPENING = (
    Listed(symbol="BTCUSDT", base="BTC", quote="USDT"),
    Deposited(account="main", asset="USDT", amount_e8=1_000_000 * 10**8),
)


def accepted(number: int, client_id: str, lots: int) -> Accepted:
    return Accepted(
        symbol="BTCUSDT", order_id=number, account="main", client_order_id=client_id, side="BUY", type="LIMIT",
        time_in_force="GTC", quantity_e8=lots * LOT, price_e8=62_000 * 10**8,
    )  # fmt: skip


def traded(number: int, trade_id: int, lots: int) -> Traded:
    return Traded(
        symbol="BTCUSDT", trade_id=trade_id, price_e8=62_000 * 10**8, quantity_e8=lots * LOT, taker_order_id=0,
        maker_order_id=number, taker_buys=False,
    )  # fmt: skip


def ended(number: int) -> Ended:
    return Ended(symbol="BTCUSDT", order_id=number, status="CANCELED")


def log_of(home: Path, *events: Event) -> VenueLog:
    journal = Journal(home)
    journal.append([(1_000, event) for event in (*OPENING, *events)])
    journal.close()
    log = VenueLog(home)
    log.catch_up()
    return log


def document(*children: tuple[int, int, str]) -> dict[str, Any]:
    """Of (slice, attempt, client id)."""
    return {
        "child_orders": [
            {"slice": number, "attempt": attempt, "venue_client_order_id": client_id}
            for number, attempt, client_id in children
        ]
    }


def problems(log: VenueLog, *children: tuple[int, int, str], most: str = "0.003") -> Sequence[str]:
    return list(at_any_time("key", document(*children), log, Decimal(most)))


def test_attempts_one_after_the_other_are_no_problem(tmp_path: Path) -> None:
    log = log_of(tmp_path, accepted(1, "a", 3), traded(1, 1, 1), ended(1), accepted(2, "b", 2), traded(2, 2, 2))

    assert problems(log, (0, 1, "a"), (0, 2, "b")) == []
    assert [(span.since, span.until) for span in log.spans("a")] == [(3, 5)]
    assert [(span.since, span.until) for span in log.spans("b")] == [(6, 7)]


def test_an_attempt_before_the_former_has_ended_is_found(tmp_path: Path) -> None:
    log = log_of(tmp_path, accepted(1, "a", 1), accepted(2, "b", 1), ended(1))

    assert problems(log, (0, 1, "a"), (0, 2, "b")) == ["key: two attempts of slice 0 were open at the venue at once"]


def test_an_attempt_beside_one_that_never_ends_is_found(tmp_path: Path) -> None:
    log = log_of(tmp_path, accepted(1, "a", 1), accepted(2, "b", 1))

    assert any("at once" in problem for problem in problems(log, (0, 1, "a"), (0, 2, "b")))


def test_slices_may_be_open_beside_each_other(tmp_path: Path) -> None:
    log = log_of(tmp_path, accepted(1, "a", 1), accepted(2, "b", 1))

    assert problems(log, (0, 1, "a"), (1, 1, "b")) == []


def test_more_than_the_order_at_one_moment_is_found_though_it_came_to_less_in_the_end(tmp_path: Path) -> None:
    log = log_of(tmp_path, accepted(1, "a", 2), accepted(2, "b", 2), ended(1), traded(2, 1, 2))

    assert problems(log, (0, 1, "a"), (1, 1, "b")) == [
        "key: at step 4 of the venue's log 0.004 had traded or could, for an order of 0.003"
    ]


def test_what_had_traded_counts_after_the_end(tmp_path: Path) -> None:
    log = log_of(tmp_path, accepted(1, "a", 3), traded(1, 1, 2), ended(1), accepted(2, "b", 2))

    assert any("0.004" in problem for problem in problems(log, (0, 1, "a"), (0, 2, "b")))


def test_an_order_that_was_raised_at_the_venue_counts_as_it_is_then(tmp_path: Path) -> None:
    raised = Amended(symbol="BTCUSDT", order_id=1, quantity_e8=4 * LOT, price_e8=62_000 * 10**8, to_the_back=True)
    log = log_of(tmp_path, accepted(1, "a", 3), raised)

    assert any("0.004" in problem for problem in problems(log, (0, 1, "a")))
    assert problems(log, (0, 1, "a"), most="0.004") == []


def test_one_id_that_was_taken_twice_counts_twice(tmp_path: Path) -> None:
    log = log_of(tmp_path, accepted(1, "a", 2), accepted(2, "a", 2))

    assert any("0.004" in problem for problem in problems(log, (0, 1, "a")))


def test_an_attempt_that_is_missing_among_ours_is_found(tmp_path: Path) -> None:
    log = log_of(tmp_path, accepted(1, "a", 1), ended(1))

    assert problems(log, (0, 1, "a"), (0, 3, "b")) == ["key: slice 0 has the attempts [1, 3]"]


def child(status: str = "FILLED", attempt: int = 1, *, sent: bool = True) -> dict[str, Any]:
    return {"slice": 0, "attempt": attempt, "status": status, "sent_at": "2026-01-01" if sent else None}


def said(way: str, **of_the_document: Any) -> Sequence[str]:
    check = WAYS[way].check
    assert check is not None
    return list(check(of_the_document))


def test_a_slice_of_a_schedule_is_sent_once_and_filled() -> None:
    assert said("sliced", child_orders=[child(), child("CANCELED", sent=False)]) == []
    assert said("sliced", child_orders=[child("CANCELED")])
    assert said("sliced", child_orders=[child(), child(attempt=2)])


def test_an_order_that_is_to_be_retried_has_all_its_attempts_unless_it_filled() -> None:
    three = [child("EXPIRED", attempt) for attempt in (1, 2, 3)]

    assert said("retried", status="EXPIRED", remaining_quantity="0.0006", child_orders=three) == []
    assert said("retried", status="FILLED", remaining_quantity="0", child_orders=three[:1]) == []
    assert said("retried", status="EXPIRED", remaining_quantity="0.0006", child_orders=three[:2])


def test_an_order_that_its_time_ended_says_whether_a_part_was_accepted() -> None:
    timeout, part = {"code": "TIMEOUT"}, {"code": "PARTIAL_ACCEPTED"}

    assert said("timed_out", status="CANCELED", filled_quantity="0.0004", reason=part) == []
    assert said("timed_out", status="CANCELED", filled_quantity="0", reason=timeout) == []
    assert said("timed_out", status="FILLED", filled_quantity="0.001", reason=None) == []
    assert said("timed_out", status="CANCELED", filled_quantity="0.0004", reason=timeout)
