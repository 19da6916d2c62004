"""How Nobitex is asked, and what its answers are before anything is made of them."""

from collections.abc import Iterator, Mapping
from typing import Any

from ccxt.base.errors import BadResponse, ExchangeError, OrderNotFound
from ccxt.base.exchange import Exchange

from exchanges.nobitex.description import (
    BY_STATUS,
    DESCRIPTION,
    EXACT,
    LAST_PAGE,
    PAGE_SIZE,
    PER_MINUTE,
    WEIGHT_PER_MINUTE,
)

Params = Mapping[str, Any]
Dict = dict[str, Any]
NONE: Params = {}

#: what a cancel is told of an order that has ended before
ENDED = frozenset({"Done", "Canceled", "Rejected"})


class Wire(Exchange):  # type: ignore[misc]
    """Every reply is checked to hold what was asked for: one that lacks it raises BadResponse and is no empty list."""

    def describe(self) -> Dict:
        described: Dict = self.deep_extend(super().describe(), DESCRIPTION)
        return described

    def calculate_rate_limiter_cost(
        self,
        api: Any,  # noqa: ARG002 - ccxt's own arguments
        method: str,  # noqa: ARG002
        path: str,
        params: Params,  # noqa: ARG002
        config: Params = NONE,  # noqa: ARG002
    ) -> float:
        """What a request weighs: the venue bounds each address by itself, whoever limits us counts all together."""
        asked = next(address for address in PER_MINUTE if path == address or path.startswith(f"{address}/"))
        return WEIGHT_PER_MINUTE / PER_MINUTE[asked]

    def sign(
        self,
        path: str,
        api: Any = "public",
        method: str = "GET",
        params: Params = NONE,
        headers: Params | None = None,
        body: str | None = None,
    ) -> Dict:
        """The token goes into a header of private requests, and nowhere else."""
        url = f"{self.urls['api']['rest']}/{path}"
        sent = dict(headers or {})
        if api == "private":
            self.check_required_credentials()
            sent["Authorization"] = f"Token {self.apiKey}"
        if method == "GET":
            url += f"?{self.urlencode(params)}" if params else ""
        else:
            sent["Content-Type"] = "application/json"
            body = self.json(params)
        return {"url": url, "method": method, "body": body, "headers": sent}

    def handle_errors(
        self,
        statusCode: int,  # noqa: N803 - ccxt's own names, here and below
        statusText: str,  # noqa: ARG002, N803
        url: str,
        method: str,  # noqa: ARG002
        responseHeaders: Params,  # noqa: ARG002, N803
        responseBody: str,  # noqa: N803
        response: Any,
        requestHeaders: Any,  # noqa: ARG002, N803
        requestBody: Any,  # noqa: ARG002, N803
    ) -> None:
        """What is not JSON, or from a server in trouble, is left to ccxt, which judges by the HTTP status."""
        if not isinstance(response, dict) or statusCode >= 500:
            return
        if statusCode < 400 and response.get("status") != "failed":
            return
        said = f"{self.id} {responseBody}"
        if url.endswith("/update-status") and response.get("updatedStatus") in ENDED:
            raise OrderNotFound(said)
        self.throw_exactly_matched_exception(EXACT, self.safe_string(response, "code"), said)
        known = BY_STATUS.get(statusCode)
        if known is OrderNotFound and "/market/orders/" not in url:
            known = None
        if known is not None:
            raise known(said)
        raise ExchangeError(said)

    def _get(self, path: str, params: Params, holds: str, kind: type, *, api: str = "public") -> Dict:
        """A reply that holds a ``kind`` where it has to."""
        reply = self.request(path, api, "GET", dict(params))
        if not isinstance(reply, dict) or not isinstance(reply.get(holds), kind):
            raise BadResponse(f"{self.id} was asked for {holds} and shows none")
        return reply

    def _pages(self, path: str, request: Params, holds: str) -> Iterator[list[Dict]]:
        """Until one is the last: short, or so called."""
        for number in range(1, LAST_PAGE + 1):
            asked = {**request, "page": number, "pageSize": PAGE_SIZE}
            reply = self._get(path, asked, holds, list, api="private")
            yield reply[holds]
            has_next = reply.get("hasNext")
            if not (len(reply[holds]) >= PAGE_SIZE if has_next is None else has_next):
                return
        raise ExchangeError(f"{self.id} has more {holds} than it shows")

    def _since(self, found: list[Dict], since: int | None, limit: int | None) -> list[Dict]:
        """Oldest first; of more than ``limit`` those next to ``since``, else the newest."""
        kept = [entry for entry in found if since is None or self._time_of(entry) >= since]
        kept.sort(key=lambda entry: (entry["timestamp"] or 0, entry["id"]))
        if limit is None or len(kept) <= limit:
            return kept
        return kept[:limit] if since is not None else kept[-limit:]

    def _time_of(self, entry: Dict) -> int:
        """One without its time must not be left out as too old."""
        if entry["timestamp"] is None:
            raise BadResponse(f"{self.id} lists an order or a trade without its time")
        return int(entry["timestamp"])
