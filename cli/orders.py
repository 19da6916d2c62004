"""``steadfill order place|show|list|amend|cancel``."""

import json
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import connect
from cli.documents import order_view, orders_table
from cli.errors import CommandError
from cli.output import Json, as_json, console
from cli.watch import watch
from models.ids import ORDER_ID_RANDOM_BYTES, order_id

orders = typer.Typer(no_args_is_help=True, help="Place, look at, amend and cancel orders.")
orders.command("watch")(watch)

Account = Annotated[str, typer.Option(help="The venue account.")]


@orders.command("place")
def place(
    file: Annotated[
        str | None, typer.Argument(help="A request as JSON: a file, or - for standard input. Without it: options.")
    ] = None,
    *,
    client_order_id: Annotated[
        str | None, typer.Option(help="The idempotency key; made up where it is not given.")
    ] = None,
    venue: Annotated[str, typer.Option(help="The name of a configured venue.")] = "paper",
    account: Account = "main",
    symbol: Annotated[str | None, typer.Option(help="As BTC/USDT.")] = None,
    side: Annotated[str | None, typer.Option(help="buy or sell.")] = None,
    order_type: Annotated[
        str | None, typer.Option("--type", help="market or limit; limit where there is a price.")
    ] = None,
    quantity: Annotated[str | None, typer.Option(help="In the base asset.")] = None,
    price: Annotated[str | None, typer.Option(help="For limit orders.")] = None,
    time_in_force: Annotated[str | None, typer.Option(help="GTC, IOC or FOK.")] = None,
    post_only: Annotated[bool, typer.Option("--post-only", help="A maker-only limit order.")] = False,
    expires_at: Annotated[str | None, typer.Option(help="RFC 3339 with zone; what is open then is cancelled.")] = None,
    decision_price: Annotated[str | None, typer.Option(help="The price this was decided at.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="NAME=VALUE; up to 16.")] = None,
    output_json: Json = False,
) -> None:
    """Place an order. The same request twice is one order."""
    given = {
        "client_order_id": client_order_id,
        "symbol": symbol,
        "side": side,
        "quantity": quantity,
        "price": price,
        "time_in_force": time_in_force,
        "expires_at": expires_at,
        "decision_price": decision_price,
        "tags": _tags(tag),
    }
    given = {name: value for name, value in given.items() if value is not None}
    if file is not None:
        if given or order_type or post_only:
            raise typer.BadParameter(
                "a request from a file stands for itself: leave the other options out, or the file"
            )
        body = _read(file)
    else:
        missing = [f"--{name}" for name in ("symbol", "side", "quantity") if name not in given]
        if missing:
            raise typer.BadParameter(f"{', '.join(missing)} must be given, or a file with the request")
        request: dict[str, Any] = {"venue": venue, "account": account, **given}
        request.setdefault(
            "client_order_id", f"cli-{order_id(datetime.now(UTC), secrets.token_bytes(ORDER_ID_RANDOM_BYTES))}"
        )
        request["type"] = order_type or ("market" if price is None else "limit")
        if post_only:
            request["post_only"] = True
        body = json.dumps(request).encode()
    document = connect().post("/v1/orders", body)
    if output_json:
        as_json(document)
    else:
        console().print(f"{document['client_order_id']}: {document['status']} (order {document['id']})")


@orders.command("show")
def show(
    order: Annotated[str, typer.Argument(help="The order's id, or its client order id.")],
    *,
    account: Account = "main",
    timeline: Annotated[bool, typer.Option("--timeline", help="Every transition, oldest first.")] = False,
    output_json: Json = False,
) -> None:
    """One order: its document, or how it came to be as it is."""
    from cli.timeline import timeline_table

    client = connect()
    document = client.order(order, account)
    steps = client.get(f"/v1/orders/{document['id']}/timeline") if timeline else None
    if output_json:
        as_json(document if steps is None else steps)
    else:
        console().print(order_view(document) if steps is None else timeline_table(steps))


@orders.command("list")
def list_orders(
    *,
    status: Annotated[str | None, typer.Option(help="As WORKING.")] = None,
    venue: Annotated[str | None, typer.Option()] = None,
    account: Annotated[str | None, typer.Option()] = None,
    symbol: Annotated[str | None, typer.Option()] = None,
    tag: Annotated[str | None, typer.Option(help="NAME=VALUE.")] = None,
    since: Annotated[str | None, typer.Option(help="RFC 3339.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    cursor: Annotated[str | None, typer.Option(help="next_cursor of the page before.")] = None,
    output_json: Json = False,
) -> None:
    """Orders, newest first."""
    page = connect().get(
        "/v1/orders",
        status=status,
        venue=venue,
        account=account,
        symbol=symbol,
        tag=tag.replace("=", ":", 1) if tag else None,
        since=since,
        limit=limit,
        cursor=cursor,
    )
    if output_json:
        as_json(page)
        return
    console().print(orders_table(page["items"]) if page["items"] else "No order matches.")
    if page.get("next_cursor"):
        console().print(f"There are more: --cursor {page['next_cursor']}")


@orders.command("amend")
def amend(
    order: Annotated[str, typer.Argument(help="The order's id, or its client order id.")],
    *,
    quantity: Annotated[str | None, typer.Option(help="The new total, what has filled included.")] = None,
    price: Annotated[str | None, typer.Option(help="The new limit.")] = None,
    if_version: Annotated[int | None, typer.Option(help="Only if the order is still at this version.", min=1)] = None,
    account: Account = "main",
    output_json: Json = False,
) -> None:
    """Give an order another quantity or price. Once more does no harm."""
    change = {name: value for name, value in (("quantity", quantity), ("price", price)) if value is not None}
    if not change:
        raise typer.BadParameter("--quantity, --price or both must be given")
    client = connect()
    answer = client.patch(client.order_path(order, account), change, if_match=if_version)
    if output_json:
        as_json(answer)
    else:
        console().print(
            f"{answer['client_order_id']}: {answer['status']}, {answer['quantity']} at {answer['price'] or 'the market'}"
        )


@orders.command("cancel")
def cancel(
    order: Annotated[str, typer.Argument(help="The order's id, or its client order id.")],
    *,
    account: Account = "main",
    output_json: Json = False,
) -> None:
    """Cancel what is still open of an order. Once more does no harm."""
    client = connect()
    answer = client.delete(client.order_path(order, account))
    if output_json:
        as_json(answer)
    else:
        console().print(f"{answer.get('client_order_id', order)}: cancel requested, {answer.get('status', 'accepted')}")


@orders.command("resolve")
def resolve(
    order: Annotated[str, typer.Argument(help="The order's id, or its client order id.")],
    *,
    child: Annotated[str, typer.Option(help="The id of the child that is UNKNOWN.")],
    outcome: Annotated[str, typer.Option(help="absent: it is not at the venue. exists: it is.")],
    venue_order_id: Annotated[str | None, typer.Option(help="With exists: its id at the venue.")] = None,
    note: Annotated[str, typer.Option(help="What was looked at; kept on record.")] = "",
    account: Account = "main",
    output_json: Json = False,
) -> None:
    """Say what you found at the venue of a send without an answer; the order goes on from there."""
    client = connect()
    found = client.order(order, account)
    body = {"child_id": child, "outcome": outcome, "venue_order_id": venue_order_id, "note": note}
    answer = client.post(f"/v1/orders/{found['id']}/resolve", body)
    if output_json:
        as_json(answer)
    else:
        console().print(f"{answer['client_order_id']}: {answer['status']}")


def _tags(given: list[str] | None) -> dict[str, str] | None:
    if not given:
        return None
    pairs = [text.partition("=") for text in given]
    for (name, separator, _), text in zip(pairs, given, strict=True):
        if not separator or not name:
            raise typer.BadParameter(f"a tag is NAME=VALUE, not {text}")
    return {name: value for name, _, value in pairs}


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise CommandError(
            f"{file} can't be read: {error.strerror}. Name a file with an order request, or - for standard input."
        ) from None
