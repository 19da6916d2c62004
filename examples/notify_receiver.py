"""Receive what becomes of orders: the worker of another service.

    STEADFILL_BROKER_URL=redis://… celery --workdir examples -A notify_receiver worker -Q example.orders -P solo

Messages arrive at least once and may overtake each other: keep the document with the highest version.
"""

import os

from celery import Celery

app = Celery("example", broker=os.environ.get("STEADFILL_BROKER_URL", "redis://127.0.0.1:6379/0"))
app.conf.update(task_default_queue="example.orders", task_acks_late=True, worker_enable_remote_control=False)

newest: dict[str, int] = {}


@app.task(name="example.order_changed", ignore_result=True)
def order_changed(document: dict, version: int | None = None, **_: object) -> None:
    name, number = document.get("client_order_id", "?"), version or document.get("version") or 0
    if number < newest.get(name, 0):
        return
    newest[name] = number
    reason = document.get("reason") or {}
    print(
        f"{name} {document.get('status')} {document.get('filled_quantity', '0')} {reason.get('code', '')}".rstrip(),
        flush=True,
    )
