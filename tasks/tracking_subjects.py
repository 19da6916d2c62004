"""What a message is about, read from its keywords: ids, and nothing else of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: characters of an id or name from outside that are kept
LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    order_id: str | None = None
    child_id: str | None = None
    #: a client order id, ``venue/account/symbol``, a venue
    other: str | None = None

    @property
    def key(self) -> str:
        """What its deliveries are counted under; empty where a message is about nothing in particular.

        The slices of one order are counted apart: a worker that is killed gives back the messages of many at once.
        """
        return self.child_id or self.order_id or self.other or ""


NOTHING = Subject()


def subject_of(kwargs: object) -> Subject:
    """From the keywords of one of our tasks, or of another service's message, which may hold anything."""
    if not isinstance(kwargs, Mapping):
        return NOTHING
    document = kwargs.get("document")
    if isinstance(document, Mapping):  # a notice to a caller
        return Subject(order_id=bounded(document.get("id")), other=bounded(document.get("client_order_id")))
    request = kwargs.get("request")
    source = request if isinstance(request, Mapping) else kwargs
    client_order_id = bounded(source.get("client_order_id"))
    if client_order_id is not None:
        return Subject(other=client_order_id)
    market = [bounded(kwargs.get(name)) for name in ("venue", "account", "symbol")]
    return Subject(
        order_id=bounded(kwargs.get("order_id")),
        child_id=bounded(kwargs.get("child_id")),
        other="/".join(part for part in market if part) or None,
    )


def bounded(value: object) -> str | None:
    """A text as both databases keep it: short, printable; None for what is no text."""
    if not isinstance(value, str) or not value:
        return None
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in value[:LONGEST])


def keywords_of(body: Any) -> object:
    """The keywords in a message's decoded body: ``[args, kwargs, embed]``, or the older dictionary."""
    if isinstance(body, (list, tuple)) and len(body) >= 2:
        return body[1]
    return body.get("kwargs") if isinstance(body, Mapping) else None
