"""The matrix as data: which fault can happen at which stage, on which way that stage lies, and what can't be built.

``full()`` is all of it, ``quick()`` a fixed, balanced part that takes minutes. Both are the same cells each time.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from failpoints.catalog import STAGES
from ops.chaos.cell import DEDUPE, STACKS, Cell
from ops.chaos.faults import FAULTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where a stage lies."""

    #: ways that lead past it, the plainest first
    ways: tuple[str, ...]
    #: whose process it is: ``api``, ``step`` (a worker's, in its pool), or ``any`` (also beat's or one of threads)
    place: str = "step"


_EVERY = ("market", "canceled", "filled_in_two")
_FILL = ("market", "filled_in_two", "canceled_in_part")
_CANCEL = ("canceled", "canceled_in_part", "canceled_by_message")
_DOUBT = ("request_lost", "reply_lost")
_AMEND = ("amended", "amended_slices")
_WITHDRAW = ("canceled", "canceled_in_part", "expiring")

REACHED: Mapping[str, Stage] = {
    "intake.parsed": Stage(ways=("market", "many_callers"), place="api"),
    "intake.order.inserted": Stage(ways=("market", "many_callers"), place="api"),
    "intake.outbox.inserted": Stage(ways=("market", "many_callers"), place="api"),
    "intake.committed": Stage(ways=("market", "many_callers"), place="api"),
    "intake.handed_over": Stage(ways=("market", "many_callers"), place="api"),
    "intake.message.taken": Stage(ways=("by_message",)),
    "cancel.recorded": Stage(ways=("canceled", "canceled_at_once"), place="api"),
    "cancel.committed": Stage(ways=("canceled", "canceled_at_once"), place="api"),
    "publish.claimed": Stage(ways=("request_lost", "expiring"), place="any"),
    "publish.sending": Stage(ways=_EVERY, place="any"),
    "publish.sent": Stage(ways=_EVERY, place="any"),
    "publish.removed": Stage(ways=_EVERY, place="any"),
    "step.begun": Stage(ways=_EVERY, place="any"),
    "step.begun#4": Stage(ways=_EVERY, place="any"),
    "step.done": Stage(ways=_EVERY, place="any"),
    "step.done#4": Stage(ways=_EVERY, place="any"),
    "storage.committing": Stage(ways=_EVERY, place="any"),
    "storage.committing#3": Stage(ways=_EVERY, place="any"),
    "storage.committing#6": Stage(ways=_EVERY, place="any"),
    "storage.committed": Stage(ways=_EVERY, place="any"),
    "storage.committed#3": Stage(ways=_EVERY, place="any"),
    "storage.committed#6": Stage(ways=_EVERY, place="any"),
    "books.read": Stage(ways=("first_use",)),
    "books.opened": Stage(ways=("first_use",)),
    "prepare.quoted": Stage(ways=_EVERY),
    "prepare.held": Stage(ways=_EVERY),
    "prepare.planned": Stage(ways=_EVERY),
    "prepare.committed": Stage(ways=_EVERY),
    "prepare.short": Stage(ways=("too_large",)),
    "validate.checked": Stage(ways=_EVERY),
    "validate.committed": Stage(ways=_EVERY),
    "commit.begun": Stage(ways=_EVERY),
    "commit.timed": Stage(ways=_EVERY),
    "commit.claimed": Stage(ways=_EVERY),
    "commit.intended": Stage(ways=_EVERY),
    "commit.intent.committed": Stage(ways=_EVERY),
    "commit.sending": Stage(ways=_EVERY),
    "venue.post.connected": Stage(ways=_EVERY),
    "venue.post.written": Stage(ways=_EVERY),
    "venue.post.read": Stage(ways=(*_EVERY, "rejected")),
    "commit.answered": Stage(ways=_EVERY),
    "commit.reported": Stage(ways=_EVERY),
    "commit.confirmed": Stage(ways=_EVERY),
    "commit.failed": Stage(ways=(*_DOUBT, "rejected")),
    "commit.concluded": Stage(ways=(*_DOUBT, "rejected")),
    "lookup.claimed": Stage(ways=_DOUBT),
    "lookup.timed": Stage(ways=_DOUBT),
    "lookup.asked.id": Stage(ways=("request_lost",)),
    "lookup.asked.open": Stage(ways=("request_lost",)),
    "lookup.asked.closed": Stage(ways=("request_lost",)),
    "lookup.asked.trades": Stage(ways=("request_lost",)),
    "lookup.found": Stage(ways=("reply_lost",)),
    "lookup.absent": Stage(ways=("request_lost",)),
    "lookup.planned": Stage(ways=("request_lost",)),
    "lookup.again": Stage(ways=("lookup_unheard",)),
    "settle.begun": Stage(ways=_EVERY),
    "settle.completed": Stage(ways=_EVERY),
    "settle.marked": Stage(ways=_EVERY),
    "settle.fill.inserted": Stage(ways=_FILL),
    "settle.fill.inserted#2": Stage(ways=("market",)),
    "settle.fill.posted": Stage(ways=_FILL),
    "settle.fill.posted#2": Stage(ways=("market",)),
    "settle.child.moved": Stage(ways=_EVERY),
    "settle.hold.released": Stage(ways=_EVERY),
    "settle.committed": Stage(ways=_EVERY),
    "track.leased": Stage(ways=("filled_in_two",)),
    "track.read": Stage(ways=("filled_in_two",)),
    "track.followed": Stage(ways=("filled_in_two",)),
    "track.remembered": Stage(ways=("filled_in_two",)),
    "withdraw.begun": Stage(ways=_WITHDRAW),
    "withdraw.claimed": Stage(ways=_WITHDRAW),
    "withdraw.canceled": Stage(ways=_WITHDRAW),
    "withdraw.read": Stage(ways=_WITHDRAW),
    "withdraw.booked": Stage(ways=_WITHDRAW),
    "withdraw.postponed": Stage(ways=("cancel_unheard",)),
    "heartbeat.renewed": Stage(ways=("slow_answer",)),
    "retry.scheduled": Stage(ways=("reads_fail",)),
    "rescue.found": Stage(ways=("orphaned",), place="any"),
    "rescue.sent_on": Stage(ways=("orphaned",), place="any"),
    "rescue.expired": Stage(ways=("expiring",), place="any"),
    # What stands below came later: a cell's way and rule follow from the number of its stage, and its name from both.
    "plan.looked": Stage(ways=("sliced",)),
    "plan.planned": Stage(ways=("sliced",)),
    "plan.committed": Stage(ways=("sliced",)),
    "plan.committed#2": Stage(ways=("sliced",)),
    "slice.dropped": Stage(ways=("halted",)),
    "policy.ended": Stage(ways=("retried", "repriced")),
    "policy.timeout": Stage(ways=("repriced",)),
    "policy.over": Stage(ways=("timed_out",)),
    "policy.quoted": Stage(ways=("repriced", "retried")),
    "policy.planned": Stage(ways=("retried", "repriced")),
    "amend.held": Stage(ways=_AMEND, place="api"),
    "amend.recorded": Stage(ways=_AMEND, place="api"),
    "amend.committed": Stage(ways=_AMEND, place="api"),
    "amend.begun": Stage(ways=_AMEND),
    "amend.claimed": Stage(ways=("amended", "amend_refused")),
    "amend.asked": Stage(ways=("amended", "amend_refused")),
    "amend.read": Stage(ways=("amended", "amend_refused")),
    "amend.taken": Stage(ways=("amended",)),
    "amend.withdrawn": Stage(ways=("amended_slices",)),
    "amend.planned": Stage(ways=_AMEND),
    "amend.refused": Stage(ways=("amend_refused",)),
    "amend.decided": Stage(ways=_AMEND),
    "amend.postponed": Stage(ways=("amend_unheard",)),
}

#: stage or fault → why no cell of the matrix shows it
NOT_BUILT: Mapping[str, str] = {
    "movements.read": "no order's way goes through it but by a denial; tests/integration/orders/test_movements_crashes.py",
    "movements.posted": "as movements.read",
    "seal.hashed": "the chain is made after an order's way, which never waits for it; tests/integration/ledger/test_seals.py",
    "seal.appended": "as seal.hashed",
    "seal.committed": "as seal.hashed",
    "lookup.stuck": "needs a venue that enforces no deadline; the paper venue speaks Binance's API, which does",
    "resolve.committed": "follows lookup.stuck: a person's word on a send that the venue can't account for",
    "recall.canceled": "needs a venue that breaks its own deadline, so that an order turns up after its absence was proven",
    "restart of RabbitMQ": "the server is shared by the lanes and takes seconds to start; `flush` empties its queues",
    "restart of PostgreSQL": "the server is shared by the lanes; `db_reset` ends every session of the lane instead",
    "clock jumps of a host": "a process can't be given another clock without a preloaded library",
    **dict.fromkeys(
        (
            "reconcile.requested",
            "reconcile.leased",
            "reconcile.symbol.read",
            "reconcile.back_filled",
            "reconcile.balances.read",
            "reconcile.first.looked",
            "reconcile.first.committed",
            "reconcile.second.looked",
            "reconcile.correction.posted",
            "reconcile.acted",
            "reconcile.committed",
            "reconcile.decided",
        ),
        "on no order's way: tests/integration/orders/test_reconcile_crashes.py dies at each",
    ),
    **dict.fromkeys(
        ("journal.written", "journal.synced"),
        "lanes keep no journal; killed in tests/integration/backup",
    ),
    **dict.fromkeys(
        (
            "backup.copied",
            "backup.manifest",
            "backup.kept",
            "restore.copied",
            "restore.replayed",
            "restore.halted",
            "restore.set_aside",
        ),
        "no order passes it; killed in tests/integration/backup",
    ),
    **dict.fromkeys(
        ("cleanup.written", "cleanup.noted", "cleanup.removing", "cleanup.removed"),
        "on no order's way: tests/integration/orders/test_archive.py kills a process at each",
    ),
}

#: faults of a process that any stage of it can meet; crossed with every venue rule and stack
_CROSSED = ("kill", "stop", "all_kill")
#: with one venue rule for each stack, in turn
_IN_TURN = (
    "kill_twice", "kill_child", "kill_parent", "stop_child", "term", "bug", "flush", "broker_kill", "venue_kill",
    "beat_kill", "db_reset", "db_locked",
)  # fmt: skip
#: errors of the operating system and the database: where something is written or sent
_ERRORS = ("io", "disk_full", "reset", "serialization", "database_gone")
_ERRORS_AT = (
    "storage.",
    "venue.post.",
    "commit.reported",
    "settle.fill.",
    "intake.order",
    "intake.outbox",
    "prepare.held",
)
#: what needs a pool's child: the API and the relay have none
_OF_A_CHILD = ("kill_child", "kill_parent", "stop_child")

#: stages that recovery itself goes past, whatever the first crash was
_RECOVERY = (
    "publish.claimed", "rescue.found", "rescue.sent_on", "lookup.claimed", "lookup.timed", "lookup.found",
    "lookup.absent", "lookup.planned",
)  # fmt: skip


def stage_name(stage: str) -> str:
    """Without the count: ``storage.committing#3`` is the third time that the stage is passed."""
    return stage.partition("#")[0]


def fits(stage: str, fault: str) -> bool:
    """Whether the fault can happen at the stage."""
    place = REACHED[stage].place
    if fault in _OF_A_CHILD and place != "step":
        return False
    if fault == "beat_kill" and place == "api":
        return False
    return fault not in _ERRORS or stage.startswith(_ERRORS_AT)


def at_stages() -> Iterator[Cell]:
    """Every stage × every fault that can happen there."""
    for number, (stage, where) in enumerate(REACHED.items()):
        for fault in (*_CROSSED, *_IN_TURN, *_ERRORS):
            if not fits(stage, fault):
                continue
            for place, stack in enumerate(STACKS):
                if FAULTS[fault].stacks and stack not in FAULTS[fault].stacks:
                    continue
                rules = range(3) if fault in _CROSSED else ((number + place) % 3,)
                for rule in rules:
                    way = where.ways[(number + place + rule) % len(where.ways)]
                    yield Cell(stage=stage, fault=fault, way=way, dedupe=DEDUPE[rule], stack=stack)


#: what the request that a venue fault strikes is called in a cell's name
REQUEST = "venue.request"


def at_venue() -> Iterator[Cell]:
    """Every fault of the venue × its rule on client ids × stack."""
    for fault in FAULTS:
        if FAULTS[fault].at_venue:
            for stack, dedupe in itertools.product(STACKS, DEDUPE):
                for way in ("market", "canceled"):
                    yield Cell(stage=REQUEST, fault=fault, way=way, dedupe=dedupe, stack=stack)


#: ways that are a trial by themselves
_ALONE = (
    "many_callers", "messages_thrice", "canceled_at_once", "canceled_in_part", "canceled_first", "too_large",
    "rejected", "by_message", "first_use", "expiring", "sliced", "halted", "retried", "timed_out", "repriced", "amended", "amended_slices", "amend_refused", "amend_unheard",
)  # fmt: skip


def ways_alone() -> Iterator[Cell]:
    for way, stack, dedupe in itertools.product(_ALONE, STACKS, DEDUPE):
        yield Cell(stage="intake.parsed" if way != "by_message" else "intake.message.taken", fault="none", way=way, dedupe=dedupe, stack=stack)  # fmt: skip


def double_crashes() -> Iterator[Cell]:
    """Every two stages on one way, and every stage with those of the recovery: both processes are killed."""
    number = 0
    stages = [stage for stage in REACHED if "#" not in stage]
    for first, second in itertools.combinations_with_replacement(stages, 2):
        shared = [way for way in REACHED[first].ways if way in REACHED[second].ways]
        if not shared and second in _RECOVERY and REACHED[first].place != "api":
            shared = [REACHED[first].ways[0]]
        if not shared or first == second:
            continue
        number += 1
        yield Cell(
            stage=first,
            fault="kill",
            second=(second, "kill"),
            way=shared[number % len(shared)],
            dedupe=DEDUPE[number // 3 % 3],
            stack=STACKS[number % 3],
        )


def full() -> list[Cell]:
    """Every cell there is."""
    return list(dict.fromkeys((*at_stages(), *at_venue(), *ways_alone(), *double_crashes())))


def quick() -> list[Cell]:
    """A fixed part, balanced over stages, faults, venue rules and stacks: every stage is killed on every stack."""
    chosen: dict[Cell, None] = {}
    kills: dict[tuple[str, str], list[Cell]] = {}
    others: dict[tuple[str, str], list[Cell]] = {}
    for cell in at_stages():
        if cell.fault == "kill":
            kills.setdefault((cell.stage, cell.stack), []).append(cell)
        else:
            others.setdefault((cell.fault, cell.stack), []).append(cell)
    for number, group in enumerate(kills.values()):
        chosen[group[number % len(group)]] = None
    for (fault, stack), group in others.items():
        # Not the same stages on every stack.
        turned = group[STACKS.index(stack) * len(group) // 7 :] + group[: STACKS.index(stack) * len(group) // 7]
        chosen.update(dict.fromkeys(_spread(turned, 3 if fault in _CROSSED else 2)))
    chosen.update(dict.fromkeys(_one_of_each(at_venue(), lambda cell: cell.fault)))
    chosen.update(dict.fromkeys(_one_of_each(ways_alone(), lambda cell: cell.way)))
    chosen.update(dict.fromkeys(_spread(list(double_crashes()), 24)))
    return list(chosen)


def _spread(cells: Sequence[Cell], count: int) -> list[Cell]:
    """``count`` of them, as far apart as can be."""
    return [cells[index * len(cells) // count] for index in range(min(count, len(cells)))]


def _one_of_each(cells: Iterable[Cell], of: Callable[[Cell], str]) -> list[Cell]:
    """One cell of each group, another stack and rule from group to group."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(of(cell), []).append(cell)
    return [group[(5 * number) % len(group)] for number, group in enumerate(groups.values())]


def unreached_stages() -> list[str]:
    """Stages of the catalog that no cell is about."""
    return sorted(set(STAGES) - {stage_name(stage) for stage in REACHED})
