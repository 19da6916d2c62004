"""The side that no real venue has: look inside, move the market, arm faults. Loopback only, unsigned."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from exchanges.paper.amounts import floor_to, parse_e8, text_e8
from exchanges.paper.engine import ALL_E8
from exchanges.paper.errors import Refused
from exchanges.paper.faults import BadPlan, parse_plan
from exchanges.paper.journal import venue_order, venue_trade
from exchanges.paper.venue import Venue
from exchanges.paper.views import Json


def health(venue: Venue, body: Json) -> Json:  # noqa: ARG001
    return {
        "status": "ok",
        "started_ms": venue.started_ms,
        "now_ms": venue.now_ms(),
        "answered": venue.answered,
        "symbols": list(venue.engine.instruments),
        "market": "paused" if venue.market.paused else venue.config.market,
        "tape_finished": venue.market.tape_finished,
        "journal": str(venue.journal.path),
        "faults": venue.faults.report(),
    }


def orders(venue: Venue, body: Json) -> list[Json]:  # noqa: ARG001
    """Every customer order, with its trades."""
    state = venue.engine.state
    return [_plain(asdict(venue_order(state, order))) for _, group in sorted(state.orders.items()) for order in group]


def trades(venue: Venue, body: Json) -> list[Json]:  # noqa: ARG001
    state = venue.engine.state
    return [_plain(asdict(venue_trade(state, fill))) for _, fills in sorted(state.fills.items()) for fill in fills]


def state(venue: Venue, body: Json) -> Json:  # noqa: ARG001
    held = venue.engine.state.balances
    balances: dict[str, dict[str, Json]] = {}
    for (account, asset), balance in sorted(held.items()):
        balances.setdefault(account, {})[asset] = {
            "free": text_e8(balance.free_e8),
            "locked": text_e8(balance.locked_e8),
        }
    return {
        "now_ms": venue.now_ms(),
        "balances": balances,
        "prices": {symbol: text_e8(venue.market.price_e8(symbol)) for symbol in venue.engine.instruments},
        "orders": {symbol: len(group) for symbol, group in venue.engine.state.orders.items()},
        "open_orders": sum(len(group) for group in venue.engine.state.open_orders.values()),
        "trades": dict(venue.engine.state.trade_count),
    }


def faults(venue: Venue, body: Json) -> Json:
    """``{"arm": plan}``, ``{"disarm": "*" or a name}``, or both (disarming first); then what is armed."""
    if "disarm" in body:
        venue.faults.disarm(None if body["disarm"] in {"*", None} else str(body["disarm"]))
    if "arm" in body:
        venue.faults.arm(parse_plan(body["arm"]), venue.now_ms())
    return {"armed": venue.faults.report()}


def deposit(venue: Venue, body: Json) -> Json:
    """``{"account", "asset", "amount"}``: money from outside, of which no list tells."""
    account = _account(venue, body)
    venue.engine.deposit(account, str(body["asset"]), parse_e8(str(body["amount"])), venue.now_ms())
    return state(venue, {})


def movement(venue: Venue, body: Json) -> Json:
    """A deposit, withdrawal or transfer that the account's lists tell of; returns its id.

    ``{"account", "kind", "asset", "amount"}`` and ``fee`` (of a withdrawal), ``status`` (``done`` or ``pending``),
    ``direction`` (``in`` or ``out``, of a transfer), ``moves`` (false: the balance has it already).
    """
    account, kind = _account(venue, body), _one_of(body, "kind", ("deposit", "withdrawal", "transfer"))
    direction = _one_of({"direction": "in", **body}, "direction", ("in", "out"))
    amount_e8 = parse_e8(str(body["amount"]))
    if not amount_e8:
        raise Refused(-1, "amount: must be above 0")
    number = venue.engine.move(
        account, kind, str(body["asset"]), amount_e8, venue.now_ms(),
        comes_in=kind == "deposit" or (kind == "transfer" and direction == "in"),
        fee_e8=parse_e8(str(body.get("fee", "0"))),
        status=_one_of({"status": "done", **body}, "status", ("done", "pending")),
        moves=bool(body.get("moves", True)),
    )  # fmt: skip
    return {"id": number}


def movement_end(venue: Venue, body: Json) -> Json:
    """``{"id", "status"}``: a pending movement is ``done``, or has ``failed``."""
    number, status = int(str(body["id"])), _one_of(body, "status", ("done", "failed"))
    found = venue.engine.state.movements
    if not 0 < number <= len(found) or found[number - 1].status != "pending":
        raise Refused(-1, f"id: no movement {number} is pending")
    venue.engine.end_movement(number, status, venue.now_ms())
    return {"id": number}


def price(venue: Venue, body: Json) -> Json:
    """``{"symbol", "price"}`` moves the market there; customers who rest across it trade, in full or for ``quantity``.

    With ``bids`` and ``asks`` (lists of [price, quantity]) the background market stands exactly there instead.
    """
    symbol = _symbol(venue, body)
    appetite_e8 = parse_e8(str(body["quantity"])) if "quantity" in body else ALL_E8
    tick_e8 = venue.engine.instruments[symbol].tick_e8
    if "price" in body:
        price_e8 = floor_to(parse_e8(str(body["price"])), tick_e8)
        if not price_e8:
            raise Refused(-1, "price: must be at least one tick")
        venue.market.move_to(symbol, price_e8, venue.now_ms(), appetite_e8=appetite_e8)
    if "bids" in body or "asks" in body:
        bids, asks = _levels(body.get("bids", [])), _levels(body.get("asks", []))
        venue.engine.requote(symbol, bids, asks, venue.now_ms(), appetite_e8=appetite_e8)
    return state(venue, {})


def trade(venue: Venue, body: Json) -> Json:
    """``{"symbol", "side", "quantity", "price"?}``: a background participant takes what rests, up to a price."""
    symbol = _symbol(venue, body)
    side = str(body["side"]).upper()
    if side not in {"BUY", "SELL"}:
        raise Refused(-1, f"side: must be buy or sell, not {body['side']!r}")
    limit_e8 = parse_e8(str(body["price"])) if "price" in body else None
    got_e8 = venue.engine.sweep(
        symbol,
        buys=side == "BUY",
        limit_e8=limit_e8,
        quantity_e8=parse_e8(str(body["quantity"])),
        now_ms=venue.now_ms(),
    )
    return {"traded": text_e8(got_e8)}


def pause_market(venue: Venue, body: Json) -> Json:
    """``{"paused": true}`` (the default) or false: while paused nothing happens but what customers and tests do."""
    venue.market.paused = bool(body.get("paused", True))
    return {"paused": venue.market.paused}


ROUTES: dict[tuple[str, str], Callable[[Venue, Json], Any]] = {
    ("GET", "health"): health,
    ("GET", "orders"): orders,
    ("GET", "trades"): trades,
    ("GET", "state"): state,
    ("POST", "faults"): faults,
    ("GET", "faults"): faults,
    ("POST", "deposit"): deposit,
    ("POST", "movement"): movement,
    ("POST", "movement-end"): movement_end,
    ("POST", "price"): price,
    ("POST", "trade"): trade,
    ("POST", "pause-market"): pause_market,
}


def answer(venue: Venue, method: str, path: str, body: str) -> tuple[int, Any]:
    """(HTTP status, JSON) of one admin call."""
    handler = ROUTES.get((method, path))
    if handler is None:
        return 404, {"error": f"no such page; there are {', '.join(sorted({name for _, name in ROUTES}))}"}
    try:
        document = json.loads(body, parse_float=Decimal) if body else {}
        if not isinstance(document, Mapping):
            raise Refused(-1, "the body must be a JSON object")
        return 200, handler(venue, dict(document))
    except Refused as refusal:
        return 400, {"error": refusal.msg}
    except KeyError as error:
        return 400, {"error": f"{error.args[0]}: is required"}
    except (BadPlan, ValueError) as error:
        return 400, {"error": str(error)}


def _account(venue: Venue, body: Json) -> str:
    account = str(body["account"])
    if account not in venue.engine.state.accounts:
        raise Refused(-1, f"account: {account!r} is not known; known are {sorted(venue.engine.state.accounts)}")
    return account


def _one_of(body: Mapping[str, Any], name: str, words: tuple[str, ...]) -> str:
    word = str(body[name])
    if word not in words:
        raise Refused(-1, f"{name}: must be one of {', '.join(words)}, not {word!r}")
    return word


def _symbol(venue: Venue, body: Json) -> str:
    symbol = str(body["symbol"]).replace("/", "")
    if symbol not in venue.engine.instruments:
        raise Refused(-1, f"symbol: {body['symbol']!r} is not traded here; there are {list(venue.engine.instruments)}")
    return symbol


def _levels(levels: list[list[object]]) -> dict[int, int]:
    return {parse_e8(str(price)): parse_e8(str(quantity)) for price, quantity in levels}


def _plain(value: Any) -> Any:
    """Decimals as strings, so that JSON carries them exactly."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value
