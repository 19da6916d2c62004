"""Why a request is refused: field, rule, value and the nearest value that would do."""

from collections.abc import Sequence
from dataclasses import dataclass

#: characters of a refused value that an error repeats; a hostile one may have thousands
SHOWN_VALUE_LENGTH = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    #: dotted path into the request, ``algorithm.slices``; empty for the request as a whole
    field: str
    #: what is asked of the field, as a sentence without its subject: ``must be a plain decimal string``
    rule: str
    #: the value that was sent, shortened; None where the field is missing
    value: str | None = None
    #: the nearest value that would do, where there is one
    nearest: str | None = None

    def sentence(self) -> str:
        text = f"{self.field or 'the request'} {self.rule}"
        if self.value is not None:
            text += f", got {self.value}"
        if self.nearest is not None:
            text += f"; the nearest that would do is {self.nearest}"
        return text


def shown(value: object) -> str:
    """A value as an error repeats it: short, printable, on one line."""
    text = value if isinstance(value, str) else repr(value) if not isinstance(value, (int, bool)) else _shown_int(value)
    text = "".join(character if character.isprintable() else "\ufffd" for character in text[: SHOWN_VALUE_LENGTH + 1])
    return text if len(text) <= SHOWN_VALUE_LENGTH else text[:SHOWN_VALUE_LENGTH] + "…"


def _shown_int(value: int) -> str:
    return str(value) if abs(value) < 10**SHOWN_VALUE_LENGTH else f"a whole number of {value.bit_length()} bits"


class Refusal(Exception):
    """A request that can't be taken. Nothing was changed. Carries a stable code and a sentence.

    ``status`` is the HTTP answer; the command line and dead letters use code and message.
    """

    status = 422
    code = "INVALID_REQUEST"

    def __init__(self, message: str, errors: Sequence[FieldError] = (), *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.errors = tuple(errors)
        if code is not None:
            self.code = code


class InvalidRequest(Refusal):
    """Fields that break a rule; every one of them is listed."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(error.sentence() for error in errors), errors)


class Malformed(Refusal):
    """The bytes are no JSON object."""

    status = 400
    code = "MALFORMED_JSON"


class Conflict(Refusal):
    """The state of what exists does not allow it."""

    status = 409
    code = "CONFLICT"


class NotFound(Refusal):
    status = 404
    code = "NOT_FOUND"


class Unavailable(Refusal):
    """It can't be decided now; the same request may be sent again after ``retry_after_s``."""

    status = 503
    code = "UNAVAILABLE"

    def __init__(self, message: str, *, retry_after_s: int = 2, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s
