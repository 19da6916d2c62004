"""``steadfill positions --prove`` and ``--rebuild``: against the database itself, so they work while nothing runs."""

import sys
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from cli.errors import CommandError
from cli.output import as_json, console
from cli.report_orders import open_database
from settings import load_settings
from storage import schema
from storage.engine import make_engine
from storage.position_proof import prove_equal, rebuild


def prove_positions(*, output_json: bool) -> None:
    """Exit 0 where every position is what the ledger makes of it, 1 where one is not."""
    with open_database() as conn:
        findings = prove_equal(conn)
    if output_json:
        as_json({"equal": not findings, "findings": findings})
    elif not findings:
        console().print("Every position is what the ledger makes of it.")
    else:
        for sentence in findings:
            console().print(sentence)
        console().print("`steadfill positions --rebuild` puts what the ledger makes in their place.")
    if findings:
        sys.exit(1)


def rebuild_positions() -> None:
    """All of it in one transaction; raises CommandError with nothing changed."""
    settings = load_settings(venue_secrets=False)
    if settings.embedded_database and not Path(settings.home, "steadfill.db").exists():
        raise CommandError(f"There is no database in {settings.home}: nothing was changed. `steadfill up` makes one.")
    engine = make_engine(settings.database_url)
    try:
        schema.check(engine)
        changes = rebuild(engine)
    except schema.SchemaProblem as error:
        raise CommandError(f"Nothing was changed: {error}.") from None
    except (SQLAlchemyError, OSError) as error:
        raise CommandError(
            f"Nothing was changed: the database failed with {type(getattr(error, 'orig', None) or error).__name__}. "
            "Stop the deployment and try again; `steadfill doctor` looks closer."
        ) from None
    finally:
        engine.dispose()
    console().print(f"Every position was made again from the ledger: {changes} changes.")
