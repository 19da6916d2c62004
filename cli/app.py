"""The commands put together, and what becomes of their errors: 0 done, 1 refused or not found, 2 bad usage."""

import os
import sys
from collections.abc import Sequence

import typer

from cli.anomalies import anomalies
from cli.archive import archive, cleanups
from cli.breaks import breaks
from cli.dead_letters import dead_letters
from cli.errors import CommandError, Refused
from cli.main import MACHINE, placeholder
from cli.messages import messages
from cli.orders import orders
from cli.output import as_json, complain
from cli.positions import positions
from cli.reconcile import reconcile
from cli.report import report
from cli.simulate import simulate
from cli.venues import balances, halt, resume, venues
from settings import ConfigurationError

app = typer.Typer(
    name="steadfill",
    help="Executes crypto orders: every order once, every fill booked, nothing lost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for name in MACHINE:
    app.command(name)(placeholder(name))
app.add_typer(orders, name="order")
app.add_typer(messages, name="messages")
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(archive, name="archive")
app.add_typer(breaks, name="breaks")
app.add_typer(anomalies, name="anomalies")
app.add_typer(venues, name="venues")
for command in (balances, cleanups, positions, reconcile, report, simulate, halt, resume):
    app.command()(command)


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit status."""
    try:
        app(args=list(arguments), prog_name="steadfill")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1 if end.code else 0
    except Refused as error:
        if "--json" in arguments:
            as_json(error.problem)
        complain(str(error))
    except (CommandError, ConfigurationError) as error:
        complain(str(error))
    except BrokenPipeError:
        # The reader has left. Python would complain once more when it closes the output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        pass
    return 1
