"""Place an order through the broker, from a service that has Celery and the broker's URL, and nothing of Steadfill.

    STEADFILL_BROKER_URL=redis://… python examples/enqueue_celery.py [FILE with the request]

Every change of the order, its refusal too, comes back as a message to the queue and task named under "notify":
examples/notify_receiver.py shows them.
"""

import json
import os
import sys
import uuid
from pathlib import Path

from celery import Celery

BROKER = os.environ.get("STEADFILL_BROKER_URL", "redis://127.0.0.1:6379/0")

REQUEST = {
    "client_order_id": f"example-{uuid.uuid4().hex}",
    "venue": "paper",
    "symbol": "ETH/USDT",
    "side": "buy",
    "type": "market",
    "quantity": "0.1",
}


def main() -> None:
    request = json.loads(Path(sys.argv[1]).read_text(), parse_float=str) if len(sys.argv) > 1 else REQUEST
    request.setdefault("notify", {"queue": "example.orders", "task": "example.order_changed"})
    app = Celery("example", broker=BROKER)
    # ignore_result: the order's changes are the answer, there is no result to wait for.
    app.send_task("orders.submit", kwargs={"request": request}, queue="orders", ignore_result=True)
    print(f"sent {request['client_order_id']}")


if __name__ == "__main__":
    main()
