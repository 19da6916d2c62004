"""Instances of ccxt's classes: pointed, stripped of their own throttle, retries and start-up requests, and exact."""

import logging
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from exchanges import ccxt_paper
from exchanges.aliases import speaks_as
from exchanges.ccxt_import import NoSuchExchange, exchange_class
from exchanges.config import VenueConfig
from exchanges.http_origin import Origin
from exchanges.http_session import WireSession, exact_json
from exchanges.turnstile import Turnstile
from models.vocabulary import Mode

#: a ccxt exchange object; the library ships no types
Exchange = Any

#: options that keep the start to one request for the spot markets; the venue's own ``options`` come over them
_OPTIONS: dict[str, object] = {
    "defaultType": "spot",
    "fetchMarkets": {"types": ["spot"]},
    "fetchMargins": False,
    "adjustForTimeDifference": False,
    "maxRetriesOnFailure": 0,
    "warnOnFetchOpenOrdersWithoutSymbol": False,
}
#: per class; with the unified account left on, kucoin and bitget ask for it first
_OPTIONS_OF: dict[str, dict[str, object]] = {
    # The class learns "hf" on the one instance that loads the markets: the others would trade in another account.
    "kucoin": {"uta": False, "hf": True},
    # Its older balances count what orders hold as free.
    "coinbase": {"fetchBalance": "v3PrivateGetBrokerageAccounts"},
    "bitget": {"uta": False},
    # Left open, it asks for the kind of account in the middle of the first order; unified accounts say so in options.
    "gate": {"unifiedAccount": False},
    # On a classic account a market buy without a price would spend the amount as quote: refused before it leaves.
    "bybit": {"createMarketBuyOrderRequiresPrice": True, "createOrder": {"createMarketBuyOrderRequiresPrice": True}},
}


#: at DEBUG the library would log every request with its key and signature
SILENT = logging.Logger("ccxt, silenced", level=logging.CRITICAL + 1)  # noqa: LOG001 - out of reach of any logging setup


class UnknownExchange(ValueError):
    """ccxt has no class of this name."""


class NoSandbox(ValueError):
    """The venue has no sandbox for spot orders that ccxt's class knows."""


def make_exchange(config: VenueConfig, session: WireSession, nonce: Callable[[], int] | None) -> Exchange:
    """An instance that has asked nobody anything yet. ``nonce``: the milliseconds to sign, or a number that rises; None: the class's own.

    Raises UnknownExchange.
    """
    exact = _exact_class(config.ccxt_id, paper_amends=config.paper_amends)
    exchange = exact(
        {
            "apiKey": config.api_key.reveal(),
            "secret": config.secret.reveal(),
            "password": config.password.reveal() if config.password else None,
            "enableRateLimit": False,
            "timeout": config.timeout_ms,
            "session": session,
            "logger": SILENT,
            "options": options_of(config),
        }
    )
    if config.mode is Mode.SANDBOX:
        enter_sandbox(exchange)
    exchange.has = {**exchange.has, "fetchCurrencies": False}
    exchange.on_json_response = exact_json
    if nonce is not None:
        exchange.nonce = nonce
    if nonce is not None and speaks_as(config.ccxt_id) == "coinbase":
        exchange.seconds = lambda: nonce() // 1000  # what it signs
    if config.turnstile is not None:
        _pass(exchange, session, config.turnstile)
    if config.base_url is not None:
        exchange.urls = {**exchange.urls, "api": pointed(exchange.urls["api"], config.base_url)}
    return exchange


def options_of(config: VenueConfig) -> dict[str, object]:
    """ccxt's ``options`` of one account."""
    return {
        **_OPTIONS,
        **_OPTIONS_OF.get(speaks_as(config.ccxt_id), {}),
        "recvWindow": config.recv_window_ms,
        **config.options,
    }


def _pass(exchange: Exchange, session: WireSession, turnstile: Turnstile) -> None:
    """The class knows what each of its endpoints weighs; our turnstile stands where its own throttle would."""

    def throttle(cost: float | None = None) -> None:
        # What a call asks after its order has left belongs to that: held back, it would pass for an order not sent.
        if not session.wire.posted:
            turnstile.enter(1.0 if cost is None else float(cost))

    def on_rest_response(*reply: Any) -> Any:
        turnstile.replied(reply[4] or {})
        return type(exchange).on_rest_response(exchange, *reply)

    exchange.enableRateLimit = True
    exchange.throttle = throttle
    exchange.on_rest_response = on_rest_response


def assert_sandbox(ccxt_id: str) -> None:
    """Raises NoSandbox where ``sandbox = true`` could not be kept, and UnknownExchange."""
    enter_sandbox(_exact_class(ccxt_id, paper_amends=False)())


def enter_sandbox(exchange: Exchange) -> None:
    """Point it at the venue's test environment, before anything was asked. Raises NoSandbox."""
    live = exchange.urls["api"]
    try:
        exchange.set_sandbox_mode(True)
        # Okx's and bitget's is a header for the same addresses, which the option stands for.
        entered = bool(exchange.urls["api"]) and (
            exchange.urls["api"] != live or exchange.options.get("sandboxMode") is True
        )
    except Exception:  # noqa: BLE001 - NotSupported by the book, and whatever a class without the addresses stumbles over
        entered = False
    if not entered:
        raise NoSandbox(
            f"{exchange.id} has no sandbox for spot orders that ccxt knows: remove sandbox = true, and use dry_run = true "
            "to try things without sending"
        )


def pointed(urls: Any, base_url: str) -> Any:
    """``urls`` (nested dictionaries, ``{hostname}`` templates) with scheme and host of ``base_url``, paths kept."""
    if isinstance(urls, dict):
        return {key: pointed(value, base_url) for key, value in urls.items()}
    if not isinstance(urls, str):
        return urls
    return base_url.rstrip("/") + urlsplit(urls).path


def origin(base_url: str) -> Origin:
    """Where ``base_url`` points. Raises ValueError."""
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"base_url must be http://host:port or https://host:port, got {base_url[:80]!r}")
    return Origin(parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))


def _exact_class(ccxt_id: str, *, paper_amends: bool) -> Any:
    """The class with numbers as the strings that were sent, already while it describes itself; books as decimals."""
    known = _exact.get((ccxt_id, paper_amends))
    if known is None:
        try:
            found = exchange_class(ccxt_id)
        except NoSuchExchange as error:
            raise UnknownExchange(str(error)) from None
        members: dict[str, Any] = {"number": str, "parse_order_book_bid_ask": _exact_level}
        if paper_amends:
            members["edit_order"] = ccxt_paper.edit_order
        known = _exact[ccxt_id, paper_amends] = type(ccxt_id, (found,), members)
    return known


def _exact_level(
    exchange: Exchange,
    level: object,
    price_key: int | str = 0,
    quantity_key: int | str = 1,
    _further: object = None,
) -> list[Decimal]:
    """Price and quantity of a level of a book: the classes read them through floats, or sort them as words."""
    return [Decimal(exchange.safe_string(level, key)) for key in (price_key, quantity_key)]


_exact: dict[tuple[str, bool], Any] = {}
