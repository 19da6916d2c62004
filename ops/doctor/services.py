"""The services a deployment stands on: database, broker, Redis, and its own API."""

import contextlib
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Engine, text

from ops import embedded_broker
from ops.doctor.finding import Finding
from ops.roles import api_url
from settings import Settings, embedded_socket

#: as the server has it, whatever this connection has set
_COMMIT_DEFAULT = "SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'"

#: seconds for a service to answer
TIMEOUT_S = 5.0

_START = "Start it with `steadfill up`."


def database(settings: Settings) -> Iterator[Finding]:
    from sqlalchemy.exc import SQLAlchemyError

    from storage import schema
    from storage.engine import make_engine, ping

    if settings.embedded_database and not Path(settings.home, "steadfill.db").exists():
        yield Finding(
            check="database",
            state="warn",
            message="the embedded database does not exist yet;",
            advice="`steadfill up` makes it.",
        )
        return
    engine = make_engine(settings.database_url)
    where = engine.url.render_as_string(hide_password=True)
    try:
        ping(engine)
        schema.check(engine)
        durability = [*_durability(engine, where), *_journal(engine, settings)]
    except schema.SchemaProblem as error:
        yield Finding(check="database", state="fail", message=f"{where}: {error}.")
    except (SQLAlchemyError, OSError) as error:
        advice = "Check that it is running, and host, user and password in STEADFILL_DATABASE_URL."
        yield Finding(
            check="database", state="fail", message=f"{where} does not answer: {_short(error)}.", advice=advice
        )
    else:
        yield Finding(check="database", state="ok", message=f"{where} answers and has schema {schema.head()}")
        yield from durability
    finally:
        engine.dispose()


def _durability(engine: Engine, where: str) -> Iterator[Finding]:
    """Whether a commit that returned is on disk. SQLite's connections assert it themselves."""
    if engine.dialect.name != "postgresql":
        return
    from storage.engine import read

    with read(engine) as conn:
        found = {name: conn.execute(text(f"SHOW {name}")).scalar_one() for name in ("fsync", "full_page_writes")}
        default = conn.execute(text(_COMMIT_DEFAULT)).scalar_one_or_none()
        checksums = conn.execute(text("SHOW data_checksums")).scalar_one()
    if checksums != "on":
        yield Finding(
            check="database",
            state="warn",
            message=f"{where} has data_checksums off: a flipped bit on its disk goes unnoticed until it does harm.",
            advice="Run `pg_checksums --enable` while the server is stopped.",
        )
    for name, value in found.items():
        if value != "on":
            yield Finding(
                check="database",
                state="fail",
                message=f"{where} has {name} off: a power cut can lose or break orders that were answered with 201.",
                advice=f"Set {name} to on in postgresql.conf and reload.",
            )
    if default == "off":
        yield Finding(
            check="database",
            state="warn",
            message=f"{where} has synchronous_commit off; every connection of ours switches it on for itself.",
            advice="Set it to on, so that other programs' commits are kept as well.",
        )


def _journal(engine: Engine, settings: Settings) -> Iterator[Finding]:
    """On SQLite: whether what is committed now could be replayed on a backup, were the file lost."""
    if engine.dialect.name != "sqlite":
        return
    from storage.backup.heads import journal_state

    if not settings.backup.journal:
        advice = "What is committed after a backup has no copy until the next one. Remove that line to keep one."
        yield Finding(check="journal", state="warn", message="off, by [backup] journal = false.", advice=advice)
        return
    found = journal_state(engine, settings.backup_folder, every_record=True)
    if found.problem is None:
        yield Finding(check="journal", state="ok", message=found.sentence())
    else:
        advice = "What was committed since the last backup has no copy. `steadfill up` begins a new one, and so does beat within the hour."
        yield Finding(check="journal", state="warn", message=f"{found.problem}.", advice=advice)


def broker(settings: Settings) -> Iterator[Finding]:
    from kombu import Connection

    if settings.embedded_broker:
        yield _embedded(settings)
        return
    where = _without_password(settings.broker_url)
    try:
        with Connection(settings.broker_url, connect_timeout=TIMEOUT_S) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0.2, timeout=TIMEOUT_S)
    except Exception as error:  # noqa: BLE001 - each transport raises its own
        advice = "Check that it is running, and host, user and password in STEADFILL_BROKER_URL."
        yield Finding(check="broker", state="fail", message=f"{where} does not answer: {_short(error)}.", advice=advice)
    else:
        yield Finding(check="broker", state="ok", message=f"{where} answers")


def _embedded(settings: Settings) -> Finding:
    try:
        embedded_broker.binary()
    except embedded_broker.BrokerUnusableError as error:
        return Finding(check="broker", state="warn", message=f"{error}")
    address = embedded_socket(settings.home)
    if embedded_broker.answers(address):
        return Finding(check="broker", state="ok", message=f"the embedded Valkey answers at {address}")
    return Finding(check="broker", state="warn", message="the embedded Valkey is not running.", advice=_START)


def redis(settings: Settings) -> Iterator[Finding]:
    url = settings.redis_client_url
    if url is None or settings.embedded_broker:
        return
    from redis import Redis, RedisError
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    where = _without_password(url)
    client: Any = Redis.from_url(
        url,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        about = client.info("server")
        yield Finding(check="redis", state="ok", message=f"{where} answers, version {about.get('redis_version')}")
        with contextlib.suppress(RedisError):
            values = {**client.config_get("maxmemory-policy"), **client.config_get("appendonly")}
            if values.get("maxmemory-policy") != "noeviction":
                advice = "Set maxmemory-policy to noeviction."
                yield Finding(
                    check="redis", state="warn", message=f"{where} may drop messages when it is full.", advice=advice
                )
            if values.get("appendonly") != "yes":
                advice = "Set appendonly to yes; until then the outbox sends again what a crash lost."
                yield Finding(
                    check="redis", state="warn", message=f"{where} forgets messages when it ends.", advice=advice
                )
    except (RedisError, OSError) as error:
        advice = "Check that it is running, and STEADFILL_REDIS_URL."
        yield Finding(check="redis", state="fail", message=f"{where} does not answer: {_short(error)}.", advice=advice)
    finally:
        client.close()


def api(settings: Settings) -> Iterator[Finding]:
    url = api_url(settings)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/health", timeout=TIMEOUT_S) as answer:
            body, status = answer.read(), answer.status
    except urllib.error.HTTPError as error:
        body, status = error.read(), error.code
    except OSError:
        yield Finding(check="api", state="warn", message=f"nothing answers at {url}.", advice=_START)
        return
    try:
        components = json.loads(body).get("components", {})
    except (ValueError, AttributeError):
        advice = "Configure another port (STEADFILL_API_PORT)."
        yield Finding(check="api", state="fail", message=f"what answers at {url} is no Steadfill API.", advice=advice)
        return
    states = ", ".join(f"{name} {_state(part)}" for name, part in components.items())
    if status == 200:
        yield Finding(check="api", state="ok", message=f"{url} takes orders: {states}")
    else:
        yield Finding(
            check="api", state="fail", message=f"{url} takes no orders: {states}.", advice="See the API's log for why."
        )


def _state(part: object) -> str:
    return str(part.get("status") or part.get("state")) if isinstance(part, dict) else str(part)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or parts.path
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}"


def _short(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__
