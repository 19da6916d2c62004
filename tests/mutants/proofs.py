"""Bugs of proving that a send is, or is not, at the venue."""

from __future__ import annotations

from tests.mutants.cells import (
    CLAIM_SCHEDULES,
    GATEWAY_REFUSALS,
    GATEWAY_SILENCES,
    PROOF_SCHEDULES,
    UNANSWERED,
)
from tests.mutants.mutant import Cell, Edit, Mutant

FILLED_AT_ONCE = f"{PROOF_SCHEDULES}test_an_order_that_filled_at_once_and_whose_answer_proves_nothing_is_one_order"
PLACES = f"{PROOF_SCHEDULES}test_each_place_that_shows_the_order_is_enough"
TWO_ORDERS = "two orders at the venue"

PROOFS = (
    Mutant(
        name="resend-before-the-deadline",
        breaks="A look without a trace counts as proof although the venue would still take the first copy.",
        edits=(
            Edit(
                file="tasks/lookup.py", old="    if venue_time <= proven_at:\n", new="    if venue_time <= sent_at:\n"
            ),
        ),
        cells=(
            Cell(
                test=f"{UNANSWERED}test_a_request_that_arrives_late_inside_the_window_is_found[sqlite]", sees=TWO_ORDERS
            ),
            Cell(
                test=f"{UNANSWERED}test_no_trace_before_the_venues_deadline_proves_nothing[sqlite]",
                sees="planned again before the deadline",
            ),
        ),
    ),
    Mutant(
        name="deadline-without-the-visibility-lag",
        breaks="The proof does not wait until the venue must show what it has taken.",
        edits=(
            Edit(
                file="tasks/lookup.py",
                old="timedelta(milliseconds=venue.clock_skew_ms + venue.visibility_lag_ms)",
                new="timedelta(milliseconds=venue.clock_skew_ms)",
            ),
        ),
        cells=(
            Cell(test=f"{UNANSWERED}test_an_order_that_the_venue_shows_late_is_waited_for[sqlite]", sees=TWO_ORDERS),
            Cell(
                test=f"{PROOF_SCHEDULES}test_a_look_within_skew_and_lag_of_the_deadline_proves_nothing[visibility_lag_ms-sqlite]",
                sees="planned again within the lag",
            ),
        ),
    ),
    Mutant(
        name="deadline-without-the-skew",
        breaks="The proof takes the clock that the venue tells for the one by which it refuses.",
        edits=(
            Edit(
                file="tasks/lookup.py",
                old="timedelta(milliseconds=venue.clock_skew_ms + venue.visibility_lag_ms)",
                new="timedelta(milliseconds=venue.visibility_lag_ms)",
            ),
        ),
        cells=(
            Cell(
                test=f"{PROOF_SCHEDULES}test_a_look_within_skew_and_lag_of_the_deadline_proves_nothing[clock_skew_ms-sqlite]",
                sees="planned again within the skew",
            ),
        ),
    ),
    Mutant(
        name="our-clock-for-the-proof",
        breaks="The deadline is compared with this host's clock: one that is fast proves an absence that is none.",
        edits=(Edit(file="tasks/lookup.py", old="venue_time = gateway.time()", new="venue_time = runtime.now()"),),
        cells=(
            Cell(
                test=f"{UNANSWERED}test_no_trace_before_the_venues_deadline_proves_nothing[sqlite]",
                sees="planned again before the venue's deadline",
            ),
        ),
    ),
    Mutant(
        name="clock-read-after-the-look",
        breaks="The venue's clock is read after the look: a copy that arrives between the two is taken for absent.",
        edits=(
            Edit(
                file="tasks/lookup.py",
                old='        venue_time = gateway.time()\n        failpoint("lookup.timed")\n'
                "        report = gateway.find_order(child.symbol, child.venue_client_order_id, sent_at - SEARCH_MARGIN)\n",
                new="        report = gateway.find_order(child.symbol, child.venue_client_order_id, sent_at - SEARCH_MARGIN)\n"
                '        venue_time = gateway.time()\n        failpoint("lookup.timed")\n',
            ),
        ),
        cells=(
            Cell(
                test=f"{PROOF_SCHEDULES}test_a_slow_look_proves_only_what_the_clock_said_before_it[sqlite]",
                sees=TWO_ORDERS,
            ),
        ),
    ),
    Mutant(
        name="absence-without-a-deadline",
        breaks="A venue that enforces no deadline is believed when it shows nothing, though the copy can come at any time.",
        edits=(
            Edit(
                file="tasks/lookup.py",
                old="if not gateway.capabilities.enforces_deadline:",
                new="if gateway.capabilities is None:",
            ),
        ),
        cells=(
            Cell(
                test=f"{UNANSWERED}test_a_venue_without_deadlines_proves_no_absence_and_a_person_is_called[sqlite]",
                sees="sent again instead of SEND_UNKNOWN",
            ),
        ),
    ),
    Mutant(
        name="proof-of-an-earlier-send",
        breaks="No epoch where a look concludes: UNKNOWN → PLANNED → SUBMITTING → UNKNOWN passes a look that stood still, and "
        "its proof that send 1 is absent has send 3 made while send 2 is on its way.",
        edits=(
            Edit(
                file="tasks/lookup.py",
                old="        if fresh.epoch != child.epoch or fresh.status is not ChildStatus.UNKNOWN:\n"
                '            return f"moved on',
                new='        if fresh.status is not ChildStatus.UNKNOWN:\n            return f"moved on',
            ),
        ),
        cells=(
            Cell(
                test=f"{PROOF_SCHEDULES}test_a_proof_of_one_sends_absence_says_nothing_of_a_later_send[sqlite]",
                sees=TWO_ORDERS,
            ),
        ),
    ),
    Mutant(
        name="late-look-calls-a-person",
        breaks="A look that stood still says SEND_UNKNOWN of an order that another look has found meanwhile.",
        edits=(
            Edit(
                file="tasks/lookup.py",
                old="if fresh.epoch != child.epoch or not fresh.is_in_doubt:",
                new="if fresh is None:",
            ),
        ),
        cells=(
            Cell(
                test=f"{PROOF_SCHEDULES}test_a_look_that_wakes_up_late_calls_nobody_for_an_order_that_was_found[sqlite]",
                sees="SEND_UNKNOWN and an alert for an order that rests",
            ),
        ),
    ),
    Mutant(
        name="lookup-in-open-orders-only",
        breaks="Only open orders are looked at: a market order has filled and is in none.",
        edits=(
            Edit(
                file="exchanges/ccxt_lookup.py",
                old="        found = self._by_client_id(symbol, client_id)\n        if found is not None:\n            return found\n",
                new="",
            ),
            Edit(
                file="exchanges/ccxt_lookup.py",
                old="        listed += self._ended_orders(symbol, client_id, since)\n",
                new="",
            ),
            Edit(
                file="exchanges/ccxt_lookup.py",
                old="        return self._by_trades(symbol, client_id, since, {report.venue_order_id for report in listed})",
                new="        return None",
            ),
        ),
        cells=(Cell(test=f"{FILLED_AT_ONCE}[no answer-sqlite]", sees=TWO_ORDERS),),
    ),
    Mutant(
        name="lookup-without-ended-orders",
        breaks="Ended orders are not looked at.",
        edits=(
            Edit(
                file="exchanges/ccxt_lookup.py",
                old="        listed += self._ended_orders(symbol, client_id, since)\n",
                new="",
            ),
        ),
        cells=(Cell(test=f"{PLACES}[_ended_orders-sqlite]", sees="an order that only this list shows is not found"),),
    ),
    Mutant(
        name="lookup-without-trades",
        breaks="Trades are not looked at: an order that filled and that no list shows yet is taken for absent.",
        edits=(
            Edit(
                file="exchanges/ccxt_lookup.py",
                old="        return self._by_trades(symbol, client_id, since, {report.venue_order_id for report in listed})",
                new="        return None",
            ),
        ),
        cells=(Cell(test=f"{PLACES}[_by_trades-sqlite]", sees="an order that only its trades show is not found"),),
    ),
    Mutant(
        name="failed-look-shows-nothing",
        breaks="A look that failed counts as one that showed nothing.",
        edits=(
            Edit(
                file="exchanges/ccxt_lookup.py",
                old="            if error.evidence is not Evidence.NOT_FOUND:\n                raise\n            return None\n",
                new="            return None\n",
            ),
        ),
        cells=(
            Cell(
                test=f"{GATEWAY_SILENCES}test_a_look_that_fails_raises_instead_of_finding_nothing",
                sees="a broken look ends without an error",
            ),
        ),
    ),
    Mutant(
        name="5xx-is-a-rejection",
        breaks="A 5xx is taken for the venue's no: the order that it took is forgotten and its hold is released.",
        edits=(
            Edit(
                file="exchanges/errors.py",
                old="    if _unproven(facts):\n        return Evidence.AMBIGUOUS\n",
                new="    if _unproven(facts):\n        return Evidence.REJECTED\n",
            ),
        ),
        cells=(
            Cell(test=f"{FILLED_AT_ONCE}[a 5xx-sqlite]", sees="REJECTED, and filled at the venue"),
            Cell(
                test=f"{GATEWAY_SILENCES}test_a_create_without_an_answer_is_ambiguous_and_a_look_tells[5xx after]",
                sees="the evidence is not AMBIGUOUS",
            ),
        ),
    ),
    Mutant(
        name="no-id-is-a-rejection",
        breaks="A reply without an order id, or one that can't be read, is taken for the venue's no.",
        edits=(
            Edit(
                file="exchanges/errors.py",
                old="return VenueError(Evidence.AMBIGUOUS, message, status=wire.status, outage=wire.unreadable)",
                new="return VenueError(Evidence.REJECTED, message, status=wire.status, outage=wire.unreadable)",
            ),
        ),
        cells=(
            Cell(test=f"{FILLED_AT_ONCE}[no id-sqlite]", sees="REJECTED, and filled at the venue"),
            Cell(
                test=f"{GATEWAY_SILENCES}test_a_create_without_an_answer_is_ambiguous_and_a_look_tells[without an id]",
                sees="the evidence is not AMBIGUOUS",
            ),
        ),
    ),
    Mutant(
        name="duplicate-is-a-rejection",
        breaks="That the venue knows the id already is taken for its no, although it says that the order is there.",
        edits=(
            Edit(
                file="exchanges/errors.py",
                old="        return Evidence.DUPLICATE\n    if _unproven",
                new="        return Evidence.REJECTED\n    if _unproven",
            ),
        ),
        cells=(
            Cell(
                test=f"{PROOF_SCHEDULES}test_a_copy_that_is_refused_as_a_duplicate_is_the_order_itself[sqlite]",
                sees="REJECTED, and resting at the venue",
            ),
            Cell(
                test=f"{GATEWAY_REFUSALS}test_an_open_client_id_again_is_a_duplicate",
                sees="the evidence is not DUPLICATE",
            ),
        ),
    ),
    Mutant(
        name="limit-is-proof-everywhere",
        breaks="A 429 is proof of absence also where the venue matches before it counts.",
        edits=(
            Edit(
                file="tasks/commit.py",
                old="if error.evidence is Evidence.RATE_LIMITED and not gateway.capabilities.rate_limit_is_rejection:",
                new="if error.evidence is Evidence.RATE_LIMITED and gateway.capabilities is None:",
            ),
        ),
        cells=(
            Cell(
                test=f"{PROOF_SCHEDULES}test_a_limit_is_no_proof_where_the_venue_matches_before_it_counts[sqlite]",
                sees=TWO_ORDERS,
            ),
        ),
    ),
    Mutant(
        name="taken-over-at-once",
        breaks="A send is taken for lost while its sender lives: the claim does not look at the lease.",
        edits=(
            Edit(
                file="storage/children.py",
                old='        child_orders.c.epoch == bindparam("expected_epoch"),\n        NOT_LEASED,\n',
                new='        child_orders.c.epoch == bindparam("expected_epoch"),\n',
            ),
        ),
        cells=(
            Cell(
                test=f"{CLAIM_SCHEDULES}test_a_lookup_leaves_a_send_alone_whose_lease_holds[sqlite]",
                sees="a live sender loses its child",
            ),
        ),
    ),
)
