"""Where a report's figures come from: the deployment's database, read as it is, and grouped as asked for."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from accounting.costs_groups import CostSum, GroupCost
from cli.errors import CommandError
from settings import Settings, load_settings
from storage import schema
from storage.costs import CostedOrder
from storage.engine import make_engine, read

#: what a group's orders may have in common, beside ``tag:KEY``
KEYS = ("venue", "account", "symbol", "side", "algorithm", "day")

#: the values of the keys, in the order that the keys were asked for; None: the orders have no such tag
GroupKey = tuple[str | None, ...]


@contextmanager
def open_database(settings: Settings | None = None) -> Iterator[Connection]:
    """The configured database, for reading. The venues' keys are not needed for that. Raises CommandError."""
    settings = settings or load_settings(venue_secrets=False)
    if settings.embedded_database and not Path(settings.home, "steadfill.db").exists():
        raise CommandError(
            f"There is no database in {settings.home}, so there is no order to report on. `steadfill up` makes it; "
            "set STEADFILL_HOME or STEADFILL_DATABASE_URL if the deployment's is elsewhere."
        )
    engine = make_engine(settings.database_url)
    where = engine.url.render_as_string(hide_password=True)
    try:
        schema.check(engine)
        with read(engine, snapshot=True) as conn:
            yield conn
    except schema.SchemaProblem as error:
        raise CommandError(f"{where} can't be read: {error}.") from None
    except (SQLAlchemyError, OSError) as error:
        raise CommandError(
            f"{where} does not answer: {type(getattr(error, 'orig', None) or error).__name__}. Check that it runs, and "
            "STEADFILL_DATABASE_URL; `steadfill doctor` looks closer."
        ) from None
    finally:
        engine.dispose()


def grouped(orders: Iterable[CostedOrder], keys: Sequence[str]) -> list[tuple[GroupKey, GroupCost]]:
    """Groups by these keys, and by quote asset, since amounts in two of them don't add up; sorted by key."""
    sums: dict[tuple[GroupKey, str], CostSum] = {}
    for order in orders:
        quote = order.cost.facts.quote
        at = tuple(_value(order, key) for key in keys), quote
        sums.setdefault(at, CostSum(quote)).take(order.cost)
    ordered = sorted(sums.items(), key=lambda item: ([(part is None, part or "") for part in item[0][0]], item[0][1]))
    return [(key, total.result()) for (key, _), total in ordered]


def _value(order: CostedOrder, key: str) -> str | None:
    if key.startswith("tag:"):
        return order.tags.get(key.removeprefix("tag:"))
    if key == "day":
        return order.cost.facts.created_at.astimezone(UTC).date().isoformat()
    if key == "side":
        return order.cost.facts.side.value
    return str(getattr(order, key))
