"""A real paper venue in a process of its own, for tests: ``with PaperProcess(home) as venue: venue.url``."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.support.processes import free_port

ROOT = Path(__file__).resolve().parents[2]
#: nets under hangs, in seconds
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 120.0
ANSWER_TIMEOUT_S = 60.0

KEY, SECRET = "paper-key", "paper-secret"
KEY_2, SECRET_2 = "paper-key-2", "paper-secret-2"


class PaperProcess:
    """Starts on a free port (kept over restarts), ends with its parent, and speaks the admin side.

    ``settings`` are those of ``PaperConfig.from_mapping`` (seed, market, faults, accounts, dedupe …). The market
    stands still unless they say otherwise.
    """

    def __init__(self, home: Path, **settings: Any) -> None:
        self.home = home
        self.settings: dict[str, Any] = {"market": "still", "weight_limit": 0, **settings}
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ------------------------------------------------------------------------------------------------- the process

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start and wait until it answers. After ``kill`` or ``stop``: again, on the same port and journal."""
        assert not self.alive
        self.home.mkdir(parents=True, exist_ok=True)
        self._port = self._port or free_port()
        settings = {"port": self._port, "home": str(self.home), **self.settings}
        command = [sys.executable, "-m", "exchanges.paper", "--config", json.dumps(settings, default=str)]
        # The venue stops when its stdin ends: the kernel closes it with this process, however that dies.
        self._process = subprocess.Popen(
            [*command, "--exit-on-stdin-eof"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            self._port = self._read_port()
        except BaseException:
            self.kill()
            raise
        return self

    def kill(self) -> None:
        """SIGKILL: nothing is flushed, nothing said."""
        if self._process is not None:
            self._process.kill()
            self._reap()

    def stop(self) -> int:
        """SIGTERM, and wait. Returns the exit code."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
        return self._reap()

    def restart(self) -> None:
        """Kill it in the middle of whatever it does, and start it again."""
        self.kill()
        self.start()

    def _read_port(self) -> int:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline().decode()
        if "http://" not in line:
            raise AssertionError(f"the paper venue did not start: {line!r}, exit code {self._process.wait()}")
        port = int(line.rsplit(":", 1)[1])
        deadline = time.monotonic() + START_TIMEOUT_S
        self._port = port
        while time.monotonic() < deadline:
            try:
                self.health()
                return port
            except OSError:
                time.sleep(0.02)
        raise AssertionError("the paper venue listens but does not answer")

    def _reap(self) -> int:
        assert self._process is not None
        code = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None
        return code

    # ------------------------------------------------------------------------------------------------ the admin side

    def health(self) -> dict[str, Any]:
        return self._admin("GET", "health")

    def orders(self) -> list[dict[str, Any]]:
        """Every order it accepted, with trades, as ``VenueOrder`` has them (decimals are strings)."""
        return self._admin("GET", "orders")

    def trades(self) -> list[dict[str, Any]]:
        return self._admin("GET", "trades")

    def state(self) -> dict[str, Any]:
        """Balances, prices, counts."""
        return self._admin("GET", "state")

    def arm(self, *rules: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Arm faults, such as ``{"kind": "drop", "when": "after", "endpoint": "order", "method": "POST"}``."""
        return self._admin("POST", "faults", {"arm": list(rules)})["armed"]

    def disarm(self, name: str = "*") -> None:
        self._admin("POST", "faults", {"disarm": name})

    def deposit(self, account: str, asset: str, amount: str) -> None:
        self._admin("POST", "deposit", {"account": account, "asset": asset, "amount": amount})

    def movement(self, account: str, kind: str, asset: str, amount: str, **more: object) -> int:
        """A deposit, withdrawal or transfer that the account's lists tell of; see docs/paper-venue.md."""
        body = {"account": account, "kind": kind, "asset": asset, "amount": amount, **more}
        return int(self._admin("POST", "movement", body)["id"])

    def end_movement(self, number: int, status: str) -> None:
        self._admin("POST", "movement-end", {"id": number, "status": status})

    def set_price(self, symbol: str, price: str, *, quantity: str | None = None) -> None:
        """Move the market; customers who rest across it trade, in full or for at most ``quantity``."""
        limit = {} if quantity is None else {"quantity": quantity}
        self._admin("POST", "price", {"symbol": symbol, "price": price, **limit})

    def set_depth(
        self, symbol: str, *, bids: Sequence[tuple[str, str]] = (), asks: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Let the background market stand exactly at these (price, quantity). Pause the market first."""
        self._admin("POST", "price", {"symbol": symbol, "bids": list(bids), "asks": list(asks)})

    def market_order(self, symbol: str, side: str, quantity: str, *, price: str | None = None) -> str:
        """A background participant trades against what rests. Returns the quantity it got."""
        limit = {} if price is None else {"price": price}
        body = {"symbol": symbol, "side": side, "quantity": quantity, **limit}
        return str(self._admin("POST", "trade", body)["traded"])

    def trade(self, symbol: str, side: str, quantity: str) -> None:
        """A background participant takes what rests."""
        self._admin("POST", "trade", {"symbol": symbol, "side": side, "quantity": quantity})

    def pause_market(self) -> None:
        self._admin("POST", "pause-market", {"paused": True})

    def resume_market(self) -> None:
        self._admin("POST", "pause-market", {"paused": False})

    def _admin(self, method: str, page: str, body: Mapping[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/paper/{page}", data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_TIMEOUT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{method} /paper/{page}: {error.read().decode()}") from None
