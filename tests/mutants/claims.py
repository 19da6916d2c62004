"""Bugs of leases, epochs and guarded updates.

Status, version and epoch stand in one WHERE, and each of version and epoch alone keeps a late writer of a *send* out: a claim
that takes a send over moves it in the same transaction. That is why the experiment behind this protocol saw nothing when it
left the epoch out. Where a claim moves nothing (one look after another at a child that stays UNKNOWN) only the epoch tells
the owners apart: `proof-of-an-earlier-send` in proofs.py leaves it out there.
"""

from __future__ import annotations

from tests.mutants.cells import CLAIM_SCHEDULES, PROOF_SCHEDULES
from tests.mutants.cells import CLAIMS as CLAIM_TESTS
from tests.mutants.mutant import Cell, Edit, Mutant

CHILDREN = "storage/children.py"
VERSION_AND_EPOCH = """\
        child_orders.c.version == bindparam("expected_version"),
        child_orders.c.epoch == bindparam("expected_epoch"),
"""
VERSION = '        child_orders.c.version == bindparam("expected_version"),\n'
#: a condition that always holds, with the parameter in it, since a statement must know each of its parameters
ANY_VERSION = '        bindparam("expected_version", type_=BigInteger()) >= 0,\n'
EPOCH = '        child_orders.c.epoch == bindparam("expected_epoch"),\n'
ANY_EPOCH = '        bindparam("expected_epoch", type_=BigInteger()) >= 0,\n'
OLD_OWNER = f"{CLAIM_TESTS}test_an_old_owners_updates_match_nothing[sqlite]"
EPOCH_ALONE = (
    f"{CLAIM_TESTS}test_the_epoch_alone_fences_an_old_owner_even_where_status_and_version_are_the_same[sqlite]"
)

CLAIMS = (
    Mutant(
        name="move-without-the-epoch",
        breaks="A child is moved by status and version alone: an owner whose claim is lost still writes as long as the new one has not.",
        edits=(Edit(file=CHILDREN, old=VERSION_AND_EPOCH, new=VERSION + ANY_EPOCH),),
        cells=(
            Cell(test=EPOCH_ALONE, sees="the old owner's move matches"),
            Cell(test=OLD_OWNER, sees="the old owner's move matches"),
        ),
    ),
    Mutant(
        name="move-without-epoch-and-version",
        breaks="A child is moved by its status alone: an old send's refusal plans a later send anew, which is under way.",
        edits=(Edit(file=CHILDREN, old=VERSION_AND_EPOCH, new=ANY_VERSION + ANY_EPOCH),),
        cells=(
            Cell(
                test=f"{PROOF_SCHEDULES}test_a_refusal_of_an_old_send_does_not_make_a_later_one_go_out_again[sqlite]",
                sees="two orders at the venue",
            ),
        ),
    ),
    Mutant(
        name="move-without-the-version",
        breaks="A child is moved by status and epoch alone: what another wrote within the same status is written over.",
        edits=(Edit(file=CHILDREN, old=VERSION_AND_EPOCH, new=ANY_VERSION + EPOCH),),
        cells=(
            Cell(
                test=f"{CLAIM_SCHEDULES}test_a_value_of_a_child_that_is_out_of_date_moves_nothing_even_within_its_status[sqlite]",
                sees="a lost update",
            ),
        ),
    ),
    Mutant(
        name="order-moved-by-its-id-alone",
        breaks="A parent is moved whatever its status has become since it was read.",
        edits=(
            Edit(
                file="storage/orders.py",
                old='        orders.c.status == bindparam("expected_status"),\n        orders.c.version == bindparam("expected_version"),\n',
                new='        bindparam("expected_status", type_=orders.c.status.type) != "",\n'
                '        bindparam("expected_version", type_=orders.c.version.type) >= 0,\n',
            ),
        ),
        cells=(
            Cell(
                test=f"{CLAIM_SCHEDULES}test_a_value_of_an_order_that_is_out_of_date_moves_nothing[sqlite]",
                sees="a stale value moves the order",
            ),
        ),
    ),
    Mutant(
        name="claim-leaves-the-epoch",
        breaks="A claim does not raise the epoch: the owner before it is not fenced.",
        edits=(
            Edit(
                file=CHILDREN,
                old="        epoch=child_orders.c.epoch + 1,\n",
                new="        epoch=child_orders.c.epoch,\n",
            ),
            Edit(
                file=CHILDREN,
                old="return replace(child, epoch=child.epoch + 1)",
                new="return replace(child, epoch=child.epoch)",
            ),
        ),
        cells=(Cell(test=EPOCH_ALONE, sees="the old owner's move matches"),),
    ),
    Mutant(
        name="heartbeat-renews-anothers-lease",
        breaks="A heartbeat renews whatever lease the child has: a process that lost its claim keeps its successor's alive, and believes in its own.",
        edits=(
            Edit(
                file=CHILDREN,
                old="_RENEW = update(child_orders).where(_OWNED)",
                new='_RENEW = update(child_orders).where(child_orders.c.id == bindparam("the_id"), or_(_OWNED, child_orders.c.epoch > 0))',
            ),
        ),
        cells=(
            Cell(test=OLD_OWNER, sees="a lost claim is renewed"),
            Cell(test=EPOCH_ALONE, sees="a lost claim is renewed"),
        ),
    ),
    Mutant(
        name="release-of-anothers-claim",
        breaks="A process that lost its claim releases the one of its successor, whose send is under way.",
        edits=(
            Edit(
                file=CHILDREN,
                old='    child_orders.c.epoch == bindparam("expected_epoch"),\n    child_orders.c.lease_owner == bindparam("owner"),\n',
                new='    bindparam("expected_epoch", type_=BigInteger()) >= 0,\n    child_orders.c.lease_owner == bindparam("owner"),\n',
            ),
        ),
        cells=(Cell(test=EPOCH_ALONE, sees="another thread of the same process loses its lease"),),
    ),
    Mutant(
        name="lease-without-an-epoch",
        breaks="A named lease is given back by its name: a holder that lost it ends its successor's.",
        edits=(
            Edit(
                file="storage/leases.py",
                old='_GIVE_BACK = (\n    update(leases)\n    .where(and_(leases.c.name == bindparam("the_name"), leases.c.epoch == bindparam("the_epoch")))',
                new='_GIVE_BACK = (\n    update(leases)\n    .where(and_(leases.c.name == bindparam("the_name"), leases.c.epoch >= bindparam("the_epoch")))',
            ),
        ),
        cells=(
            Cell(
                test=f"{CLAIM_TESTS}test_an_old_holder_gives_nothing_back[sqlite]", sees="the successor's lease is over"
            ),
        ),
    ),
)
