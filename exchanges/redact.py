"""Texts of venues and libraries, made fit for a log: one short line without address, key or signature."""

import re
from collections.abc import Iterable

#: characters that are kept of a venue's own words
MAX_LENGTH = 300

_URL = re.compile(r"\b(?:https?|wss?)://\S+", re.IGNORECASE)
_PAIR = re.compile(
    r"""(?ix) \b ( [\w-]* (?: signature | sign | api[-_]?key | access[-_]key | secret | passphrase | password | token
                            | authorization | apikey ) [\w-]* ) ["']? \s* [:=] \s* ["']? [^\s"'&,}\]]+ """
)
#: what a signature or key looks like wherever it stands: long and without a space
_LONG = re.compile(r"[A-Za-z0-9+/_=-]{48,}")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """``text`` on one line of at most MAX_LENGTH characters, without ``secrets``, addresses or anything signed."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    text = _URL.sub("<address>", text)
    text = _PAIR.sub(r"\1=***", text)
    text = _LONG.sub("***", text)
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return text if len(text) <= MAX_LENGTH else text[:MAX_LENGTH] + "…"
