"""The commands about this machine: ``python -m ops up|ps|demo|…``, reached as ``steadfill …`` (`cli/main.py` lists them)."""

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ops import state, terminal
from ops.roles import ROLES
from ops.supervisor import StartError
from ops.up import migrate, up
from settings import ConfigurationError, Settings, load_settings
from storage.backup.errors import BackupError

app = typer.Typer(
    name="steadfill", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)
database = typer.Typer(no_args_is_help=True, help="The database's schema.")
app.add_typer(database, name="db")

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@app.command("up")
def up_command(
    *,
    only: Annotated[str | None, typer.Option(help=f"Comma-separated pieces: {', '.join(ROLES)}. Without: all.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=32, help="Worker processes that send orders to venues.")] = 1,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show every line of every log.")] = False,
) -> None:
    """Run every piece of a deployment on this machine until Ctrl-C; a piece that dies is started again."""
    drained = up(
        os.environ, say=terminal.say, only=_roles(only), venue_workers=workers, verbose=verbose, ready=_announce
    )
    raise typer.Exit(0 if drained else 1)


@app.command("ps")
def ps_command(*, output_json: Json = False) -> None:
    """The pieces that run here: role, pid, since. Exit status 1 where none does."""
    running = [record for record in state.records(load_settings(venue_secrets=False).home) if record.running]
    if output_json:
        shown = ("role", "name", "pid", "since", "restarts", "supervisor")
        terminal.as_json([{name: asdict(record)[name] for name in shown} for record in running])
    elif running:
        rows = [(record.role, record.name, record.pid, record.since[:19] + "Z", record.restarts) for record in running]
        terminal.show_table(("role", "name", "pid", "since", "restarts"), rows)
    else:
        terminal.complain("Nothing of this home runs. Start it with `steadfill up`.")
    raise typer.Exit(0 if running else 1)


@app.command("doctor")
def doctor_command(*, output_json: Json = False) -> None:
    """What is configured and reachable, in which versions, and what to do where it is not."""
    from ops.doctor import examine, report

    findings = examine(os.environ)
    if output_json:
        terminal.as_json([asdict(finding) for finding in findings])
    else:
        report(findings)
    raise typer.Exit(1 if any(finding.state == "fail" for finding in findings) else 0)


@app.command("verify")
def verify_command(
    *,
    head: Annotated[
        list[str] | None, typer.Option(help="SEQUENCE:HASH that was noted before: the chain must go through it.")
    ] = None,
    output_json: Json = False,
) -> None:
    """Prove the books: every entry as it was sealed, balances, fills, sums and holds. Exit status 1 where a row fails."""
    from ops.verify import NothingToVerify, examine, show
    from storage.verify.chain import NotAHead, read_head

    try:
        noted = [read_head(text) for text in head or ()]
    except NotAHead as error:
        raise typer.BadParameter(str(error)) from None
    try:
        report, took_s = examine(load_settings(venue_secrets=False), noted)
    except NothingToVerify as error:
        terminal.complain(str(error))
        raise typer.Exit(1) from None
    if output_json:
        terminal.as_json(report.document())
    else:
        show(report, took_s)
    raise typer.Exit(0 if report.good else 1)


@app.command("demo")
def demo_command(
    *,
    seed: Annotated[int, typer.Option(help="Of the market, the faults and the basket.")] = 7,
    orders: Annotated[int, typer.Option(min=40, max=400, help="How many orders to trade.")] = 48,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the demo's folder for a look afterwards.")] = False,
    output_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Orders, faults and a killed worker on this machine, then a verdict from the venue's own log."""
    from ops.demo.run import demo

    raise typer.Exit(0 if demo(seed=seed, orders=orders, keep=keep, output_json=output_json) else 1)


@app.command("chaos")
def chaos_command(
    *,
    minutes: Annotated[
        float | None, typer.Option(help="Begin no more cells after this time. Without --cells: 5.")
    ] = None,
    cells: Annotated[int | None, typer.Option(help="At most so many cells.")] = None,
    cell: Annotated[list[str] | None, typer.Option(help="Only this cell, or all that are named like it (*).")] = None,
    stack: Annotated[
        list[str] | None, typer.Option(help="sqlite-embedded (default), postgres-redis, postgres-rabbitmq.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same cells in the same order.")] = None,
    lanes: Annotated[int, typer.Option(min=1, max=32, help="Deployments that work side by side.")] = 2,
    report: Annotated[Path | None, typer.Option(help="Write a page of Markdown here.")] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Add outcomes to this file, and leave out cells that it has.")
    ] = None,
    postgres_url: Annotated[
        str | None, typer.Option(help="A role that may create databases: each lane makes its own.")
    ] = None,
    rabbitmq_url: Annotated[
        list[str] | None, typer.Option(help="A virtual host that nobody else uses, one for each lane.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the lanes' folders for a look afterwards.")] = False,
) -> None:
    """Kill, stop and cut a deployment of its own, stage by stage, and compare its books with the venue's each time."""
    from ops.chaos.cell import STACKS
    from ops.chaos.command import BadRequest, Request, chaos
    from ops.chaos.servers import Lent, NoServer

    stacks = tuple(stack or ("sqlite-embedded",))
    unknown = [name for name in stacks if name not in STACKS]
    if unknown:
        raise typer.BadParameter(f"--stack takes {', '.join(STACKS)}; got {unknown[0]!r}")
    lent = Lent(postgres_url=postgres_url, rabbitmq_urls=tuple(rabbitmq_url or ()))
    limited = minutes if minutes is not None or cells is not None or cell else 5.0
    request = Request(
        cells=tuple(cell or ()), stacks=stacks, minutes=limited, count=cells, seed=seed, lanes=lanes, report=report,
        resume=resume, lent=lent, keep=keep,
    )  # fmt: skip
    try:
        lent.check(stacks)
        good = chaos(request, terminal.console().print)
    except (BadRequest, NoServer) as error:
        terminal.complain(str(error))
        raise typer.Exit(2) from None
    raise typer.Exit(0 if good else 1)


@app.command("backup")
def backup_command(
    *,
    shown: Annotated[bool, typer.Option("--list", help="Make none; show those that are kept.")] = False,
    output_json: Json = False,
) -> None:
    """Copy the database while it is in use, check the copy, list it with its digests, and rotate older ones."""
    from ops import backup

    settings = load_settings(venue_secrets=False)
    if shown:
        found = backup.listed(settings)
        if output_json:
            terminal.as_json(found)
        else:
            rows = [
                (one["name"], one.get("database", "-"), one.get("bytes", "-"), one.get("problem", "")) for one in found
            ]
            terminal.show_table(("name", "database", "bytes", "problem"), rows)
        return
    made = backup.make(settings)
    if output_json:
        terminal.as_json(made)
    else:
        terminal.console().print(f"{made['path']} holds the database as of {made['made_at']}, checked.")


@app.command("restore")
def restore_command(
    name: Annotated[str | None, typer.Argument(help="Which backup; without: the newest.")] = None,
    *,
    drill: Annotated[bool, typer.Option("--drill", help="Try it in a place of its own and change nothing.")] = False,
    into: Annotated[str | None, typer.Option(help="An empty PostgreSQL database, by its URL.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Set the present SQLite file aside.")] = False,
    output_json: Json = False,
) -> None:
    """Verify a backup and put it in place, halted: nothing is sent before a look at open orders and trades since then."""
    from ops import backup

    settings = load_settings(venue_secrets=False)
    if drill:
        told = backup.try_out(settings, name)
        said = f"{told['name']} can be restored: digests, schema, guards, books and row counts are right. Nothing was changed."
    else:
        told = backup.bring_back(settings, name, into=into, confirmed=yes)
        aside = f" The earlier file is {told['set_aside']}." if told["set_aside"] else ""
        replayed = told["replayed"]
        since = f" with {replayed['records']} transactions of the journal" if replayed else ""
        if replayed and replayed["gap"]:
            since += f" (INCOMPLETE: {replayed['gap']})"
        said = f"{told['name']} is restored{since}, and everything is halted.{aside}"
    if output_json:
        terminal.as_json(told)
    else:
        terminal.console().print(said)


@database.command("upgrade")
def upgrade_command(*, output_json: Json = False) -> None:
    """Bring the database to this version's schema; nothing happens where it is there already."""
    from ops.up import make_home

    settings = load_settings(venue_secrets=False)
    make_home(settings.home)
    revision = migrate(settings)
    if output_json:
        terminal.as_json({"revision": revision})
    else:
        terminal.console().print(f"The database has schema {revision}, the one of this version.")


def _roles(only: str | None) -> Sequence[str]:
    if only is None:
        return ROLES
    wanted = [role.strip() for role in only.split(",") if role.strip()]
    unknown = [role for role in wanted if role not in ROLES]
    if unknown or not wanted:
        raise typer.BadParameter(f"--only takes {', '.join(ROLES)}, separated by commas; got {only!r}")
    return [role for role in ROLES if role in wanted]


def _announce(settings: Settings) -> None:
    from ops.roles import api_url

    terminal.say("up", f"ready: {api_url(settings)} · logs in {settings.home / 'logs'} · Ctrl-C stops")


def main() -> int:
    try:
        app(prog_name="steadfill")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1 if end.code else 0
    except (ConfigurationError, state.AlreadyRunningError, StartError, BackupError) as error:
        terminal.complain(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        pass
    return 1


if __name__ == "__main__":
    sys.exit(main())
