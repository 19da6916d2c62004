"""What of a message is kept when it becomes a dead letter: redacted, bounded, and honest about what is missing."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from models.errors import Refusal
from storage.dead_letters import Kept
from tasks.exact_messages import exact
from telemetry.redact import REDACTED, is_secret_name, redact, redact_value

#: characters of a body that are kept
LONGEST_BODY = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBody:
    body: Any
    kept: Kept


def kept_body(message: Any) -> KeptBody:
    """A message's keywords as they came, with exact decimals as strings; a long one is cut, secrets are struck out."""
    text = json.dumps(exact(message), default=str, ensure_ascii=False).encode("utf-8", "replace").decode()
    if len(text) > LONGEST_BODY:
        return KeptBody(body={"cut": redact(text[:LONGEST_BODY])}, kept=Kept.CUT)
    body = _storable(json.loads(text, parse_constant=str))
    clean = redact_value(body)
    return KeptBody(body=clean, kept=Kept.WHOLE if clean == body else Kept.REDACTED)


def unreadable_body(raw: object, headers: object, content_type: object) -> KeptBody:
    """The beginning of what can't be read, as text."""
    text = bytes(raw).decode("utf-8", "replace") if isinstance(raw, (bytes, bytearray, memoryview)) else str(raw)
    shown = {
        "content_type": str(content_type)[:200],
        "headers": _headers(headers),
        "body": _storable(redact(text[:LONGEST_BODY])),
    }
    return KeptBody(body=shown, kept=Kept.UNREADABLE)


def _headers(headers: object) -> Any:
    """The names that say what it was to be; nothing else of them."""
    if not isinstance(headers, Mapping):
        return None
    known = ("id", "task", "lang", "origin", "root_id", "parent_id")
    return {name: _storable(redact(str(headers[name])[:200])) for name in known if name in headers}


def clean_refusal(refusal: Refusal) -> Refusal:
    """The same no without the values of fields that are named as secrets are: an error repeats what was sent."""
    message, errors = refusal.message, []
    for error in refusal.errors:
        value = error.value
        if value and is_secret_name(error.field.rsplit(".", 1)[-1]):
            message = message.replace(value, REDACTED)
            errors.append(replace(error, value=REDACTED))
        else:
            errors.append(error if value is None else replace(error, value=redact(value)))
    return Refusal(redact(message), errors, code=refusal.code)


def digest_of(raw: object, *more: object) -> str:
    """A name for a message that brings none of its own, so that one that is read twice is one letter."""
    content = raw if isinstance(raw, (bytes, bytearray)) else str(raw).encode("utf-8", "replace")
    digest = hashlib.sha256(bytes(content))
    for part in more:
        digest.update(b"\x00" + str(part).encode("utf-8", "replace"))
    return f"sha256:{digest.hexdigest()}"


def _storable(value: Any) -> Any:
    """Without the one character that PostgreSQL's text does not hold."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_storable(item) for item in value]
    return value
