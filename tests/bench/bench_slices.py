"""How far from its time a slice is sent, with 200 schedules working at once, on each stack.

The error is the send's own record (``sends.intended_at``: the moment it was decided, written down and signed) less the
slice's ``due_at``; both are the deployment's time. STEADFILL_BENCH_ORDERS (200) orders of STEADFILL_BENCH_SLICES (4)
slices, one every 30 s each, begun evenly over 30 s: 6.7 sends a second.
"""

from __future__ import annotations

import contextlib
import os
import statistics
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from settings import load_settings
from storage.engine import make_engine, read
from storage.order_tables import child_orders, sends
from tests.acceptance.client import FINAL
from tests.support.recovery import Watched
from tests.support.stacks import Stack
from tests.support.waiting import eventually

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

ORDERS = int(os.environ.get("STEADFILL_BENCH_ORDERS", "200"))
SLICES = int(os.environ.get("STEADFILL_BENCH_SLICES", "4"))
INTERVAL_S = 30

#: until the first slice is due: time to take all orders in
HEAD_START_S = 45

#: what the issue asks for
P99_MS = 250


@contextlib.contextmanager
def _running(stack: Stack, folder: Path) -> Iterator[Watched]:
    made = Watched(folder, stack.env)
    try:
        made.start()
        made.wait_until_ready()
        yield made
    finally:
        made.stop()


def test_how_far_from_its_time_a_slice_is_sent(stack: Stack, tmp_path: Path) -> None:
    with _running(stack, tmp_path / "deployment") as deployment:
        client = deployment.client
        begin = datetime.now(UTC) + timedelta(seconds=HEAD_START_S)

        def place(number: int) -> str:
            start_at = begin + timedelta(seconds=INTERVAL_S * number / ORDERS)
            twap = {
                "name": "twap",
                "duration_s": INTERVAL_S * SLICES,
                "slices": SLICES,
                "start_at": start_at.isoformat(),
            }
            return str(client.place(quantity=f"0.00{SLICES}", algorithm=twap)["id"])

        with ThreadPoolExecutor(8) as pool:
            placed = list(pool.map(place, range(ORDERS)))
        late_intake = datetime.now(UTC) > begin
        for order_id in placed:
            eventually(
                lambda order_id=order_id: client.status(order_id)["status"] in FINAL,  # type: ignore[misc]
                within_s=HEAD_START_S + INTERVAL_S * SLICES * 4,
                describe=f"{order_id} ends",
            )
        ends = [client.status(order_id)["status"] for order_id in placed]
        engine = make_engine(load_settings(stack.env).database_url)
        with read(engine) as conn:
            rows = conn.execute(
                select(child_orders.c.due_at, sends.c.intended_at)
                .join(sends, sends.c.child_id == child_orders.c.id)
                .where(sends.c.number == 1)
            ).all()
            dropped = conn.execute(
                select(child_orders.c.reason_code).where(child_orders.c.reason_code == "LATE_SLICE")
            ).all()
        engine.dispose()
    errors = sorted((row.intended_at - row.due_at).total_seconds() * 1000 for row in rows)
    centiles = statistics.quantiles(errors, n=100)
    print(
        f"\n{stack.name}: {len(errors)} sends of {ORDERS} schedules; ms after their time: p50 {centiles[49]:.0f}, "
        f"p95 {centiles[94]:.0f}, p99 {centiles[98]:.0f}, first {errors[0]:.0f}, last {errors[-1]:.0f}; "
        f"{ends.count('FILLED')} filled, {len(dropped)} slices planned anew"
        + ("; orders were still coming in when the first slice was due" if late_intake else "")
        + f" (wanted: p99 within {P99_MS})"
    )
