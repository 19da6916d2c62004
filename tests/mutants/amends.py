"""Bugs of amending an order."""

from __future__ import annotations

from tests.mutants.cells import AMEND_CRASHES, AMEND_RACES, AMEND_REFUSED, AMEND_STEP, AMEND_UNANSWERED, GUARDS
from tests.mutants.mutant import Cell, Edit, Mutant

AMENDS = (
    Mutant(
        name="amended-without-the-final-fill",
        breaks="The rest of an amended order is what was left before its cancel: what filled on the way trades twice.",
        edits=(
            Edit(
                file="models/amend_step.py",
                old="        return _rest_of(amendment, last, subtract(total, filled), instrument, now)\n    if is_raised",
                new="        return _rest_of(amendment, last, wanted, instrument, now)\n    if is_raised",
            ),
        ),
        cells=(
            Cell(
                test=f"{AMEND_RACES}test_what_fills_before_the_venue_hears_of_it_is_not_sent_again[sqlite-cancel and send]",
                sees="promise 1 stops an attempt that is too large",
            ),
            Cell(
                test=f"{AMEND_STEP}test_whatever_fills_meanwhile_no_more_than_the_larger_total_can_trade",
                sees="more than the total is planned",
            ),
        ),
    ),
    Mutant(
        name="amended-size-not-counted",
        breaks="A venue is asked to raise an order in place before the larger size counts: it may fill beyond the total.",
        edits=(
            Edit(
                file="tasks/amend_in_place.py",
                old="                quantity=max(child.quantity, wanted.quantity),\n",
                new="",
            ),
        ),
        cells=(
            Cell(
                test=f"{AMEND_UNANSWERED}test_an_amendment_without_an_answer_is_what_the_venue_shows[0.03-before-sqlite]",
                sees="the child counts at its old size while it may have the new one",
            ),
        ),
    ),
    Mutant(
        name="amended-order-not-raised-first",
        breaks="An order is raised in place before its own quantity is: filled at the venue beyond it, it ends while it rests.",
        edits=(
            Edit(
                file="tasks/amend_in_place.py",
                old="if amendment.target_quantity > amendment.previous_quantity and not is_raised(order, amendment):",
                new="if False:",
            ),
        ),
        cells=(
            Cell(
                test=f"{AMEND_CRASHES}test_an_amendment_that_took_effect_though_nobody_heard_fills_to_its_new_total[sqlite]",
                sees="FILLED at the old total while the venue has more",
            ),
        ),
    ),
    Mutant(
        name="amended-hold-not-raised",
        breaks="An order is amended to more than its funds cover.",
        edits=(
            Edit(
                file="tasks/amend_hold.py",
                old="    return raise_hold(\n        conn,\n",
                new="    return ZERO if amendment else raise_hold(\n        conn,\n",
            ),
        ),
        cells=(
            Cell(
                test=f"{AMEND_REFUSED}test_what_the_books_can_not_hold_is_refused_with_what_is_missing[sqlite-working]",
                sees="it is taken",
            ),
        ),
    ),
    Mutant(
        name="ended-order-still-amended",
        breaks="An order that ends while it is amended leaves the amendment under way: nothing can ever decide on it.",
        edits=(
            Edit(
                file="tasks/amend_over.py",
                old="    if amendment is None:\n        return order.quantity, order.price\n",
                new="    if amendment is None or not is_raised(order, amendment):\n        return order.quantity, order.price\n",
            ),
        ),
        cells=(
            Cell(
                test=f"{AMEND_RACES}test_an_order_that_has_filled_meanwhile_is_not_amended[sqlite-0.01-cancel and send]",
                sees="PENDING on an order that has ended",
            ),
        ),
    ),
    Mutant(
        name="two-amendments-at-once",
        breaks="The database takes a second amendment while the first is under way.",
        edits=(
            Edit(
                file="storage/migrations/versions/0001_initial.py",
                old='        ["order_id"],\n        unique=True,\n        sqlite_where=sa.text("status = \'PENDING\'"),',
                new='        ["order_id"],\n        unique=False,\n        sqlite_where=sa.text("status = \'PENDING\'"),',
            ),
        ),
        cells=(
            Cell(test=f"{GUARDS}test_the_database_refuses[sqlite-a second amendment under way]", sees="it is taken"),
        ),
    ),
)
