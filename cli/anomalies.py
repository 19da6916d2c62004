"""``steadfill anomalies list|series|learned``: figures that moved away from what is usual."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from accounting.anomalies.series import SeriesKind
from cli.client import connect
from cli.output import Json, as_json, console, table

anomalies = typer.Typer(
    no_args_is_help=True, help="Fees, slippage and delays that moved away from what is usual (docs/anomalies.md)."
)

Kind = Annotated[SeriesKind | None, typer.Option(help="Of series of this kind.")]


@anomalies.command("list")
def list_anomalies(
    *,
    kind: Kind = None,
    venue: Annotated[str | None, typer.Option()] = None,
    account: Annotated[str | None, typer.Option()] = None,
    since: Annotated[str | None, typer.Option(help="RFC 3339; found from then on.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    output_json: Json = False,
) -> None:
    """What was found, the latest first."""
    wanted = kind.value if kind else None
    page = connect().get("/v1/anomalies", kind=wanted, venue=venue, account=account, since=since, limit=limit)
    if output_json:
        as_json(page)
        return
    columns = ("id", "found", "series", "moved", ">usual", ">drift", ">tolerance", "unit", ">points", "since", "order")
    rows = [_row(item) for item in page["items"]]
    console().print(table(columns, rows) if rows else "No anomaly was found.")


def _row(item: dict[str, Any]) -> list[Any]:
    figures = [item["median"], item["drift"], item["tolerance"], item["unit"], f"{item['beyond']} of {item['points']}"]
    times = [item["found_at"][:19].replace("T", " "), item["first_at"][:19].replace("T", " ")]
    return [item["id"], times[0], _name(item), item["direction"], *figures, times[1], item["order_id"]]


@anomalies.command("series")
def list_series(*, output_json: Json = False) -> None:
    """Every watched series: what is usual for it, and how far its sums stand."""
    answer = connect().get("/v1/anomalies/series")
    if output_json:
        as_json(answer)
        return
    columns = ("series", ">points", ">usual", ">scale up", ">scale down", "unit", ">sum up", ">sum down", "state")
    rows = [_series_row(item) for item in answer["items"]]
    console().print(table(columns, rows) if rows else "No series has a point so far.")


def _series_row(item: dict[str, Any]) -> list[Any]:
    learned = item["learning"] is None
    state = "watched" if learned else f"learning, {item['learning']} points so far"
    usual = [item["median"], item["scale_up"], item["scale_down"], item["unit"]]
    return [_name(item), item["points"], *usual, item["cusum_up"], item["cusum_down"], state]


def _name(item: Mapping[str, Any]) -> str:
    return " ".join(filter(None, (item["kind"], item["venue"], item["account"], item["subject"])))


@anomalies.command("learned")
def learned(
    kind: Annotated[SeriesKind, typer.Argument(help="The kind of the series.")],
    *,
    share: Annotated[
        float, typer.Option(min=0.001, max=0.5, help="How many of the points to call odd, as a share.")
    ] = 0.01,
    output_json: Json = False,
) -> None:
    """Single points that a learned model (IsolationForest) calls odd: a second look, which alerts nobody.

    Reads the deployment's database. Needs the extra `learned`.
    """
    from cli.anomalies_learned import odd_points

    found = odd_points(kind, share)
    if output_json:
        as_json({"items": found})
        return
    columns = ("series", "at", ">value", "unit", ">score", "order")
    rows = [[_name(item), item["at"], item["value"], item["unit"], item["score"], item["order_id"]] for item in found]
    console().print(table(columns, rows) if rows else "No series of this kind has enough points.")
