"""The parts of a request that are objects of their own: algorithm, fill policy, notify and tags."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from models import algorithm_fields, fill_policy_fields
from models.algorithm import ALGORITHMS, Algorithm, algorithm_to_json
from models.errors import shown
from models.fill_policy import FILL_POLICIES, FillPolicy, fill_policy_to_json
from models.request_fields import Fields, alternatives, nearest

#: a name, or the whole object
Default = str | Mapping[str, object]

MAX_TAGS = 16
MAX_TAG_LENGTH = 64

#: what brokers take as a queue's name, and Celery as a task's
_ROUTE = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Where every change of the order is sent: a message for ``task`` on ``queue``."""

    queue: str
    task: str


def read_algorithm(fields: Fields, default: Default, available: Collection[str]) -> Algorithm | None:
    """None where the algorithm or one of its parameters was refused."""
    name, given = _read_choice(fields, "algorithm", ALGORITHMS, available, default)
    errors = len(fields.errors)
    if name is None:
        return None
    algorithm = algorithm_fields.read_parameters(fields, "algorithm", name, given)
    return algorithm if len(fields.errors) == errors else None


def read_fill_policy(fields: Fields, default: Default, available: Collection[str]) -> FillPolicy | None:
    """None where the policy or one of its parameters was refused."""
    name, given = _read_choice(fields, "fill_policy", FILL_POLICIES, available, default)
    errors = len(fields.errors)
    if name is None:
        return None
    policy = fill_policy_fields.read_parameters(fields, "fill_policy", name, given)
    return policy if len(fields.errors) == errors else None


def written_algorithm(algorithm: Algorithm | None) -> Mapping[str, object]:
    return {} if algorithm is None else algorithm_to_json(algorithm)


def written_fill_policy(policy: FillPolicy | None) -> Mapping[str, object]:
    return {} if policy is None else fill_policy_to_json(policy)


def read_notify(fields: Fields) -> Notify | None:
    given = fields.object_or_none("notify", '{"queue": "desk", "task": "desk.order_changed"}')
    if given is None:
        return None
    _refuse_unknown(fields, "notify", given, ("queue", "task"))
    return Notify(queue=_read_route(fields, given, "queue"), task=_read_route(fields, given, "task"))


def read_tags(fields: Fields) -> Mapping[str, str]:
    given = fields.object_or_none("tags", '{"strategy": "momentum"}')
    if given is None:
        return {}
    if len(given) > MAX_TAGS:
        fields.refuse("tags", f"must be at most {MAX_TAGS} pairs", f"{len(given)} pairs")
        return {}
    tags = {}
    for name, value in given.items():
        path = f"tags.{shown(name)}"
        if not _short(name) or not name:
            fields.refuse(path, f"must have a name of 1 to {MAX_TAG_LENGTH} printable characters", name)
        elif not isinstance(value, str) or not _short(value):
            fields.refuse(path, f"must be a string of at most {MAX_TAG_LENGTH} printable characters", _shown(value))
        else:
            tags[name] = value
    return tags


def _read_choice(
    fields: Fields, name: str, known: Collection[str], available: Collection[str], default: Default
) -> tuple[str | None, Mapping[str, object]]:
    """The name in ``{"name": …}``, None where it was refused, and the object itself.

    What this version does not bring yet is told from what does not exist.
    """
    given = fields.object_or_none(name, f'{{"name": "{next(iter(known))}"}}')
    if fields.broken(name):
        return None, {}
    if given is None:
        given = {"name": default} if isinstance(default, str) else default
    chosen = given.get("name")
    path = f"{name}.name"
    if chosen is None:
        fields.refuse(path, "is required", None)
    elif not isinstance(chosen, str) or chosen not in known:
        instead = nearest(chosen, known) if isinstance(chosen, str) else None
        fields.refuse(path, f"must be {alternatives(known)}", _shown(chosen), instead=instead)
    elif chosen not in available:
        fields.refuse(path, "is not available yet", chosen, instead=alternatives(sorted(available)))
    else:
        return chosen, given
    return None, {}


def _read_route(fields: Fields, given: Mapping[str, object], name: str) -> str:
    value = given.get(name)
    path = f"notify.{name}"
    if value is None:
        fields.refuse(path, "is required", None)
    elif not isinstance(value, str) or not _ROUTE.fullmatch(value):
        fields.refuse(path, "must be 1 to 128 of A-Z a-z 0-9 . _ : -", _shown(value))
    else:
        return value
    return ""


def _refuse_unknown(fields: Fields, path: str, given: Mapping[str, object], known: Collection[str]) -> None:
    for name in [name for name in given if name not in known][:MAX_TAGS]:
        fields.refuse(f"{path}.{shown(name)}", "is unknown", _shown(given[name]), instead=nearest(str(name), known))


def _short(text: object) -> bool:
    # Printable leaves out NUL, which PostgreSQL does not store, and lone surrogates, which no encoding takes.
    return isinstance(text, str) and len(text) <= MAX_TAG_LENGTH and text.isprintable()


def _shown(value: object) -> object:
    """A null that was sent is shown as such; None means that there is nothing to show."""
    return "null" if value is None else value
