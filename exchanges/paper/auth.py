"""Who signed a request, and whether it still counts: key, HMAC-SHA256, timestamp and recvWindow."""

import hashlib
import hmac
import re

from exchanges.paper.calls import HttpRequest
from exchanges.paper.config import AccountConfig
from exchanges.paper.errors import Refused, ahead_of_time, illegal, mandatory, outside_window

DEFAULT_RECV_WINDOW_MS = 5000
MAX_RECV_WINDOW_MS = 60_000
#: how far a client's clock may run ahead
AHEAD_MS = 1000

_SIGNATURE = re.compile(r"(^|&)signature=([^&]*)")


def account_of_key(request: HttpRequest, accounts: dict[str, AccountConfig]) -> AccountConfig:
    """The account of the X-MBX-APIKEY header. Raises Refused (-2014, -2015)."""
    key = request.headers.get("x-mbx-apikey", "")
    if not key:
        raise Refused(-2014, "API-key format invalid.", status=401)
    account = accounts.get(key)
    if account is None:
        raise Refused(-2015, "Invalid API-key, IP, or permissions for action.", status=401)
    return account


def check_signature(request: HttpRequest, secret: str) -> None:
    """The signature covers query and body as they came, one behind the other. Raises Refused (-1022)."""
    found = _SIGNATURE.search(request.query) or _SIGNATURE.search(request.body)
    if found is None:
        raise mandatory("signature")
    signed = _SIGNATURE.sub("", request.query).lstrip("&") + _SIGNATURE.sub("", request.body).lstrip("&")
    expected = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), found[2].lower().encode()):
        raise Refused(-1022, "Signature for this request is not valid.")


def check_time(params: dict[str, str], now_ms: int) -> None:
    """Whether the request counts at ``now_ms``: checked at arrival and again before it takes effect (-1021)."""
    timestamp_ms = _milliseconds(params, "timestamp")
    if timestamp_ms is None:
        raise mandatory("timestamp")
    window_ms = _milliseconds(params, "recvWindow")
    if window_ms is None:
        window_ms = DEFAULT_RECV_WINDOW_MS
    if window_ms > MAX_RECV_WINDOW_MS:
        raise Refused(-1131, "recvWindow must be less than 60000")
    if timestamp_ms >= now_ms + AHEAD_MS:
        raise ahead_of_time()
    if now_ms - timestamp_ms > window_ms:
        raise outside_window()


def _milliseconds(params: dict[str, str], name: str) -> int | None:
    value = params.get(name, "")
    if not value:
        return None
    if len(value) > 20 or not value.isascii() or not value.isdigit():
        raise illegal(name, "^[0-9]{1,20}$")
    number = int(value)
    # Binance takes microseconds too, and tells them by their size.
    return number // 1000 if number > 10**15 else number
