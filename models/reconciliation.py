"""The words of reconciliation: kinds of breaks, how bad they are, what is done, and the legal moves of each state."""

from collections.abc import Mapping
from enum import StrEnum


class BreakKind(StrEnum):
    """What differs between our books and the venue."""

    BALANCE = "balance"
    ORDER = "order"
    POSITION = "position"


class BreakSeverity(StrEnum):
    """How large a difference is, by the tolerances of its asset."""

    DUST = "dust"
    TOLERANCE = "tolerance"
    CRITICAL = "critical"


class BreakAction(StrEnum):
    """What is done about a break, or what it waits for."""

    #: posted to the books by itself
    CORRECT = "correct"
    #: small enough to be corrected, once no order of ours moves the asset
    WAIT = "wait"
    #: new sends on the account and asset are stopped until a person decides
    FREEZE = "freeze"
    #: told, nothing else
    REPORT = "report"


class BreakStatus(StrEnum):
    OPEN = "open"
    #: by itself, within tolerance
    CORRECTED = "corrected"
    #: a person said that the venue is right
    ACCEPTED = "accepted"
    #: a person posted an entry of their own
    POSTED = "posted"
    #: a person said that it may stay as it is
    IGNORED = "ignored"
    #: a later run did not find it any more
    GONE = "gone"


#: The legal moves of a break; the guards of the database hold the same (storage/guards/reconciliation.*.sql).
BREAK_TRANSITIONS: Mapping[BreakStatus, frozenset[BreakStatus]] = {
    BreakStatus.OPEN: frozenset(set(BreakStatus) - {BreakStatus.OPEN}),
    BreakStatus.CORRECTED: frozenset({BreakStatus.ACCEPTED}),  # what was put into suspense becomes available
    BreakStatus.ACCEPTED: frozenset(),
    BreakStatus.POSTED: frozenset(),
    BreakStatus.IGNORED: frozenset(),
    BreakStatus.GONE: frozenset(),
}


class RunScope(StrEnum):
    #: trades, balances and orders
    FULL = "full"
    #: open orders only, every minute
    ORDERS = "orders"


class RunStatus(StrEnum):
    RUNNING = "running"
    DONE = "done"
    #: at least one venue account could not be looked at
    FAILED = "failed"


class AccountStage(StrEnum):
    """How far one venue account is in one run."""

    PENDING = "pending"
    #: the first look is on record, the second has its time
    LOOKED = "looked"
    DONE = "done"
    #: the venue could not be asked, again and again: nothing was concluded
    FAILED = "failed"
    #: a dry run, or an account without books: there is nothing to compare
    SKIPPED = "skipped"


STAGE_TRANSITIONS: Mapping[AccountStage, frozenset[AccountStage]] = {
    AccountStage.PENDING: frozenset(
        {AccountStage.LOOKED, AccountStage.DONE, AccountStage.FAILED, AccountStage.SKIPPED}
    ),
    AccountStage.LOOKED: frozenset({AccountStage.DONE, AccountStage.FAILED}),
    AccountStage.DONE: frozenset(),
    AccountStage.FAILED: frozenset(),
    AccountStage.SKIPPED: frozenset(),
}

STAGES_FINAL = frozenset(stage for stage, onward in STAGE_TRANSITIONS.items() if not onward)
