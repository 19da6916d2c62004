"""Fields of a request that contradict each other: algorithm and fill policy against the kind of order."""

from datetime import datetime

from models.algorithm import Algorithm, Iceberg, Single, Twap, Vwap
from models.clock import format_time
from models.fill_policy import CancelAndRetry, FillPolicy, Reprice
from models.request_fields import Fields
from models.vocabulary import OrderType, TimeInForce


def check_algorithm(
    fields: Fields,
    algorithm: Algorithm,
    order_type: OrderType,
    time_in_force: TimeInForce,
    expires_at: datetime | None,
    *,
    enable_partial_fills: bool,
) -> None:
    if not enable_partial_fills and not isinstance(algorithm, Single):
        rule = "is not possible while enable_partial_fills is off"
        fields.refuse("algorithm.name", rule, algorithm.name, instead="single")
        return
    if isinstance(algorithm, Iceberg):
        _check_rests(fields, order_type, time_in_force)
    if isinstance(algorithm, (Twap, Vwap)):
        _check_start(fields, algorithm.start_at, expires_at)


def check_fill_policy(fields: Fields, policy: FillPolicy, order_type: OrderType, *, post_only: bool) -> None:
    if not isinstance(policy, CancelAndRetry):
        return
    if order_type is OrderType.MARKET and not fields.broken("type"):
        rule = "is for limit orders only: a market order does not rest and has no price to change"
        fields.refuse("fill_policy.name", rule, policy.name, instead="retry_remaining")
    elif post_only and policy.reprice is Reprice.CROSS:
        rule = "must be join or keep for a post-only order, which never takes from the book"
        fields.refuse("fill_policy.reprice", rule, policy.reprice.value, instead="join")


def _check_rests(fields: Fields, order_type: OrderType, time_in_force: TimeInForce) -> None:
    if order_type is not OrderType.LIMIT and not fields.broken("type"):
        fields.refuse("type", "must be limit for an iceberg: its slices rest in the book", instead="limit")
    if time_in_force is not TimeInForce.GTC and not fields.broken("time_in_force"):
        fields.refuse("time_in_force", "must be GTC for an iceberg: its slices rest in the book", instead="GTC")


def _check_start(fields: Fields, start_at: datetime | None, expires_at: datetime | None) -> None:
    if start_at is not None and expires_at is not None and start_at >= expires_at:
        rule = f"must be before expires_at, {format_time(expires_at)}: nothing could ever be sent"
        fields.refuse("algorithm.start_at", rule, format_time(start_at))
