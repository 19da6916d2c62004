"""``steadfill messages list|stats``: what became of messages."""

from typing import Annotated, Any

import typer

from cli.client import connect
from cli.output import Json, as_json, console, table

messages = typer.Typer(no_args_is_help=True, help="What became of the messages between the pieces.")


@messages.command("list")
def list_messages(
    *,
    status: Annotated[str | None, typer.Option(help="As succeeded, failed, dead.")] = None,
    task: Annotated[str | None, typer.Option(help="As orders.commit.")] = None,
    queue: Annotated[str | None, typer.Option(help="As venue.")] = None,
    order: Annotated[str | None, typer.Option(help="The order's id, or client:ITS_CLIENT_ORDER_ID.")] = None,
    account: Annotated[str, typer.Option(help="The venue account of a client order id.")] = "main",
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    output_json: Json = False,
) -> None:
    """Messages, the newest first."""
    client = connect()
    order_id = client.order(order, account)["id"] if order else None
    page = client.get("/v1/messages", status=status, task=task, queue=queue, order=order_id, limit=limit)
    if output_json:
        as_json(page)
        return
    columns = ("id", "task", "queue", "status", ">attempts", "about", "published", "ended", ">run ms", "worker")
    console().print(table(columns, (_row(item) for item in page["items"])) if page["items"] else "No message matches.")


def _row(item: dict[str, Any]) -> list[Any]:
    about = item["order_id"] or item["child_id"] or item["subject"]
    times = [_time(item["published_at"]), _time(item["ended_at"])]
    return [
        item["id"],
        item["task"],
        item["queue"],
        item["status"],
        item["attempts"],
        about,
        *times,
        item["run_ms"],
        item["worker"],
    ]


@messages.command("stats")
def stats(
    *,
    since: Annotated[str | None, typer.Option(help="RFC 3339; the last hour without it.")] = None,
    output_json: Json = False,
) -> None:
    """Figures per task and queue: how many, and how long they waited and ran."""
    answer = connect().get("/v1/messages/stats", since=since)
    if output_json:
        as_json(answer)
        return
    names = ("task", "queue", "published", "received", "redelivered", "succeeded", "failed", "expired", "dead")
    columns = (*names[:2], *(f">{name}" for name in names[2:]), ">wait p50 ms", ">p99", ">run p50 ms", ">p99")
    rows = [
        [
            *(item[name] for name in names),
            *(_ms(item[what][rank]) for what in ("wait", "run") for rank in ("p50_ms", "p99_ms")),
        ]
        for item in answer["items"]
    ]
    console().print(table(columns, rows) if rows else f"No message since {answer['since']}.")
    if not answer["complete"]:
        console().print(f"There were more; these are the newest {answer['counted']}. A later --since tells of all.")


def _time(value: str | None) -> str | None:
    return None if value is None else value[:23].replace("T", " ")


def _ms(value: float | None) -> str | None:
    return None if value is None else f"{value:.0f}"
