"""Addresses of a host within a deadline: ``getaddrinfo`` itself can't be told to stop."""

import ipaddress
import os
import socket
import threading
from dataclasses import dataclass, field
from typing import Any

Address = tuple[Any, ...]


@dataclass(slots=True)
class _Lookup:
    done: threading.Event = field(default_factory=threading.Event)
    found: list[tuple[int, Address]] = field(default_factory=list)
    error: OSError | None = None


_lock = threading.Lock()
#: lookups under way, one per host and port whoever asks: a dead resolver costs one thread, not one per request
_under_way: dict[tuple[str, int], _Lookup] = {}


def resolve(host: str, port: int, timeout_s: float) -> list[tuple[int, Address]]:
    """(address family, socket address) pairs, in the system's order. Raises TimeoutError or OSError."""
    literal = _literal(host, port)
    if literal is not None:
        return [literal]
    key = (host, port)
    with _lock:
        lookup = _under_way.get(key)
        if lookup is None:
            lookup = _under_way[key] = _Lookup()
            threading.Thread(target=_look_up, args=(key, lookup), name=f"resolve-{host}", daemon=True).start()
    if not lookup.done.wait(timeout_s):
        raise TimeoutError(f"no address for {host} in time")
    if lookup.error is not None:
        raise OSError(f"no address for {host}: {lookup.error}")
    return lookup.found


def _forget_after_fork() -> None:
    """A child has none of its parent's threads: what they were looking up would never end."""
    global _lock  # noqa: PLW0603 - the parent's lock may be held by a thread that does not exist here
    _lock = threading.Lock()
    _under_way.clear()


def _literal(host: str, port: int) -> tuple[int, Address] | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if address.version == 6:
        return socket.AF_INET6, (str(address), port, 0, 0)
    return socket.AF_INET, (str(address), port)


def _look_up(key: tuple[str, int], lookup: _Lookup) -> None:
    try:
        for family, _, _, _, address in socket.getaddrinfo(key[0], key[1], type=socket.SOCK_STREAM):
            lookup.found.append((family, address))
        if not lookup.found:
            lookup.error = OSError("the resolver answered with nothing")
    except OSError as error:
        lookup.error = error
    finally:
        with _lock:
            _under_way.pop(key, None)
        lookup.done.set()


os.register_at_fork(after_in_child=_forget_after_fork)
