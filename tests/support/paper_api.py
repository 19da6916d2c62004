"""The smallest Binance client: signs what it is told to, so that tests can also send what no library would."""

from __future__ import annotations

import hashlib
import hmac
import time
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlencode

import requests

from tests.support.paper import KEY, SECRET

#: the widest that the venue takes, and a net under hangs: a test that is about either says so
RECV_WINDOW_MS = 60_000
TIMEOUT_S = 60.0


class Answer(NamedTuple):
    status: int
    #: parsed JSON, or the text where it is none
    body: Any
    headers: dict[str, str]

    @property
    def code(self) -> int:
        """Binance's code; 0 when it was no refusal."""
        return self.body.get("code", 0) if isinstance(self.body, dict) else 0


class PaperApi:
    def __init__(self, url: str, key: str = KEY, secret: str = SECRET) -> None:
        self.url, self.key, self.secret = url, key, secret
        self.session = requests.Session()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.session.close()

    def sign(self, params: dict[str, Any]) -> str:
        """The query string with timestamp and signature; what is None is left out."""
        stamped = {"timestamp": time.time_ns() // 1_000_000, "recvWindow": RECV_WINDOW_MS, **params}
        text = urlencode({name: value for name, value in stamped.items() if value is not None})
        signature = hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        return f"{text}&signature={signature}"

    def signed(
        self, method: str, endpoint: str, *, in_body: bool = False, timeout_s: float = TIMEOUT_S, **params: Any
    ) -> Answer:
        text = self.sign(params)
        url = f"{self.url}/api/v3/{endpoint}"
        if not in_body:
            return self.send(method, f"{url}?{text}", timeout_s=timeout_s)
        return self.send(method, url, data=text, timeout_s=timeout_s)

    def public(self, endpoint: str, **params: Any) -> Answer:
        return self.send("GET", f"{self.url}/api/v3/{endpoint}?{urlencode(params)}")

    def send(self, method: str, url: str, *, data: str | None = None, timeout_s: float = TIMEOUT_S) -> Answer:
        headers = {"X-MBX-APIKEY": self.key} if self.key else {}
        if data is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        reply = self.session.request(method, url, data=data, headers=headers, timeout=timeout_s)
        try:
            body = reply.json()
        except ValueError:
            body = reply.text
        return Answer(reply.status_code, body, dict(reply.headers))

    # --------------------------------------------------------------------------------------------- frequent calls

    def order(
        self, side: str, quantity: str, price: str | None = None, *, symbol: str = "BTCUSDT", **more: Any
    ) -> Answer:
        """A market order, or with a price a limit order (GTC unless ``timeInForce`` says otherwise)."""
        if price is None:
            return self.signed("POST", "order", symbol=symbol, side=side, type="MARKET", quantity=quantity, **more)
        terms = {"type": "LIMIT", "timeInForce": "GTC", **more}
        return self.signed("POST", "order", symbol=symbol, side=side, quantity=quantity, price=price, **terms)

    def find(self, client_id: str, *, symbol: str = "BTCUSDT") -> Answer:
        return self.signed("GET", "order", symbol=symbol, origClientOrderId=client_id)

    def cancel(self, client_id: str, *, symbol: str = "BTCUSDT") -> Answer:
        return self.signed("DELETE", "order", symbol=symbol, origClientOrderId=client_id)

    def my_trades(self, *, symbol: str = "BTCUSDT", **more: Any) -> list[dict[str, Any]]:
        answer = self.signed("GET", "myTrades", symbol=symbol, **more)
        assert answer.status == 200, answer
        return list(answer.body)

    def balance(self, asset: str) -> tuple[str, str]:
        """(free, locked)."""
        balances = self.signed("GET", "account").body["balances"]
        held = next(balance for balance in balances if balance["asset"] == asset)
        return held["free"], held["locked"]
