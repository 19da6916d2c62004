"""What a transaction moved in the books, told once it is durable to who keeps a hot copy in this process.

Only keys are told, no values: whoever hears of one reads it from the database, where it stands. A process in which nobody
listens notes nothing.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine


@dataclass(frozen=True, slots=True)
class TouchedBalance:
    venue: str
    account: str
    asset: str


@dataclass(frozen=True, slots=True)
class TouchedPosition:
    venue: str
    account: str
    asset: str
    cost_asset: str
    strategy: str


Touched = TouchedBalance | TouchedPosition

#: must not wait, and must not raise: it is called where an order is being settled
Listener = Callable[[frozenset[Touched]], None]

_listeners: weakref.WeakKeyDictionary[Engine, Listener] = weakref.WeakKeyDictionary()

_KEY = "steadfill.touched"


def listen(engine: Engine, listener: Listener) -> None:
    """Tell ``listener`` of what this process's transactions moved, each after its commit; the last one asked for is told."""
    _listeners[engine] = listener


def stop_listening(engine: Engine) -> None:
    _listeners.pop(engine, None)


def touch(conn: Connection, *moved: Touched) -> None:
    """Note what the transaction moves, or may move."""
    if _listeners and conn.engine in _listeners:
        conn.info.setdefault(_KEY, set()).update(moved)


def forget(conn: Connection) -> None:
    """A transaction begins: what one before it on this connection noted and took back is not its own."""
    if _listeners:
        conn.info.pop(_KEY, None)


def taken(conn: Connection) -> frozenset[Touched]:
    """What it noted; to be told once it is durable."""
    return frozenset(conn.info.pop(_KEY, ())) if _listeners else frozenset()


def tell(engine: Engine, moved: frozenset[Touched]) -> None:
    listener = _listeners.get(engine) if moved else None
    if listener is not None:
        listener(moved)
