"""What a failed request proves: the one place where exceptions of ccxt become evidence.

ccxt's class names do not say whether an order exists, so they come last: first whether anything left at all, then the
HTTP status, then the venue's own code and words, and only then the class.
"""

import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from requests.exceptions import ConnectTimeout
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from exchanges.aliases import speaks_as
from exchanges.evidence import Evidence, VenueError
from exchanges.http_session import Wire
from exchanges.redact import redact
from exchanges.reply_words import json_in, reply_error, wait_s
from exchanges.retry_after import reply_time_s, retry_after_s
from exchanges.venue_codes import (
    BANNED_UNTIL,
    CLIENT_ID_TEXT,
    CLOCK_TEXT,
    DUPLICATE_TEXT,
    TIMEOUT_TEXT,
    venue_codes,
)

#: HTTP statuses by which a venue, or the proxy before it, slows us down
RATE_STATUSES = frozenset({418, 429})
#: answers of a working venue to a request that it does not like, whatever ccxt calls them
NO_OUTAGE_STATUSES = frozenset({400, 404, 409})
#: the request may have been looked at before 408 and 425 were answered; 407 comes from something between us and the venue
UNPROVEN_STATUSES = frozenset({407, 408, 425})

#: ccxt's classes by name, so that judging does not import it; the first that matches counts
_BY_CLASS: tuple[tuple[str, Evidence], ...] = (
    ("DuplicateOrderId", Evidence.DUPLICATE),
    ("InvalidNonce", Evidence.CLOCK),
    ("RateLimitExceeded", Evidence.RATE_LIMITED),
    ("DDoSProtection", Evidence.RATE_LIMITED),
    ("OrderNotFound", Evidence.NOT_FOUND),
    ("AuthenticationError", Evidence.CREDENTIALS),
    ("InsufficientFunds", Evidence.REJECTED),
    ("InvalidOrder", Evidence.REJECTED),
    ("BadRequest", Evidence.REJECTED),
    ("MarketClosed", Evidence.REJECTED),
)
#: verdicts that a text about a timeout takes back
_DEFINITE = frozenset({Evidence.REJECTED, Evidence.CREDENTIALS, Evidence.NOT_FOUND})
#: what codes prove where the venue's words say that the id is taken: Binance has one code for every refusal
_OVERRULED_BY_WORDS = frozenset({None, Evidence.REJECTED})
#: refusals of ccxt itself; definite only when nothing has left
_LOCAL = frozenset({"ArgumentsRequired", "NotSupported"})

_NOT_CONNECTED = (ConnectTimeout, ConnectTimeoutError, NewConnectionError, NameResolutionError)

_SENTENCES: Mapping[Evidence, str] = {
    Evidence.NOT_SENT: "the request was not sent to {venue}",
    Evidence.AMBIGUOUS: "{venue} gave no answer that proves anything",
    Evidence.DUPLICATE: "{venue} has an order with this client id already",
    Evidence.REJECTED: "{venue} refused the request",
    Evidence.RATE_LIMITED: "{venue} was asked too often",
    Evidence.CREDENTIALS: "{venue} refused the key, its signature or its permissions: check the credentials",
    Evidence.CLOCK: "{venue} refused the request for its time",
    Evidence.NOT_FOUND: "{venue} does not know the order",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    status: int | None
    code: str
    #: the venue's own words, not yet redacted; the whole reply where they are not at their place
    text: str
    #: the venue's own words where they are at their place
    said: str
    #: how long the reply itself asks to be left alone
    wait_s: float | None
    #: nothing that could change what it was meant to change has left
    unsent: bool
    #: some request got as far as the venue
    asked: bool
    #: before the request that failed, one had left that may have changed what was to be changed
    left_before: bool
    #: the class of the exception is the venue's doing: nothing had left, or the reply was read as an error
    class_counts: bool
    names: frozenset[str]
    chain: tuple[BaseException, ...] = field(repr=False)


def classify(
    exception: BaseException,
    ccxt_id: str,
    wire: Wire | None = None,
    *,
    changes: bool = True,
    venue: str = "",
    secrets: Iterable[str] = (),
    now_s: float = 0.0,
) -> VenueError:
    """The evidence in ``exception`` and in what was seen on the wire. To be raised ``from None``.

    ``changes``: the call was to change something, so that reads which ccxt made before it prove nothing about it.
    ``venue`` is its name in the sentence, ``ccxt_id`` where none is given.
    ``now_s`` (seconds since the epoch) turns a Retry-After date into seconds; 0 trusts the reply's own Date.
    """
    if isinstance(exception, VenueError):
        return exception
    facts = _gather(exception, ccxt_id, wire, changes=changes)
    evidence = _judge(facts, ccxt_id)
    if not changes and facts.code in venue_codes(ccxt_id).not_found_in_reads:
        evidence = Evidence.NOT_FOUND
    if evidence is Evidence.AMBIGUOUS and facts.unsent:
        evidence = Evidence.REJECTED if facts.names & _LOCAL else Evidence.NOT_SENT
    headers = wire.headers if wire is not None else {}
    return VenueError(
        evidence,
        _message(evidence, venue or ccxt_id, facts, secrets),
        code=redact(facts.code, secrets),
        retry_after_s=retry_after_s(headers, now_s) or facts.wait_s or _ban_s(facts.text, headers, now_s),
        status=facts.status,
        outage=_outage(evidence, facts),
    )


def unreadable(venue: str, wire: Wire, what: str = "") -> VenueError:
    """A reply with a good status that is no answer: nobody knows what the venue did."""
    what = what or "its answer can't be read"
    message = f"{_SENTENCES[Evidence.AMBIGUOUS].format(venue=venue)}: {what} (HTTP {wire.status})"
    return VenueError(Evidence.AMBIGUOUS, message, status=wire.status, outage=wire.unreadable)


def refusal_in(body: object, ccxt_id: str, venue: str, secrets: Iterable[str] = ()) -> VenueError | None:
    """What a reply with a good status refuses, where its code proves that; None where it proves nothing.

    For replies that ccxt takes for answers although they are a no.
    """
    code, text = reply_error(body, ccxt_id)
    evidence = venue_codes(ccxt_id).evidence(code)
    if evidence not in {Evidence.REJECTED, Evidence.NOT_FOUND}:
        return None
    words = redact(text or code, secrets)
    return VenueError(evidence, f"{_SENTENCES[evidence].format(venue=venue)} ({code}): {words}", code=code)


def _gather(exception: BaseException, ccxt_id: str, wire: Wire | None, *, changes: bool) -> _Facts:
    chain = tuple(_chain(exception))
    body = wire.json if wire is not None else None
    if wire is None or wire.status is None:
        body = json_in(str(exception))
    code, text = reply_error(body, ccxt_id)
    if speaks_as(ccxt_id) == "kraken" and code:
        code = ":".join(code.split(":")[:2])
    said = text
    if not text and wire is not None and wire.body and wire.status is not None:
        text = wire.body
    unsent = wire is not None and not (wire.posted if changes else wire.asked)
    status = (wire.status if wire is not None else None) or 0
    return _Facts(
        status=status or None,
        code=code,
        text=text or _without_prefix(str(exception)),
        said=said,
        wait_s=wait_s(body, ccxt_id),
        unsent=unsent,
        asked=wire is not None and wire.asked,
        left_before=changes and wire is not None and wire.posted_before,
        class_counts=not changes or unsent or status >= 400 or bool(code) or _read_as_error(exception),
        names=frozenset(base.__name__ for base in type(exception).__mro__),
        chain=chain,
    )


def _judge(facts: _Facts, ccxt_id: str) -> Evidence:
    verdict = _by_delivery(facts)
    if verdict is not None:
        return verdict
    by_code = venue_codes(ccxt_id).evidence(facts.code)
    if by_code in _OVERRULED_BY_WORDS and _is_business(facts) and DUPLICATE_TEXT.search(f"{facts.code} | {facts.text}"):
        return Evidence.DUPLICATE
    if by_code is Evidence.DUPLICATE:
        return Evidence.DUPLICATE
    if _unproven(facts):
        return Evidence.AMBIGUOUS
    if by_code is not None and by_code is not Evidence.REJECTED:
        return by_code
    if "OperationFailed" not in facts.names and facts.class_counts and CLOCK_TEXT.search(facts.text):
        return Evidence.CLOCK
    by_class = _by_class(facts)
    if by_class is Evidence.NOT_FOUND and facts.code == "-2011" and "unknown order" not in facts.text.lower():
        return Evidence.REJECTED  # Binance: a cancel refused for another reason than that there is nothing to cancel
    verdict = by_code or by_class
    if verdict in _DEFINITE and TIMEOUT_TEXT.search(facts.text):
        return Evidence.AMBIGUOUS
    return verdict or Evidence.AMBIGUOUS


def _by_delivery(facts: _Facts) -> Evidence | None:
    """What follows from how far the request got, whatever was answered."""
    if any(isinstance(link, _NOT_CONNECTED) for link in facts.chain):
        # One call may make several requests: an order that left before this one failed is not unsent.
        return Evidence.NOT_SENT if facts.unsent or not facts.asked else Evidence.AMBIGUOUS
    if facts.left_before:
        return Evidence.AMBIGUOUS  # this reply speaks of another request
    return Evidence.RATE_LIMITED if facts.status in RATE_STATUSES else None


def _by_class(facts: _Facts) -> Evidence | None:
    if not facts.class_counts:
        return None  # ccxt stumbled over a good reply: what was to be changed may have been
    verdict = next((evidence for name, evidence in _BY_CLASS if name in facts.names), None)
    if verdict is Evidence.REJECTED and not facts.unsent and CLIENT_ID_TEXT.search(facts.said):
        return None  # our ids fit the venue's rules, so that a complaint about one may say that it is taken
    return verdict


def _read_as_error(exception: BaseException) -> bool:
    """ccxt raised it while it looked for an error in the reply, not while it made an order of a good one."""
    return any(frame.f_code.co_name == "handle_errors" for frame, _ in traceback.walk_tb(exception.__traceback__))


def _is_business(facts: _Facts) -> bool:
    return "ExchangeError" in facts.names or bool(facts.code)


def _unproven(facts: _Facts) -> bool:
    return facts.status is not None and (facts.status >= 500 or facts.status in UNPROVEN_STATUSES)


def _outage(evidence: Evidence, facts: _Facts) -> bool:
    if evidence is Evidence.NOT_SENT:
        return facts.asked or any(isinstance(link, _NOT_CONNECTED) for link in facts.chain)
    if facts.status is not None and facts.status >= 500:
        return True
    return evidence is Evidence.AMBIGUOUS and facts.status not in NO_OUTAGE_STATUSES


def _message(evidence: Evidence, venue: str, facts: _Facts, secrets: Iterable[str]) -> str:
    sentence = _SENTENCES[evidence].format(venue=venue)
    words = redact(facts.text, secrets)
    if facts.status is None:
        words = next((redact(str(link), secrets) for link in facts.chain[1:] if str(link)), "") or words
    parts = [f"HTTP {facts.status}" if facts.status is not None else "", redact(facts.code, secrets)]
    about = ", ".join(part for part in parts if part)
    return f"{sentence}{f' ({about})' if about else ''}{f': {words}' if words else ''}"


def _chain(exception: BaseException) -> Iterator[BaseException]:
    """The exception, what it was raised from, and what those carry as their reason; each once."""
    waiting: list[object] = [exception]
    seen: set[int] = set()
    while waiting:
        link = waiting.pop(0)
        if not isinstance(link, BaseException) or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        waiting += [link.__cause__, link.__context__, getattr(link, "reason", None), *link.args]


def _without_prefix(text: str) -> str:
    """ccxt puts its id, and often the method and the signed address, before what happened."""
    return text.split(" ", 1)[1] if " " in text else ""


def _ban_s(text: str, headers: Mapping[str, str], now_s: float) -> float | None:
    found = BANNED_UNTIL.search(text)
    if found is None:
        return None
    now_s = reply_time_s(headers) or now_s
    return max(0.0, int(found.group(1)) / 1000 - now_s) if now_s else None
