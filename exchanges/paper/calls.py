"""A request to the venue's API, read: parameters from query and body, and who asks."""

from dataclasses import dataclass
from urllib.parse import parse_qsl

from exchanges.paper.errors import Refused, illegal, mandatory


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One HTTP request as it arrived."""

    method: str
    path: str
    #: raw, still percent-encoded
    query: str
    body: str
    headers: dict[str, str]
    #: the peer's address
    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a handler."""

    #: POST order, GET myTrades …
    name: str
    params: dict[str, str]
    #: the account whose key signed it, "" for public calls
    account: str = ""
    #: the venue's clock when the call takes effect
    now_ms: int = 0
    #: an order that this call creates stays out of the reads for so long
    lag_ms: int = 0

    def text(self, name: str) -> str:
        """A mandatory parameter."""
        value = self.params.get(name, "")
        if not value:
            raise mandatory(name)
        return value

    def integer(self, name: str, default: int | None = None, *, most: int | None = None) -> int | None:
        """An optional whole number, cut to ``most``."""
        value = self.params.get(name)
        if value is None or value == "":
            return default
        if len(value) > 19 or not value.isascii() or not value.isdigit():
            raise illegal(name, "^[0-9]{1,20}$")
        return int(value) if most is None else min(int(value), most)


def read_params(request: HttpRequest) -> dict[str, str]:
    """Query and form body together; the query wins where both name one. Raises Refused for a repeated name."""
    params: dict[str, str] = {}
    for part in (request.query, request.body):
        own: dict[str, str] = {}
        for name, value in parse_qsl(part, keep_blank_values=True, max_num_fields=100):
            if name in own:
                raise Refused(-1101, f"Duplicate values for parameter '{name}'.")
            own[name] = value
        params = {**own, **params}
    return params
