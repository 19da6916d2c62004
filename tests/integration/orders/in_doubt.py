"""Faults and windows by which a send is left in doubt, for the tests of this folder."""

from __future__ import annotations

from typing import Any

from tests.support.runtime import Desk

#: The venue proves an absence soon: its deadline is short, and what it has it shows at once. For sends that do not
#: arrive: one that is to arrive may be late for it, so that ``give_sends_room`` comes before the next.
QUICK_PROOF = {"recv_window_ms": 800, "clock_skew_ms": 0, "visibility_lag_ms": 100, "max_age_s": 86_400}

#: for what must get to the venue inside the window, however slow this machine is: nobody waits for its end
WIDE_WINDOW = {**QUICK_PROOF, "recv_window_ms": 30_000}

CREATE = {"endpoint": "order", "method": "POST", "count": 1}

REQUEST_LOST = {**CREATE, "kind": "drop", "when": "before"}

REPLY_LOST = {**CREATE, "kind": "drop", "when": "after"}


def is_final(desk: Desk, order_id: str) -> Any:
    return lambda: desk.order(order_id).is_final
