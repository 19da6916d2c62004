"""Instances of ccxt's streaming classes: pointed, silenced, exact where it counts, and asking for the time that they sign."""

import time
from collections.abc import Callable
from typing import Any

from exchanges.capabilities import capabilities
from exchanges.ccxt_session import SILENT, enter_sandbox, options_of, pointed
from exchanges.config import VenueConfig
from exchanges.http_session import exact_json
from exchanges.streams.ccxt_pro_import import pro_class
from models.vocabulary import Mode

#: a ccxt exchange object; the library ships no types
Exchange = Any

#: Milliseconds between pings; a connection that answers none of two is dead. ccxt's own for binance are minutes.
KEEP_ALIVE_MS = 10_000
#: Trades and orders that the class keeps until they are taken: as many at a time are a gap, since older ones are lost.
CACHE_LIMIT = 5_000


class Unheard(Exception):
    """A message could not be read by the class: what it said is lost."""


def make_streaming(config: VenueConfig, heard: Callable[[], None]) -> Exchange:
    """An instance for the running event loop that has connected to nothing yet. ``heard`` is called for each message.

    Raises NoStreams.
    """
    exchange = _class_of(config.ccxt_id, heard)(
        {
            "apiKey": config.api_key.reveal(),
            "secret": config.secret.reveal(),
            "password": config.password.reveal() if config.password else None,
            "enableRateLimit": True,
            "timeout": config.timeout_ms,
            "logger": SILENT,
            "options": {**options_of(config), "tradesLimit": CACHE_LIMIT, "ordersLimit": CACHE_LIMIT},
        }
    )
    if config.mode is Mode.SANDBOX:
        enter_sandbox(exchange)
    exchange.has = {**exchange.has, "fetchCurrencies": False}
    exchange.on_json_response = exact_json
    exchange.newUpdates = True
    streaming = {**exchange.streaming}
    streaming["keepAlive"] = min(int(streaming.get("keepAlive") or KEEP_ALIVE_MS), KEEP_ALIVE_MS)
    exchange.streaming = streaming
    _point(exchange, config)
    if capabilities(config.ccxt_id).increasing_nonce:
        # As the gateways of all processes have it: a smaller one would be refused, a greater one would have theirs refused.
        exchange.nonce = lambda: time.time_ns() // 1000
    return exchange


def _point(exchange: Exchange, config: VenueConfig) -> None:
    """The addresses of streams stand among those of requests, and go elsewhere than they do."""
    own = exchange.urls["api"]
    requests = own if config.base_url is None else pointed(own, config.base_url)
    streams = own["ws"] if config.ws_url is None else pointed(own["ws"], config.ws_url)
    exchange.urls = {**exchange.urls, "api": {**requests, "ws": streams}}


async def learn_time(exchange: Exchange, config: VenueConfig) -> None:
    """Have it sign by the venue's clock, where the venue checks the time of a request."""
    can = capabilities(config.ccxt_id)
    if not can.signs_milliseconds or can.increasing_nonce or exchange.has.get("fetchTime") is not True:
        return
    before = time.monotonic()
    theirs = await exchange.fetch_time()
    after = time.monotonic()
    if isinstance(theirs, int):
        ahead_ms = theirs - (before + after) * 500.0
        exchange.nonce = lambda: int(time.monotonic() * 1000.0 + ahead_ms)


def _class_of(ccxt_id: str, heard: Callable[[], None]) -> Any:
    """Numbers as the strings that were sent; books in floats, as the class merges them; every message is noticed."""
    found = pro_class(ccxt_id)

    def handle_message(exchange: Exchange, client: Any, message: Any) -> Any:
        heard()
        try:
            return found.handle_message(exchange, client, message)
        except Exception as error:  # noqa: BLE001 - it would end the reading of this connection, and nobody would know
            client.reject(Unheard(type(error).__name__))
            return None

    def client(exchange: Exchange, url: str) -> Any:
        made = found.client(exchange, url)
        made.handle_text_or_binary_message = lambda data: _decoded(made, data)
        return made

    members: dict[str, Any] = {
        "number": str,
        "parse_order_book_bid_ask": _level,
        "handle_message": handle_message,
        "client": client,
        # The classes add fees of orders up with it, which nobody reads, and fail for an asset that has no market.
        "currency_to_precision": lambda _exchange, _code, amount, _network=None: str(amount),
    }
    if ccxt_id.startswith("binance"):
        # Told by the host's name otherwise, which is another one behind ws_url. Nothing but spot is asked for here.
        members["is_spot_url"] = lambda _exchange, _client: True
    return type(ccxt_id, (found,), members)


def _decoded(client: Any, data: str | bytes) -> None:
    """As the library reads a message, but with its numbers by their digits."""
    if isinstance(data, bytes) and not client.decompressBinary:
        client.on_message_callback(client, data)
        return
    text = data.decode() if isinstance(data, bytes) else data
    try:
        message = exact_json(text) if text[:1] in ("{", "[") else text
    except ValueError:
        client.reject(Unheard("it is no JSON"))
        return
    client.on_message_callback(client, message)


def _level(
    exchange: Exchange, level: object, price_key: int | str = 0, quantity_key: int | str = 1, _further: object = None
) -> list[float]:
    return [exchange.safe_float(level, price_key), exchange.safe_float(level, quantity_key)]
