"""``steadfill up``: everything of one home, under one roof, until it is told to stop."""

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ops import state
from ops.embedded_broker import BrokerUnusableError
from ops.roles import ROLES, pieces
from ops.supervisor import Say, StartError, Supervisor
from settings import DEFAULT_FILE, Settings, load_settings

ROOT = Path(__file__).resolve().parent.parent

#: the roles that work on the database
_NEED_DATABASE = {"worker", "beat", "stream", "api"}


def up(
    environ: Mapping[str, str],
    *,
    say: Say,
    only: Sequence[str] = ROLES,
    venue_workers: int = 1,
    verbose: bool = False,
    ready: Callable[[Settings], None] = lambda _: None,
) -> bool:
    """Run the pieces until a signal asks to stop, then drain; False when a second one cut that short.

    Raises ConfigurationError, AlreadyRunningError or StartError."""
    settings = load_settings(environ)
    make_home(settings.home)
    with state.roles_locked(settings.home, only):
        # A broker that outlived its `up` is not ended here: the supervisor adopts it, with the messages it holds.
        for record in state.end_leftovers(settings.home, set(only) - {"broker"}):
            say(
                record.name,
                f"ended: an earlier `up` (pid {record.supervisor}) was killed and left it running (pid {record.pid})",
            )
        children = environment_for_children(environ, settings)
        try:
            made = pieces(settings, only=only, venue_workers=venue_workers)
        except BrokerUnusableError as error:
            say("broker", f"{error}")
            say(
                "up",
                "going on WITHOUT a durable broker: all tasks in one process, memory://, threads. Orders are safe in the database.",
            )
            settings = load_settings({**environ, "STEADFILL_BROKER_URL": "memory://"})
            children["STEADFILL_BROKER_URL"] = "memory://"
            made = pieces(settings, only=only, venue_workers=venue_workers)
        if _NEED_DATABASE & set(only):
            from ops.recover import recover_if_damaged  # with the database, which other pieces need not load

            recover_if_damaged(settings, say)
            migrate(settings)
            _keep_journal(settings, say)
            assert_modes(settings)
        supervisor = Supervisor(made, home=settings.home, environ=children, say=say, verbose=verbose)
        return supervisor.run(ready=lambda: ready(settings))


def _keep_journal(settings: Settings, say: Say) -> None:
    """A deployment without a journal is worse than one with it, and better than none."""
    from sqlalchemy.exc import SQLAlchemyError

    from ops.backup import keep_journal
    from storage.backup.errors import BackupError

    try:
        done = keep_journal(settings)
    except (BackupError, SQLAlchemyError) as error:
        say("up", f"going on WITHOUT a journal of changes, so what comes after the last backup has no copy: {error}")
    else:
        if done is not None:
            say("up", done)


def make_home(home: Path) -> None:
    """For this user only: the books, the messages and the journal of the paper venue are in it."""
    try:
        new = not home.exists()
        home.mkdir(parents=True, exist_ok=True)
        if new:
            home.chmod(0o700)
    except OSError as error:
        raise StartError(
            f"The folder {home} can't be made: {error.strerror}. Set STEADFILL_HOME to a folder this user may write to."
        ) from None
    if not os.access(home, os.W_OK | os.X_OK):
        raise StartError(f"The folder {home} is not writable for this user. Set STEADFILL_HOME to one that is.")


def migrate(settings: Settings) -> str:
    """Bring the schema to this version; returns its revision. Raises StartError, or BackupError."""
    from sqlalchemy.exc import SQLAlchemyError

    from ops.backup import assert_no_cut_restore
    from storage import schema

    assert_no_cut_restore(settings)
    try:
        return schema.upgrade(settings.database_url)
    except (SQLAlchemyError, schema.SchemaProblem, OSError) as error:
        raise StartError(
            f"The database can't be brought to this version's schema: {_first_line(error)}. "
            "Check that it is running and that STEADFILL_DATABASE_URL is right; `steadfill doctor` looks closer."
        ) from None


def assert_modes(settings: Settings) -> None:
    """Raises StartError where an account is configured for another mode than its books are of."""
    from ops.modes import mode_conflicts
    from storage.engine import make_engine

    engine = make_engine(settings.database_url)
    try:
        conflicts = mode_conflicts(settings, engine)
    finally:
        engine.dispose()
    if conflicts:
        raise StartError(". ".join(conflicts) + ".")


def environment_for_children(environ: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """What the pieces see: the same configuration, wherever they run, and this checkout on their path."""
    file = Path(environ.get("STEADFILL_CONFIG") or DEFAULT_FILE).expanduser().absolute()
    path = [str(ROOT), *filter(None, [environ.get("PYTHONPATH")])]
    return {
        **environ,
        "STEADFILL_CONFIG": str(file) if file.is_file() else os.devnull,
        "STEADFILL_HOME": str(settings.home),
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONUNBUFFERED": "1",
    }


def free_port() -> int:
    """A port of the loopback interface that nothing uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
