"""Dice that fall the same in every process: a hash of the order, what is diced for, and the slot."""

from decimal import Decimal
from hashlib import blake2b

from models.money import multiply

#: what a jitter is measured in: parts of one
PARTS = 10**9


def jitter_parts(order_id: str, purpose: str, slot: int, share: Decimal) -> int:
    """A number from ``-share`` to ``share``, evenly spread, in billionths. ``share`` is at most 1.

    An order that is planned again after a restart gets the same number, and nobody outside can foresee it without
    the order's id, which is random.
    """
    if not share:
        return 0
    digest = blake2b(f"{order_id}:{purpose}:{slot}".encode(), digest_size=8).digest()
    signed = int.from_bytes(digest) % (2 * PARTS + 1) - PARTS
    return int(multiply(share, Decimal(signed)))
