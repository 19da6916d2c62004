"""The chain of an order, from where the order stands."""

from typing import Any

from models.vocabulary import OrderStatus
from tasks.app import app
from tasks.postpone import RESCUED

#: The steps that still lie ahead, by status. What is not here needs no chain: it is tracked, or over.
STEPS_FROM = {
    OrderStatus.RECEIVED: ("orders.prepare", "orders.validate", "orders.commit", "orders.settle"),
    OrderStatus.PREPARED: ("orders.validate", "orders.commit", "orders.settle"),
    OrderStatus.VALIDATED: ("orders.commit", "orders.settle"),
    OrderStatus.WORKING: ("orders.commit", "orders.settle"),
    OrderStatus.PARTIALLY_FILLED: ("orders.commit", "orders.settle"),
    OrderStatus.PENDING_CANCEL: ("orders.commit", "orders.settle"),
}


def start_chain(order_id: str, status: OrderStatus, tries: int = 0, *, rescued: bool = False, **options: Any) -> None:
    """Publish the steps that lie ahead as one chain of ids. Raises kombu's OperationalError when the broker is away.

    ``options`` are the publisher's. The first step's message carries the rest, last one first, as ``celery.chain`` lays it out; building the canvas
    for each order cost as much as publishing it (tests/bench/bench_publish.py).
    """
    steps = STEPS_FROM.get(status)
    if steps is None:
        return
    first, *rest = steps
    app.send_task(
        first,
        kwargs={"order_id": order_id, "tries": tries, **(RESCUED if rescued else {})},
        chain=[_signature(step, order_id) for step in reversed(rest)],
        ignore_result=True,
        retry=False,
        **options,
    )


def _signature(step: str, order_id: str) -> dict[str, Any]:
    """A step as Celery writes it into a message: immutable, so that no result is handed on."""
    return {
        "task": step,
        "args": (),
        "kwargs": {"order_id": order_id},
        "options": {},
        "subtask_type": None,
        "immutable": True,
    }
