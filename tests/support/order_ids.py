"""The order in which lists show orders."""

from collections.abc import Iterable


def newest_first(order_ids: Iterable[str]) -> list[str]:
    """Lists go by id, which tells the millisecond and then chance: two orders of one millisecond stand as they fall."""
    return sorted(order_ids, reverse=True)
