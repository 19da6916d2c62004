"""``steadfill archive list|show|verify`` and ``steadfill cleanups``: what left the database, and where it is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.archive_check import unlike_the_database
from cli.errors import CommandError
from cli.output import Json, as_json, console, fields, table
from cli.report_orders import open_database
from cli.timeline import timeline_table
from models.clock import format_time_or_none
from settings import load_settings
from storage.archive_files import ArchivedFile, ArchiveProblem, manifests, read_line, verify_file
from storage.cleanup_records import list_removals

archive = typer.Typer(
    no_args_is_help=True,
    help="Histories of orders that closed long ago. Reads the archive's folder, also while nothing runs.",
)

_BY_CLIENT = "client:"


@archive.command("list")
def list_files(*, output_json: Json = False) -> None:
    """The files of the archive."""
    files = _files()
    if output_json:
        as_json({"folder": str(_folder()), "items": [_shown(file) for file in files]})
        return
    rows = [[file.name, len(file.lines), file.bytes, file.sha256] for file in files]
    columns = ("file", ">orders", ">bytes", "sha-256")
    console().print(table(columns, rows) if rows else f"There is no file in {_folder()}.")


def _shown(file: ArchivedFile) -> dict[str, Any]:
    orders = [
        {"id": line.order_id, "client_order_id": line.client_order_id, "account": line.account, "version": line.version}
        for line in file.lines
    ]
    return {"file": file.name, "sha256": file.sha256, "bytes": file.bytes, "orders": orders}


@archive.command("show")
def show(
    order: Annotated[str, typer.Argument(help="The order's id, or client:ITS_CLIENT_ORDER_ID.")],
    *,
    account: Annotated[str, typer.Option(help="The venue account of a client order id.")] = "main",
    output_json: Json = False,
) -> None:
    """An order as it was archived: its document, its timeline, and all rows of it."""
    parts = _parts(order, account)
    if not parts:
        raise CommandError(
            f"No file in {_folder()} has an order {order} of the account {account}. `steadfill order show` tells whether "
            "it is in the database; [retention] archive_dir names the archive's folder."
        )
    if output_json:
        as_json(parts[-1] if len(parts) == 1 else {**parts[-1], "earlier": parts[:-1]})
        return
    document = parts[-1]["document"]
    shown = [(name, value) for name, value in document.items() if not isinstance(value, list | dict)]
    console().print(fields(shown))
    # A file that a crash left behind may tell of the same steps again.
    steps = {(item["entity_id"], item["detail"]["version"]): item for part in parts for item in part["timeline"]}
    console().print(timeline_table(list(steps.values())))


def _parts(order: str, account: str) -> list[dict[str, Any]]:
    """What the files have of it, one part for each version that was archived."""
    found: dict[int, dict[str, Any]] = {}
    try:
        for file in _files():
            for number, line in enumerate(file.lines, 1):
                by_client = order.startswith(_BY_CLIENT) and line.account == account
                if line.order_id == order or (by_client and line.client_order_id == order.removeprefix(_BY_CLIENT)):
                    found[line.version] = dict(read_line(_folder(), file.name, number, line.sha256))
    except ArchiveProblem as error:
        raise CommandError(_sentence(error)) from None
    return [found[version] for version in sorted(found)]


@archive.command("verify")
def verify(*, output_json: Json = False) -> None:
    """Read every file again, and compare each with its manifest and with what the database has on record."""
    files = _files()
    for file in files:
        try:
            verify_file(_folder(), file)
        except ArchiveProblem as error:
            raise CommandError(_sentence(error)) from None
    compared = unlike_the_database(files, _folder())
    orders = sum(len(file.lines) for file in files)
    if output_json:
        as_json({"files": len(files), "orders": orders, "compared_with_database": compared is None, "note": compared})
        return
    with_what = "its manifest and the database" if compared is None else "its manifest"
    console().print(f"{len(files)} files with {orders} histories are as {with_what} say.")
    if compared is not None:
        console().print(compared)


def cleanups(*, limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50, output_json: Json = False) -> None:
    """What cleanup removed, the latest first: table, how many rows, of which time, and into which file."""
    with open_database() as conn:
        removals = list_removals(conn, limit)
    times = ("at", "oldest", "newest")
    items = [{**row, **{name: format_time_or_none(row[name]) for name in times}} for row in removals]
    if output_json:
        as_json({"items": items})
        return
    names = ("at", "what", "count", "oldest", "newest", "file", "run")
    columns = [f">{name}" if name == "count" else name for name in names]
    rows = [[row[name] for name in names] for row in items]
    console().print(table(columns, rows) if rows else "Nothing was removed so far.")


def _folder() -> Path:
    return load_settings(venue_secrets=False).archive_folder


def _files() -> Sequence[ArchivedFile]:
    try:
        return list(manifests(_folder()))
    except ArchiveProblem as error:
        raise CommandError(_sentence(error)) from None


def _sentence(error: ArchiveProblem) -> str:
    text = str(error)
    return f"{text[0].upper()}{text[1:]}."
