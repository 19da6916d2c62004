"""A problem document (RFC 9457) as sentences."""

from collections.abc import Mapping
from typing import Any

from models.errors import FieldError


def sentences(problem: Mapping[str, Any], status: int) -> str:
    """The problem's own sentence, then one line per field: rule, value and the nearest value that would do."""
    code = str(problem.get("code") or f"HTTP_{status}")
    text = str(problem.get("detail") or problem.get("title") or f"The API answered with status {status}")
    lines = [_field(error) for error in problem.get("errors") or () if isinstance(error, Mapping)]
    if lines and all(line in text for line in lines):
        lines = []
    return "\n".join([f"{code}: {text}", *(f"  {line}" for line in lines)])


def _field(error: Mapping[str, Any]) -> str:
    texts = {name: None if error.get(name) is None else str(error[name]) for name in ("value", "nearest")}
    return FieldError(
        field=str(error.get("field") or ""), rule=str(error.get("rule") or "can't be taken"), **texts
    ).sentence()
