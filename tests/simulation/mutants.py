"""Seeded bugs, one at a time, to see that the simulation finds them. Each takes one guard of the protocol away."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

from sqlalchemy.dialects import sqlite

import storage.children
import tasks.commit
import tasks.intent
import tasks.lookup
import tasks.settle
import tasks.withdraw
from exchanges.evidence import Evidence, VenueError
from models.clock import from_micros
from models.reports import OrderReport, VenueStatus
from tests.simulation.gateway import SimulatedGateway

Patch = Callable[[contextlib.ExitStack], None]


def _set(stack: contextlib.ExitStack, holder: Any, name: str, value: Any) -> None:
    stack.enter_context(mock.patch.object(holder, name, value))


def _without(statement: Any, word: str) -> Any:
    """The statement without the conditions that name a parameter or column."""
    copy = statement._generate()
    copy._where_criteria = tuple(
        clause for clause in statement._where_criteria if word not in str(clause.compile(dialect=sqlite.dialect()))
    )
    assert len(copy._where_criteria) < len(statement._where_criteria)
    return copy


def _no_epoch(stack: contextlib.ExitStack) -> None:
    """Updates of a child match whoever claimed it last, and versions are not looked at either."""
    moved = _without(_without(storage.children._MOVE, "epoch"), "version")
    _set(stack, storage.children, "_MOVE", moved)


def _early_resend(stack: contextlib.ExitStack) -> None:
    """A look without a trace is taken for proof before the venue's deadline has passed."""

    def at(_runtime: Any, child: Any) -> datetime:
        deadline: datetime = child.deadline
        return deadline - timedelta(hours=1)

    _set(stack, tasks.lookup, "_absence_is_proven_at", at)


def _no_lag(stack: contextlib.ExitStack) -> None:
    """A look is taken for proof at the deadline, though the venue shows late what it did."""
    _set(stack, tasks.lookup, "_absence_is_proven_at", lambda _runtime, child: child.deadline)


def _blind_retry(stack: contextlib.ExitStack) -> None:
    """A send without an answer is sent again."""
    real = tasks.commit._weigh

    def weigh(error: VenueError, gateway: Any) -> Evidence:
        evidence = real(error, gateway)
        return Evidence.NOT_SENT if evidence is Evidence.AMBIGUOUS else evidence

    _set(stack, tasks.commit, "_weigh", weigh)


def _any_limit(stack: contextlib.ExitStack) -> None:
    """A 429 is taken for proof of absence at every venue."""
    _set(stack, tasks.commit, "_weigh", lambda error, _gateway: error.evidence)


def _open_only(stack: contextlib.ExitStack) -> None:
    """A lookup reads the open orders and nothing else."""

    def find(self: SimulatedGateway, symbol: str, client_order_id: str, since: datetime) -> OrderReport | None:
        del since
        return next((entry for entry in self.open_orders(symbol) if entry.client_order_id == client_order_id), None)

    _set(stack, SimulatedGateway, "find_order", find)


def _our_clock(stack: contextlib.ExitStack) -> None:
    """Deadlines are judged by our own clock."""
    real = SimulatedGateway.time

    def time(self: SimulatedGateway) -> datetime:
        real(self)
        return from_micros(self._world.now_us)

    _set(stack, SimulatedGateway, "time", time)


def _no_intent(stack: contextlib.ExitStack) -> None:
    """The send is not on record when it leaves."""
    _set(stack, tasks.intent, "intend", lambda *_args, **_kwargs: None)


def _resend_unproven(stack: contextlib.ExitStack) -> None:
    """A venue that enforces no deadline is trusted to prove an absence."""

    def again(runtime: Any, child: Any) -> str:
        return tasks.lookup._plan_again(runtime, child, runtime.now())

    _set(stack, tasks.lookup, "_wait_for_a_person", again)


def _no_fill_key(stack: contextlib.ExitStack) -> None:
    """Each time that a trade is told it counts."""
    _set(stack, tasks.settle, "insert_fill", lambda *_args, **_kwargs: True)


def _believed_cancel(stack: contextlib.ExitStack) -> None:
    """What a cancel leaves behind is not read: nothing more is taken to have filled."""

    def cancel(gateway: Any, child: Any) -> OrderReport:
        with contextlib.suppress(VenueError):
            gateway.cancel_order(child.symbol, child.venue_order_id)
        report: OrderReport = gateway.fetch_order(child.symbol, child.venue_order_id)
        return replace(report, status=VenueStatus.CANCELED, filled_quantity=child.filled_quantity)

    _set(stack, tasks.withdraw, "_cancel_and_read", cancel)


def _heedless(stack: contextlib.ExitStack) -> None:
    """What the venue has said and nobody has settled yet does not hold a send back."""
    _set(stack, tasks.intent, "has_unapplied_reports", lambda *_args: False)
    _set(stack, tasks.lookup, "has_unapplied_reports", lambda *_args: False)


def _forgotten_trades(stack: contextlib.ExitStack) -> None:
    """An end counts although the venue tells of fills that it has not shown."""
    from models import applying

    real = applying.status_after

    def after(child: Any, report: OrderReport, booked: Any) -> Any:
        return real(child, replace(report, filled_quantity=min(report.filled_quantity, booked)), booked)

    _set(stack, tasks.settle, "status_after", after)


def _kept_hold(stack: contextlib.ExitStack) -> None:
    """What an order held is not released in its end."""
    import tasks.ending

    _set(stack, tasks.ending, "release_hold", lambda *_args, **_kwargs: None)


MUTANTS: Mapping[str, Patch] = {
    "no-epoch": _no_epoch,
    "early-resend": _early_resend,
    "no-lag": _no_lag,
    "blind-retry": _blind_retry,
    "any-limit": _any_limit,
    "open-only": _open_only,
    "our-clock": _our_clock,
    "no-intent": _no_intent,
    "resend-unproven": _resend_unproven,
    "no-fill-key": _no_fill_key,
    "believed-cancel": _believed_cancel,
    "heedless": _heedless,
    "forgotten-trades": _forgotten_trades,
    "kept-hold": _kept_hold,
}


@contextmanager
def mutated(name: str | None) -> Iterator[None]:
    """One of them while the block runs; None: the code as it is."""
    with contextlib.ExitStack() as stack:
        if name is not None:
            MUTANTS[name](stack)
        yield
