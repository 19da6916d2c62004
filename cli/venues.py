"""``steadfill balances|venues|halt|resume``, and ``steadfill venues reset``."""

from typing import Annotated, Any

import typer

from cli.client import connect
from cli.output import Json, as_json, console, table

Venue = Annotated[str | None, typer.Option(help="Only this venue.")]
AccountOfVenue = Annotated[str | None, typer.Option(help="Only this account of the venue.")]


def balances(*, output_json: Json = False) -> None:
    """What our books hold, per venue account and asset."""
    answer = connect().get("/v1/balances")
    if output_json:
        as_json(answer)
        return
    names = ("venue", "account", "asset", "total", "held", "available")
    rows = [[item.get(name) for name in names] for item in answer["items"]]
    console().print(
        table(("venue", "account", "asset", ">total", ">held", ">available"), rows)
        if rows
        else "The books are still empty."
    )


venues = typer.Typer(
    invoke_without_command=True, help="Each venue account: breaker, rate budget, last error, latency, its stream."
)


@venues.callback()
def show_venues(context: typer.Context, *, output_json: Json = False) -> None:
    """Each venue account: breaker, rate budget, last error, latency, its stream."""
    if context.invoked_subcommand is not None:
        return
    answer = connect().get("/v1/venues")
    if output_json:
        as_json(answer)
        return
    items = answer["items"] if isinstance(answer, dict) else answer
    names = list(dict.fromkeys(name for item in items for name in item))
    console().print(
        table(
            [name.replace("_", " ") for name in names], ([_short(item.get(name)) for name in names] for item in items)
        )
    )


@venues.command("reset")
def reset(
    venue: Annotated[str, typer.Argument(help="The name of the venue, as orders use it.")],
    *,
    account: Annotated[str, typer.Option(help="The account of the venue.")] = "main",
    output_json: Json = False,
) -> None:
    """Close the breaker of a venue account by hand: orders that wait for it go on."""
    answer = connect().post("/v1/venues/reset", {"venue": venue, "account": account})
    if output_json:
        as_json(answer)
        return
    console().print(
        f"The breaker of {venue} (account {account}) is {answer['breaker']['state']}; it opens again by itself."
    )


def halt(
    *,
    venue: Venue = None,
    account: AccountOfVenue = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel what rests at the venue as well.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why, for the record.")] = None,
    output_json: Json = False,
) -> None:
    """Stop new sends; cancels, lookups and fills go on."""
    body = {"venue": venue, "account": account, "reason": reason, "cancel": cancel or None}
    _switch("/v1/halt", body, "Halted: nothing new is sent", output_json=output_json)


def resume(*, venue: Venue = None, account: AccountOfVenue = None, output_json: Json = False) -> None:
    """Send again after a halt."""
    _switch(
        "/v1/resume", {"venue": venue, "account": account}, "Resumed: orders are sent again", output_json=output_json
    )


def _switch(path: str, body: dict[str, Any], what: str, *, output_json: bool) -> None:
    if body["account"] is not None and body["venue"] is None:
        raise typer.BadParameter("--account needs --venue beside it: an account belongs to a venue")
    answer = connect().post(path, {name: value for name, value in body.items() if value is not None})
    if output_json:
        as_json(answer)
        return
    scope = " of ".join(filter(None, (body["account"], body["venue"]))) or "every venue"
    console().print(f"{what} ({scope}).")


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return " ".join(f"{name}={part}" for name, part in value.items() if part is not None)
    return value
