"""Bugs of fills, holds and ends."""

from __future__ import annotations

from tests.mutants.cells import END_SCHEDULES, ENDS, STAGES, STEPS, STRAYS, UNANSWERED
from tests.mutants.mutant import Cell, Edit, Mutant

NOT_BY_STATUS = (
    f"{END_SCHEDULES}test_an_order_is_filled_when_its_fills_are_booked_and_not_when_the_venue_says_so[sqlite]"
)
PARTLY_FILLED = f"{ENDS}test_a_cancel_of_a_partly_filled_order_books_what_had_filled[sqlite]"
IN_DOUBT = f"{END_SCHEDULES}test_an_order_does_not_end_while_its_send_is_in_doubt"

BOOKS = (
    Mutant(
        name="fills-without-a-key",
        breaks="A fill is keyed by when it was booked: a trade that is read twice is booked twice.",
        edits=(
            Edit(
                file="storage/fills.py",
                old='"venue_trade_id": trade.venue_trade_id,',
                new='"venue_trade_id": f"{trade.venue_trade_id} {now}",',
            ),
            Edit(
                file="storage/fills.py",
                old='{trade.venue_order_id}:{trade.venue_trade_id}"',
                new='{trade.venue_order_id}:{trade.venue_trade_id}:{child.version}"',
            ),
        ),
        cells=(
            Cell(
                test=f"{END_SCHEDULES}test_a_look_that_reads_a_trade_again_books_it_once[sqlite]",
                sees="more filled than the venue says",
            ),
        ),
    ),
    Mutant(
        name="fills-without-the-symbol",
        breaks="A fill's entry is keyed without the symbol: of two trades under one number the second is refused.",
        edits=(
            Edit(
                file="storage/fills.py",
                old='f"fill:{child.venue}:{child.account}:{child.symbol}:{trade.venue_order_id}',
                new='f"fill:{child.venue}:{child.account}:{trade.venue_order_id}',
            ),
        ),
        cells=(
            Cell(
                test=f"{END_SCHEDULES}test_trades_of_two_symbols_under_the_same_numbers_are_two[sqlite]",
                sees="the second trade is not booked",
            ),
        ),
    ),
    Mutant(
        name="entry-in-another-transaction",
        breaks="A fill is committed before its entry: a crash between the two leaves a trade that is never posted.",
        edits=(
            Edit(
                file="tasks/settle.py",
                old='    failpoint("settle.fill.inserted")\n',
                new='    conn.exec_driver_sql("COMMIT")\n    conn.exec_driver_sql("BEGIN")\n    failpoint("settle.fill.inserted")\n',
            ),
        ),
        cells=(
            Cell(
                test=f"{STAGES}test_a_kill_at_any_stage_leaves_one_order_and_true_books[settle.fill.inserted-sqlite]",
                sees="the order does not reach its end: its fill is in no sum and no entry",
            ),
        ),
    ),
    Mutant(
        name="hold-released-while-unknown",
        breaks="What an order may spend is given back while its send is in doubt.",
        edits=(
            Edit(
                file="tasks/commit.py",
                old='    reason = Reason(code="NO_ANSWER", message=error.message)\n',
                new='    reason = Reason(code="NO_ANSWER", message=error.message)\n'
                "    from storage.ledger import release_hold\n\n"
                "    release_hold(conn, order_id=child.order_id, at=now)\n",
            ),
        ),
        cells=(
            Cell(
                test=f"{UNANSWERED}test_no_trace_before_the_venues_deadline_proves_nothing[sqlite]",
                sees="nothing is held for a send in doubt",
            ),
            Cell(
                test=f"{UNANSWERED}test_a_venue_without_deadlines_proves_no_absence_and_a_person_is_called[sqlite]",
                sees="nothing is held for a send in doubt",
            ),
        ),
    ),
    Mutant(
        name="hold-released-twice",
        breaks="The end of an order releases what was held at first instead of what is left: what its fills took is released again.",
        edits=(
            Edit(
                file="storage/ledger.py",
                old="    left = {asset: amount for asset, amount in held_for(conn, order_id).items() if amount > 0}\n",
                new="    placed = select(ledger_entries.c.detail).where(\n"
                "        ledger_entries.c.order_id == order_id, ledger_entries.c.kind == EntryKind.HOLD\n    )\n"
                '    left = {row.detail["asset"]: Decimal(row.detail["amount"]) for row in conn.execute(placed)}\n',
            ),
        ),
        cells=(
            Cell(
                test=f"{STEPS}test_a_market_order_is_sent_filled_and_booked[sqlite]",
                sees="the ledger's guard refuses a hold below zero",
            ),
        ),
    ),
    Mutant(
        name="filled-by-status",
        breaks="FILLED is what the venue calls it, not what is booked: the hold goes and the trades are never asked for.",
        edits=(
            Edit(
                file="models/applying.py",
                old="    if booked >= child.quantity:\n",
                new="    if booked >= child.quantity or report.status is VenueStatus.FILLED:\n",
            ),
        ),
        cells=(Cell(test=NOT_BY_STATUS, sees="the child ends with nothing booked"),),
    ),
    Mutant(
        name="end-before-its-fills",
        breaks="The venue's word that an order has ended counts before the fills that it tells of are booked.",
        edits=(
            Edit(
                file="models/applying.py",
                old="if report.status is not VenueStatus.OPEN and booked >= report.filled_quantity:",
                new="if report.status is not VenueStatus.OPEN:",
            ),
        ),
        cells=(Cell(test=NOT_BY_STATUS, sees="the order ends with nothing booked"),),
    ),
    Mutant(
        name="cancels-answer-is-final",
        breaks="The answer to a cancel is taken for the final word on what had filled.",
        edits=(
            Edit(
                file="tasks/withdraw.py",
                old="    return gateway.fetch_order(child.symbol, child.venue_order_id)\n",
                new="    return OrderReport(\n"
                "        symbol=child.symbol, venue_order_id=child.venue_order_id, client_order_id=None,\n"
                "        status=VenueStatus.CANCELED, quantity=child.quantity, filled_quantity=child.filled_quantity,\n"
                "        filled_cost=None, price=None,\n    )\n",
            ),
            Edit(
                file="tasks/withdraw.py",
                old="from models.reports import OrderReport\n",
                new="from models.reports import OrderReport, VenueStatus\n",
            ),
        ),
        cells=(Cell(test=PARTLY_FILLED, sees="less filled than the venue says"),),
    ),
    Mutant(
        name="late-fill-ignored",
        breaks="A fill that turns up after its order's end is passed over.",
        edits=(Edit(file="tasks/track.py", old="for child in (*children, *late):", new="for child in children:"),),
        cells=(
            Cell(
                test=f"{END_SCHEDULES}test_a_fill_that_turns_up_after_the_end_is_booked[sqlite]",
                sees="a trade of ours is not in the books",
            ),
        ),
    ),
    Mutant(
        name="end-while-in-doubt",
        breaks="A cancel or an expiry ends an order although its send may be at the venue.",
        edits=(
            Edit(
                file="models/outcome.py",
                old="    if any(not child.is_final for child in children):\n",
                new="    if any(not child.is_final and not child.is_in_doubt for child in children):\n",
            ),
        ),
        cells=(
            Cell(test=f"{IN_DOUBT}[cancel-sqlite]", sees="it has ended and rests at the venue"),
            Cell(test=f"{IN_DOUBT}[expiry-sqlite]", sees="it has ended and rests at the venue"),
        ),
    ),
    Mutant(
        name="doubt-is-a-deposit",
        breaks="The venue's balance is adopted while something of ours is in flight: a fill is booked as a deposit and again as a fill.",
        edits=(
            Edit(
                file="tasks/books.py",
                old="return conn.execute(statement).scalar_one() > 0",
                new="return conn.execute(statement).scalar_one() < 0",
            ),
        ),
        cells=(
            Cell(
                test=f"{END_SCHEDULES}test_what_a_send_in_doubt_bought_is_no_deposit[sqlite]",
                sees="our books have more than the venue",
            ),
        ),
    ),
    Mutant(
        name="stray-left-at-the-venue",
        breaks="An order of ours that should not be there is told and not taken back.",
        edits=(
            Edit(
                file="tasks/settle.py",
                old="    if report.status is VenueStatus.OPEN:\n        _recall(",
                new="    if report.status is VenueStatus.FILLED:\n        _recall(",
            ),
        ),
        cells=(
            Cell(
                test=f"{STRAYS}test_a_second_order_under_one_id_is_told_and_taken_back[sqlite]",
                sees="the stray still rests",
            ),
        ),
    ),
)
