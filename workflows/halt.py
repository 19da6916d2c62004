"""Halt and resume: stop new sends for everything, a venue, or one of its accounts."""

from collections.abc import Sequence

from sqlalchemy import select

from models.errors import FieldError, InvalidRequest, NotFound
from models.transitions import ORDER_FINAL
from storage.engine import read, write
from storage.halts import ALL, Halt, active_halts, lift_halt, set_halt
from storage.order_tables import orders
from tasks.runtime import Runtime
from workflows.cancel import OtherwiseEnded, request_cancel

_FINAL = [status.value for status in ORDER_FINAL]


def halt(
    runtime: Runtime,
    venue: str | None = None,
    account: str | None = None,
    reason: str = "",
    cancel: bool = False,
    *,
    by: str,
) -> Sequence[Halt]:
    """Stop new sends in a scope; cancels, lookups and fills go on. ``cancel`` withdraws what rests, too.

    Returns every halt that stands now. Raises InvalidRequest for a scope that is not configured.
    """
    _check_scope(runtime, venue, account)
    with write(runtime.engine) as conn:
        set_halt(conn, Halt(venue=venue or ALL, account=account or ALL, reason=reason, by=by, since=runtime.now()))
        standing = active_halts(conn)
    if cancel:
        _cancel_all(runtime, venue, account, by)
    return standing


def resume(runtime: Runtime, venue: str | None = None, account: str | None = None) -> Sequence[Halt]:
    """Lift the halt of exactly this scope; returns those that stand still. Raises NotFound when there is none."""
    _check_scope(runtime, venue, account)
    with write(runtime.engine) as conn:
        if not lift_halt(conn, venue or ALL, account or ALL):
            standing = "; ".join(halt.sentence() for halt in active_halts(conn)) or "nothing is halted"
            raise NotFound(f"no halt has exactly this scope: {standing}", code="NOT_HALTED")
        return active_halts(conn)


def _check_scope(runtime: Runtime, venue: str | None, account: str | None) -> None:
    if venue is not None and venue not in runtime.accounts:
        raise InvalidRequest([FieldError(field="venue", rule="must be a configured venue", value=venue)])
    if account is not None and venue is not None and account not in runtime.accounts[venue]:
        raise InvalidRequest([FieldError(field="account", rule=f"must be an account of {venue}", value=account)])


def _cancel_all(runtime: Runtime, venue: str | None, account: str | None, by: str) -> None:
    statement = select(orders.c.id).where(orders.c.status.not_in(_FINAL))
    if venue is not None:
        statement = statement.where(orders.c.venue == venue)
    if account is not None:
        statement = statement.where(orders.c.account == account)
    with read(runtime.engine) as conn:
        open_ids = list(conn.execute(statement).scalars())
    for order_id in open_ids:
        try:
            request_cancel(runtime, order_id, source=f"halt by {by}")
        except (NotFound, OtherwiseEnded):
            continue  # it ended in between
