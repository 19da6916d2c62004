"""What a failed request to a venue proves. The only exception that gateways let out."""

from enum import StrEnum


class Evidence(StrEnum):
    #: the connection was never made: the request surely did not arrive
    NOT_SENT = "not_sent"
    #: no proof either way; the order may be live
    AMBIGUOUS = "ambiguous"
    #: the venue says that the client id exists: so does the order
    DUPLICATE = "duplicate"
    #: the venue surely did not take it, and never will as it stands
    REJECTED = "rejected"
    #: refused before it was looked at, for asking too often
    RATE_LIMITED = "rate_limited"
    #: key, signature or permission: refused before it was looked at
    CREDENTIALS = "credentials"
    #: outside the venue's time window: this copy was refused, and always will be
    CLOCK = "clock"
    #: the venue answered that it does not know the order; for a fresh order that proves nothing
    NOT_FOUND = "not_found"


class VenueError(Exception):
    """A request to a venue failed; ``evidence`` says what that proves.

    The text is redacted: no key, signature or URL is in it.
    """

    def __init__(
        self,
        evidence: Evidence,
        message: str,
        *,
        code: str = "",
        retry_after_s: float | None = None,
        status: int | None = None,
        outage: bool = False,
    ) -> None:
        super().__init__(message)
        self.evidence = evidence
        self.message = message
        #: the venue's own code, where it gave one
        self.code = code
        #: how long the venue wants to be left alone, in seconds
        self.retry_after_s = retry_after_s
        #: the HTTP status of the answer; None when there was none
        self.status = status
        #: the venue did not answer as a working venue does: a failure for its breaker. A business no is none
        self.outage = outage

    def __reduce__(self) -> tuple[object, ...]:
        state = {"code": self.code, "retry_after_s": self.retry_after_s, "status": self.status, "outage": self.outage}
        return type(self), (self.evidence, self.message), state


class NotAmendable(VenueError):
    """The venue can't change an order in its place. Nothing was sent: cancel it, read what has filled, send the rest."""
