"""Bugs of preparing and making a send."""

from __future__ import annotations

from tests.mutants.cells import (
    CLAIM_SCHEDULES,
    CRASHES,
    ENDS,
    GUARDS,
    PROMISE,
    PROOF_SCHEDULES,
    STAGES,
    STRAYS,
)
from tests.mutants.mutant import Cell, Edit, Mutant

SENDS = (
    Mutant(
        name="blind-retry",
        breaks="A send without an answer is planned again at once: the copy that did arrive and the new one both trade.",
        edits=(
            Edit(
                file="tasks/commit.py",
                old="if evidence in (Evidence.NOT_SENT, Evidence.RATE_LIMITED, Evidence.CLOCK):",
                new="if evidence in (Evidence.NOT_SENT, Evidence.RATE_LIMITED, Evidence.CLOCK, Evidence.AMBIGUOUS):",
            ),
        ),
        cells=(
            Cell(
                test=f"{PROOF_SCHEDULES}test_an_order_that_filled_at_once_and_whose_answer_proves_nothing_is_one_order"
                "[no answer-sqlite]",
                sees="two orders at the venue",
            ),
        ),
    ),
    Mutant(
        name="attempt-2-without-proof",
        breaks="A second attempt at a slice is sent while the first may still be live.",
        edits=(
            Edit(
                file="models/promise.py",
                old="if other.slice == about_to_send.slice and not other.is_final:",
                new="if other.slice == about_to_send.slice and other.attempt > about_to_send.attempt:",
            ),
        ),
        cells=(
            Cell(
                test=f"{PROMISE}test_what_could_trade_more_is_never_sent[an earlier attempt in doubt]",
                sees="promise 1 lets the attempt pass",
            ),
            Cell(
                test=f"{PROMISE}test_what_could_trade_more_is_never_sent[an earlier attempt at the venue]",
                sees="promise 1 lets the attempt pass",
            ),
        ),
    ),
    Mutant(
        name="two-live-attempts-in-the-database",
        breaks="The database takes a second attempt at a slice while the first is in doubt.",
        edits=tuple(
            Edit(
                file="storage/migrations/versions/0001_initial.py",
                old=old,
                new=old.replace("'FILLED'", "'UNKNOWN', 'FILLED'"),
            )
            for old in (
                """        ["order_id", "slice"],
        unique=True,
        sqlite_where=sa.text("status NOT IN ('FILLED', 'CANCELED', 'EXPIRED', 'REJECTED')"),""",
            )
        ),
        cells=(
            Cell(
                test=f"{GUARDS}test_a_second_attempt_exists_only_after_the_first_is_final[sqlite-UNKNOWN]",
                sees="two live children of one slice",
            ),
        ),
    ),
    Mutant(
        name="doubt-counts-for-nothing",
        breaks="A send in doubt counts with what is booked of it instead of its full size: more than the order can trade.",
        edits=(
            Edit(
                file="models/promise.py",
                old="child.quantity if child.is_live else child.filled_quantity",
                new="child.quantity if child.is_live and not child.is_in_doubt else child.filled_quantity",
            ),
        ),
        cells=(
            Cell(
                test=f"{PROMISE}test_what_could_trade_more_is_never_sent[a slice in doubt counts whole]",
                sees="promise 1 lets the send pass",
            ),
        ),
    ),
    Mutant(
        name="send-before-the-intent",
        breaks="The request leaves inside the transaction of its intent: a crash at the commit leaves an order that nobody knows of.",
        edits=(
            Edit(
                file="tasks/intent.py",
                old='        failpoint("commit.intended")\n',
                new='        failpoint("commit.intended")\n'
                "        sent_early = runtime.gateways.get(order.venue, order.account).create_order(\n"
                "            _new_order(order, child, venue_time, window_ms)\n"
                "        )\n",
            ),
            Edit(
                file="tasks/intent.py",
                old="    new_order: NewOrder\n",
                new="    new_order: NewOrder\n    sent_early: object = None\n",
            ),
            Edit(
                file="tasks/intent.py",
                old="        new_order=_new_order(order, child, venue_time, window_ms),\n",
                new="        new_order=_new_order(order, child, venue_time, window_ms),\n        sent_early=sent_early,\n",
            ),
            Edit(
                file="tasks/commit.py",
                old="report = gateway.create_order(intent.new_order)",
                new="report = intent.sent_early",
            ),
        ),
        cells=(
            Cell(
                test=f"{STAGES}test_a_kill_while_the_intent_is_committed_has_sent_nothing[sqlite]",
                sees="two orders at the venue",
            ),
        ),
    ),
    Mutant(
        name="signed-with-the-time-of-the-send",
        breaks="The request is signed with the time at which it leaves instead of the intent's: a venue takes the copy of a "
        "process that stood still.",
        edits=(
            Edit(
                file="exchanges/ccxt_call.py",
                old="instance.timestamp_ms = None if stamp is None or self.can.increasing_nonce else stamp.timestamp_ms",
                new="instance.timestamp_ms = None",
            ),
            Edit(
                file="exchanges/ccxt_create.py", old='            "timestamp": milliseconds(order.timestamp),\n', new=""
            ),
        ),
        cells=(
            Cell(
                test=f"{CRASHES}test_a_sender_that_stands_still_past_its_lease_sends_no_second_order[sqlite-before it leaves]",
                sees="two orders at the venue",
            ),
        ),
    ),
    Mutant(
        name="signed-with-our-clock",
        breaks="The intent takes this host's time for the venue's: a clock that is off has every order refused, or windows that end too late.",
        edits=(
            Edit(file="tasks/commit.py", old="venue_time = gateway.estimated_time()", new="venue_time = runtime.now()"),
        ),
        cells=(
            Cell(
                test=f"{ENDS}test_a_limit_order_is_never_too_old[sqlite]",
                sees="the venue refuses what a host with a wrong clock sends",
            ),
        ),
    ),
    Mutant(
        name="another-client-id-for-each-send",
        breaks="Each send goes out under a client id of its own: a look for the id that is on record proves nothing.",
        edits=(
            Edit(
                file="tasks/intent.py",
                old="client_order_id=child.venue_client_order_id,",
                new='client_order_id=f"{child.venue_client_order_id}{child.sends}",',
            ),
        ),
        cells=(
            Cell(
                test=f"{PROOF_SCHEDULES}test_an_order_that_filled_at_once_and_whose_answer_proves_nothing_is_one_order"
                "[no answer-sqlite]",
                sees="the order on record is not at the venue, another one is",
            ),
        ),
    ),
    Mutant(
        name="no-lease-check-before-the-send",
        breaks="A process that stood still between intent and send sends all the same when it wakes up.",
        edits=(Edit(file="tasks/commit.py", old="if not intent.claim.is_sure():", new="if intent.claim is None:"),),
        cells=(
            Cell(
                test=f"{CLAIM_SCHEDULES}test_a_sender_that_stood_still_before_its_send_sends_nothing_when_it_wakes_up[sqlite]",
                sees="an order at the venue that a person had called absent",
            ),
        ),
    ),
    Mutant(
        name="sent-over-a-report",
        breaks="A planned child is sent although an answer of the venue to an earlier send of it waits to be settled.",
        edits=(
            Edit(
                file="tasks/intent.py",
                old="if has_unapplied_reports(conn, child.id):",
                new="if has_unapplied_reports(conn, order.id):",
            ),
        ),
        cells=(
            Cell(
                test=f"{STRAYS}test_an_acknowledgement_on_record_is_settled_before_anything_is_sent_again[sqlite]",
                sees="a second send",
            ),
        ),
    ),
    Mutant(
        name="halted-order-sent",
        breaks="The intent does not look for a halt: what was validated before it goes out after it.",
        edits=(
            Edit(
                file="tasks/intent.py", old="halt = halt_meeting(conn, order.venue, order.account)", new="halt = None"
            ),
        ),
        cells=(
            Cell(
                test=f"{ENDS}test_a_halt_denies_what_was_not_sent[commit-scope1-sqlite]", sees="a send after the halt"
            ),
        ),
    ),
    Mutant(
        name="canceled-order-sent",
        breaks="The intent does not look for the wish to end: an order that was canceled between two tries goes out.",
        edits=(
            Edit(
                file="tasks/intent.py",
                old="    if order.ending is not None:\n",
                new="    if order.ending is not None and order.status is OrderStatus.VALIDATED:\n",
            ),
        ),
        cells=(
            Cell(
                test=f"{CLAIM_SCHEDULES}test_what_was_canceled_before_its_next_try_is_not_sent[sqlite]",
                sees="an order at the venue",
            ),
        ),
    ),
    Mutant(
        name="old-order-sent",
        breaks="The intent does not look at the order's age: a market order meets a market that it was not meant for.",
        edits=(
            Edit(
                file="tasks/intent.py",
                old="too_late = late(order, now, runtime.settings.execution.max_age_s, sent=was_sent, meant_for=meant_for)",
                new="too_late = None",
            ),
        ),
        cells=(
            Cell(
                test=f"{ENDS}test_a_market_order_that_was_never_sent_in_time_ends_unsent[sqlite]",
                sees="a send past `max_age_s`",
            ),
        ),
    ),
    Mutant(
        name="window-beyond-the-order",
        breaks="The window of a send reaches beyond `expires_at`: the venue may take a copy after the order's end.",
        edits=(
            Edit(
                file="tasks/intent.py",
                old="return min(window_ms, milliseconds(order.expires_at) - milliseconds(venue_time))",
                new="return window_ms",
            ),
        ),
        cells=(
            Cell(
                test=f"{ENDS}test_a_window_never_reaches_beyond_the_orders_own_end[sqlite]",
                sees="timestamp + window past `expires_at`",
            ),
        ),
    ),
    Mutant(
        name="rescue-without-a-look",
        breaks="Rescue takes a send whose owner is gone for one that never left, and has it sent again without a claim and a look.",
        edits=(
            Edit(
                file="tasks/rescue.py",
                old="    elif child.status in (ChildStatus.SUBMITTING, ChildStatus.UNKNOWN):\n",
                new="    elif child.status in (ChildStatus.SUBMITTING, ChildStatus.UNKNOWN):\n"
                "        from storage.children import move_child\n\n"
                "        fresh = get_child(conn, child.id)\n"
                '        move_child(conn, fresh, ChildStatus.PLANNED, cause="rescue", now=now)\n'
                "        start_again(conn, child.order_id, now)\n"
                "    elif child.status is None:\n",
            ),
        ),
        cells=(
            Cell(
                test=f"{STAGES}test_a_kill_at_any_stage_leaves_one_order_and_true_books[commit.answered-sqlite]",
                sees="two orders at the venue",
            ),
        ),
    ),
    Mutant(
        name="answer-of-an-old-owner-dropped",
        breaks="An answer that comes after the claim is lost is thrown away, and with it the venue's word that the order is there.",
        edits=(
            Edit(
                file="tasks/commit.py",
                old='        keep_report(conn, child, report, source="send", now=now)\n        failpoint("commit.reported")\n',
                new="",
            ),
            Edit(
                file="tasks/commit.py",
                old="            release(conn, child, owner=runtime.owner)\n        except Stale:\n",
                new='            keep_report(conn, child, report, source="send", now=now)\n'
                "            release(conn, child, owner=runtime.owner)\n        except Stale:\n",
            ),
        ),
        cells=(
            Cell(
                test=f"{CRASHES}test_an_old_owners_answer_is_kept_and_settle_applies_it[sqlite]",
                sees="no report to settle: the order stays in doubt",
            ),
        ),
    ),
)
