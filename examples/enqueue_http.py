"""Place an order over HTTP and follow it to its end. Needs nothing but Python.

    python examples/enqueue_http.py [FILE with the request]

Run it twice with one client_order_id: the second run is answered with the same order.
STEADFILL_API names the API (http://127.0.0.1:8080), STEADFILL_API_KEY the key where it wants one.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

API = os.environ.get("STEADFILL_API", "http://127.0.0.1:8080")
KEY = os.environ.get("STEADFILL_API_KEY")
FINAL = {"FILLED", "CANCELED", "EXPIRED", "DENIED", "REJECTED", "FAILED"}

MARKET_BUY = {
    "client_order_id": f"example-{uuid.uuid4().hex}",
    "venue": "paper",
    "symbol": "BTC/USDT",
    "side": "buy",
    "type": "market",
    "quantity": "0.01",  # a string: no decimal goes through a binary float
}


def call(method: str, path: str, body: bytes | None = None) -> dict:
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {KEY}"} if KEY else {})}
    request = urllib.request.Request(API + path, data=body, method=method, headers=headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return json.load(answer)


def place(body: bytes) -> dict:
    """Sent again until it is answered: whatever happens on the way, it stays one order."""
    for wait_s in (0.2, 0.5, 1, 2, 5, 0):
        try:
            return call("POST", "/v1/orders", body)
        except urllib.error.HTTPError as error:
            if error.code < 500:  # a problem document says which field, which rule, which value would do
                sys.exit(error.read().decode())
        except OSError as error:
            print(f"no answer ({error}), once more", file=sys.stderr)
        time.sleep(wait_s)
    sys.exit(f"No API answers at {API}. Start it with: steadfill up")


def main() -> None:
    body = Path(sys.argv[1]).read_bytes() if len(sys.argv) > 1 else json.dumps(MARKET_BUY).encode()
    order = place(body)
    print(f"order {order['id']}: {order['status']}")
    while order["status"] not in FINAL:
        time.sleep(0.5)
        order = call("GET", f"/v1/orders/{order['id']}")
    print(f"{order['status']}: {order['filled_quantity']} at {order['average_price']}, {len(order['fills'])} fills")


if __name__ == "__main__":
    main()
