"""Identifiers. Random bytes and time are arguments, so that this module stays pure."""

import hashlib
from datetime import datetime

from models.clock import milliseconds

#: Crockford's base 32, lower case: no i, l, o, u
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"

#: letters a venue client id may begin with: gate treats a leading ``t`` as its own prefix
_PREFIX_FIRST = "abcdefghjkmnpqrsvwxyz"

#: bytes of randomness in an order id: 80 bits beside the millisecond
ORDER_ID_RANDOM_BYTES = 10

#: characters of a venue client id: the longest that all venues in the capability table take
VENUE_CLIENT_ID_LENGTH = 18
DEPLOYMENT_PREFIX_LENGTH = 3


def order_id(now: datetime, randomness: bytes) -> str:
    """26 characters that sort by time (ULID layout): 48 bits of milliseconds, 80 of randomness."""
    if len(randomness) != ORDER_ID_RANDOM_BYTES:
        raise ValueError(f"an order id needs {ORDER_ID_RANDOM_BYTES} random bytes, got {len(randomness)}")
    return _encode((milliseconds(now) << 80) | int.from_bytes(randomness), 26)


def child_id(parent_id: str, slice_number: int, attempt: int) -> str:
    """One attempt at one slice of a parent; ``slice_number`` from 0, ``attempt`` from 1."""
    return f"{parent_id}-{slice_number}-{attempt}"


def deployment_prefix(randomness: bytes) -> str:
    """Three characters that tell two deployments' orders at one venue account apart."""
    number = int.from_bytes(randomness)
    first, rest = number % len(_PREFIX_FIRST), number // len(_PREFIX_FIRST)
    return _PREFIX_FIRST[first] + _encode(rest % 1024, 2)


def venue_client_order_id(prefix: str, child: str) -> str:
    """The id a venue sees: alphanumeric, 18 characters, the same for every send of one child.

    75 bits of a hash of the random order id: a collision is checked by a unique index, not hoped away.
    """
    digest = int.from_bytes(hashlib.sha256(f"{prefix}:{child}".encode()).digest())
    return prefix + _encode(digest & ((1 << 75) - 1), VENUE_CLIENT_ID_LENGTH - DEPLOYMENT_PREFIX_LENGTH)


def is_of_deployment(prefix: str, client_order_id: str) -> bool:
    """Whether a client id has the shape of ``venue_client_order_id``. A stranger may hit on it: one in ten million does."""
    return (
        len(client_order_id) == VENUE_CLIENT_ID_LENGTH
        and client_order_id.startswith(prefix)
        and set(client_order_id[len(prefix) :]) <= set(_ALPHABET)
    )


def break_id(run_id: str, venue: str, account: str, key: str) -> str:
    """20 characters, the same whenever this break is found in this run: what is posted for it is keyed by it."""
    digest = int.from_bytes(hashlib.sha256(f"{run_id}/{venue}/{account}/{key}".encode()).digest())
    return "b" + _encode(digest & ((1 << 95) - 1), 19)


def _encode(number: int, length: int) -> str:
    characters = []
    for _ in range(length):
        number, index = divmod(number, 32)
        characters.append(_ALPHABET[index])
    return "".join(reversed(characters))
