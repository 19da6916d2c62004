"""Bugs of intake, outbox and messages."""

from __future__ import annotations

from tests.mutants.cells import INTAKE_SCHEDULES, OUTBOX
from tests.mutants.mutant import Cell, Edit, Mutant

RELAY_DIED = f"{OUTBOX}test_what_a_relay_that_died_had_claimed_goes_out_when_its_claim_is_over"

MESSAGES = (
    Mutant(
        name="publish-before-the-commit",
        breaks="The first message is handed over inside the transaction: it tells of an order that may never be.",
        edits=(
            Edit(
                file="workflows/submit.py",
                old="            posting = _insert(conn, values, now)\n",
                new="            posting = _insert(conn, values, now)\n"
                "            if posting is not None:\n                publisher_of(runtime).hand_over(posting)\n",
            ),
            Edit(
                file="workflows/submit.py",
                old="    publisher_of(runtime).hand_over(posting)\n    failpoint",
                new="    failpoint",
            ),
        ),
        cells=(
            Cell(
                test=f"{INTAKE_SCHEDULES}test_nothing_is_handed_to_the_broker_before_it_is_durable[sqlite]",
                sees="a hint of an order that was rolled back",
            ),
        ),
    ),
    Mutant(
        name="client-id-ignored",
        breaks="The caller's key is not the order's: the same request again is a second order.",
        edits=(
            Edit(
                file="workflows/submit.py",
                old='        "client_order_id": request.client_order_id,\n',
                new='        "client_order_id": f"{request.client_order_id}{secrets.token_hex(2)}",\n',
            ),
        ),
        cells=(
            Cell(
                test=f"{INTAKE_SCHEDULES}test_the_same_request_twice_is_one_order[sqlite]",
                sees="two orders for one request",
            ),
        ),
    ),
    Mutant(
        name="notice-after-the-commit",
        breaks="Who asked to be told is told in a transaction of its own after the change: a crash between the two tells nobody.",
        edits=(
            Edit(
                file="workflows/submit.py",
                old='    if values["notify"]:\n        enqueue_notice(conn, new_document(values), values["notify"], now)\n',
                new="",
            ),
            Edit(
                file="workflows/submit.py",
                old='    failpoint("intake.committed")\n',
                new='    failpoint("intake.committed")\n    if values["notify"]:\n        with write(runtime.engine) as conn:\n'
                '            enqueue_notice(conn, new_document(values), values["notify"], now)\n',
            ),
        ),
        cells=(
            Cell(
                test=f"{INTAKE_SCHEDULES}test_who_asked_to_be_told_is_told_of_each_change_that_is_durable[sqlite]",
                sees="a change without its notice",
            ),
        ),
    ),
    Mutant(
        name="notice-dropped-with-a-change",
        breaks="A later change of an order is not told in its transaction.",
        edits=(
            Edit(
                file="storage/orders.py", old="    if order.notify:\n", new="    if order.notify and order.rescues:\n"
            ),
        ),
        cells=(
            Cell(
                test=f"{INTAKE_SCHEDULES}test_who_asked_to_be_told_is_told_of_each_change_that_is_durable[sqlite]",
                sees="a change without its notice",
            ),
        ),
    ),
    Mutant(
        name="outbox-row-deleted-before-the-publish",
        breaks="The relay deletes what it is about to publish: a crash, or a broker that is away, loses it.",
        edits=(
            Edit(
                file="workflows/relay.py",
                old="        postpone(conn, [posting.id for posting in due], now + CLAIM)\n",
                new="        from storage.outbox import remove as take_away\n\n        take_away(conn, [posting.id for posting in due])\n",
            ),
        ),
        cells=(
            Cell(test=f"{RELAY_DIED}[sqlite-57]", sees="rows that nobody publishes"),
            Cell(
                test=f"{OUTBOX}test_a_broker_that_is_away_keeps_every_row_for_later[sqlite]",
                sees="rows that nobody publishes",
            ),
        ),
    ),
    Mutant(
        name="outbox-row-deleted-on-failure",
        breaks="The relay takes a row that the broker did not take for published.",
        edits=(
            Edit(
                file="workflows/relay.py",
                old="        if posting.kind is not Kind.NOTIFY:\n            raise\n",
                new="        if posting.kind is not Kind.NOTIFY:\n            return True\n",
            ),
        ),
        cells=(
            Cell(
                test=f"{OUTBOX}test_a_broker_that_is_away_keeps_every_row_for_later[sqlite]",
                sees="the relay says that all is published",
            ),
        ),
    ),
    Mutant(
        name="outbox-claim-without-a-time",
        breaks="The relay does not put the rows aside that it publishes: a second relay publishes them again meanwhile.",
        edits=(
            Edit(
                file="workflows/relay.py",
                old="        postpone(conn, [posting.id for posting in due], now + CLAIM)\n",
                new="        postpone(conn, [posting.id for posting in due], now)\n",
            ),
        ),
        cells=(
            Cell(
                test=f"{INTAKE_SCHEDULES}test_a_row_that_one_relay_is_publishing_is_not_anothers[sqlite]",
                sees="rows that two relays published",
            ),
        ),
    ),
    Mutant(
        name="acknowledged-before-the-work",
        breaks="A message is acknowledged when it is delivered: one that a killed worker held, and had not taken in, is lost.",
        edits=(Edit(file="celeryconfig.py", old="task_acks_late = True", new="task_acks_late = False"),),
        cells=(
            Cell(
                test=f"{INTAKE_SCHEDULES}test_every_message_is_acknowledged_after_its_work_and_comes_back_from_a_lost_worker",
                sees="tasks that acknowledge early",
            ),
        ),
    ),
)
