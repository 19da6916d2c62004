"""Query strings: named once, known, within their bounds; every error is listed as those of a request are."""

import re
from datetime import datetime

from starlette.requests import Request

from models.clock import parse_time
from models.request_fields import Fields

#: a ``+`` that nobody escaped arrives as a space: 2030-01-31T12:00:00 01:00
_LOST_PLUS = re.compile(r" (\d{2}:\d{2})$", re.ASCII)

#: names, symbols and cursors; what is longer matches nothing
MAX_LENGTH = 200

_PRINTABLE = re.compile(rf"[ -~]{{1,{MAX_LENGTH}}}", re.ASCII)


class Query:
    """The parameters of one request, read one by one; ``finish`` raises InvalidRequest with all that is wrong."""

    def __init__(self, request: Request, known: tuple[str, ...]) -> None:
        pairs = request.query_params.multi_items()
        self._fields = Fields(dict(pairs), known)
        names = [name for name, _ in pairs]
        for name in {name for name in names if names.count(name) > 1 and name in known}:
            self._fields.refuse(name, "must be given once")

    def text(self, name: str) -> str | None:
        if not self._fields.given(name):
            return None
        rule = f"must be 1 to {MAX_LENGTH} printable characters"
        return self._fields.text(name, _PRINTABLE, rule, default="") or None

    def one_of(self, name: str, words: tuple[str, ...]) -> str | None:
        value = self.text(name)
        if value is not None and value not in words:
            self._fields.refuse(name, f"must be one of {', '.join(words)}")
        return value

    def count(self, name: str, *, default: int, most: int, least: int = 1) -> int:
        value = self.text(name)
        if value is None:
            return default
        if not value.isdecimal() or len(value) > 9 or not least <= int(value) <= most:
            self._fields.refuse(name, f"must be a whole number from {least} to {most}")
            return default
        return int(value)

    def time(self, name: str) -> datetime | None:
        value = self.text(name)
        if value is None:
            return None
        try:
            return parse_time(_LOST_PLUS.sub(r"+\1", value))
        except ValueError as error:
            self._fields.refuse(name, str(error))
            return None

    def refuse(self, name: str, rule: str) -> None:
        self._fields.refuse(name, rule)

    def finish(self) -> None:
        self._fields.finish()
