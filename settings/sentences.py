"""What is wrong with a configuration, a sentence for each error; no secret is in one."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ValidationError

from models.errors import shown
from settings.anomalies import Anomalies
from settings.backup import Backup
from settings.deployment import Settings
from settings.execution import Breaker, Execution
from settings.keys import Credentials, KeyPair
from settings.origin import DEFAULT_FILE, Origin
from settings.positions import Positions
from settings.reconciliation import Reconciliation
from settings.records import Events, Messages
from settings.retention import Retention
from settings.section import nearest
from settings.venue import VenueSettings

#: keys whose value is never repeated: credentials, and URLs, which may hold a password
_UNSHOWN = {
    "api_key",
    "keys",
    "secret",
    "password",
    "api_keys",
    "sentry_dsn",
    "database_url",
    "broker_url",
    "redis_url",
}

SECTIONS: Mapping[str, type[BaseModel]] = {
    "execution": Execution,
    "breaker": Breaker,
    "events": Events,
    "messages": Messages,
    "backup": Backup,
    "retention": Retention,
    "reconciliation": Reconciliation,
    "positions": Positions,
    "anomalies": Anomalies,
}


def sentences(error: ValidationError, where: Origin) -> list[str]:
    items = error.errors(include_url=False, include_context=False)
    # A default that is derived from a refused value would only repeat that value's error.
    return [_sentence(item, where) for item in items if item["type"] != "default_factory_not_called"]


def _sentence(item: Any, where: Origin) -> str:
    keys = tuple(key for key in item["loc"] if key != "[key]")
    place = where(*keys) if keys else where.file
    if item["type"] == "extra_forbidden":
        known = _known_keys(keys[:-1])
        return f"{place} is no key that Steadfill knows{nearest(str(keys[-1]), known)}. Known here: {', '.join(known)}."
    if item["type"] == "missing":
        return f"{place} is missing. Add it; {DEFAULT_FILE} in the repository shows every key with an example."
    rule = item["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    own = item["type"] == "value_error"
    value = item.get("input")
    plain = keys and _UNSHOWN.isdisjoint(keys) and isinstance(value, (str, int, float, Decimal))
    got = f", got {shown(value if isinstance(value, (str, int)) else str(value))}" if plain else ""
    advice = "" if own and not plain else ". Correct it, or remove it for the default"
    return f"{place} {rule[0].lower()}{rule[1:]}{got}{advice}."


def _known_keys(keys: tuple[Any, ...]) -> list[str]:
    """The keys a section takes; ``keys`` is the way to it."""
    if not keys:
        return sorted(Settings.model_fields)
    if keys[0] in SECTIONS:
        return list(SECTIONS[keys[0]].model_fields)
    if "keys" in keys:
        return list(KeyPair.model_fields)
    return list(Credentials.model_fields) if len(keys) > 2 else [*VenueSettings.model_fields, *Credentials.model_fields]
