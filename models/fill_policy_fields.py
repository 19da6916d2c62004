"""Reading a fill policy and its parameters: every rule that is broken is kept with the nearest value that would do."""

from collections.abc import Callable, Mapping
from dataclasses import fields as dataclass_fields
from decimal import Decimal

from models.fill_policy import (
    DEFAULT_ATTEMPTS,
    DEFAULT_DELAY_S,
    DEFAULT_TIMEOUT_S,
    MAX_ATTEMPTS,
    MAX_DELAY_S,
    MAX_TIMEOUT_S,
    MIN_TIMEOUT_S,
    AcceptPartial,
    CancelAndRetry,
    FillPolicy,
    Reprice,
    RetryRemaining,
    Then,
    WaitForComplete,
)
from models.money import ZERO
from models.request_fields import Fields

#: digits after the point of a number of seconds: times are kept in microseconds
_SECOND_DIGITS = 6


def read_parameters(fields: Fields, path: str, name: str, given: Mapping[str, object]) -> FillPolicy:
    """The policy called ``name``, one of FILL_POLICIES, with the parameters in ``given``.

    Errors are kept in ``fields`` under ``path``; while there are any, what is returned means nothing.
    """
    kind, read = _READERS[name]
    return read(fields.part(path, given, [field.name for field in dataclass_fields(kind)]))


def _read_accept_partial(_: Fields) -> AcceptPartial:
    return AcceptPartial()


def _read_retry_remaining(fields: Fields) -> RetryRemaining:
    return RetryRemaining(
        max_attempts=_read_attempts(fields),
        delay_s=fields.between("delay_s", ZERO, MAX_DELAY_S, digits=_SECOND_DIGITS, default=DEFAULT_DELAY_S),
    )


def _read_wait_for_complete(fields: Fields) -> WaitForComplete:
    return WaitForComplete(timeout_s=_read_timeout(fields), then=fields.word("then", Then, default=Then.ACCEPT))


def _read_cancel_and_retry(fields: Fields) -> CancelAndRetry:
    return CancelAndRetry(
        timeout_s=_read_timeout(fields),
        max_attempts=_read_attempts(fields),
        reprice=fields.word("reprice", Reprice, default=Reprice.JOIN),
    )


def _read_attempts(fields: Fields) -> int:
    return fields.whole("max_attempts", 1, MAX_ATTEMPTS, default=DEFAULT_ATTEMPTS)


def _read_timeout(fields: Fields) -> Decimal:
    return fields.between("timeout_s", MIN_TIMEOUT_S, MAX_TIMEOUT_S, digits=_SECOND_DIGITS, default=DEFAULT_TIMEOUT_S)


_READERS: Mapping[str, tuple[type[FillPolicy], Callable[[Fields], FillPolicy]]] = {
    "accept_partial": (AcceptPartial, _read_accept_partial),
    "retry_remaining": (RetryRemaining, _read_retry_remaining),
    "wait_for_complete": (WaitForComplete, _read_wait_for_complete),
    "cancel_and_retry": (CancelAndRetry, _read_cancel_and_retry),
}
