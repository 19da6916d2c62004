"""Secrets are struck out of every text that leaves: those that were remembered by value, others by their shape."""

import base64
import re
import threading
from collections.abc import Iterable, Mapping
from urllib.parse import quote

REDACTED = "[redacted]"

#: a shorter secret would strike out ordinary words; configured keys are longer
MIN_SECRET_LENGTH = 6

#: levels of containers that are looked into; what lies deeper is struck out whole
MAX_DEPTH = 12

#: names whose value is a secret, whatever it looks like; compared without case, dashes and underscores
SECRET_NAMES = frozenset(
    {
        "accesskey",
        "accesstoken",
        "apikey",
        "apikeys",
        "apisecret",
        "apitoken",
        "authorization",
        "brokerurl",
        "clientsecret",
        "cookie",
        "credentials",
        "databaseurl",
        "dsn",
        "listenkey",
        "mnemonic",
        "passphrase",
        "passwd",
        "password",
        "privatekey",
        "proxyauthorization",
        "pwd",
        "redisurl",
        "refreshtoken",
        "secret",
        "secretkey",
        "seedphrase",
        "sentrydsn",
        "setcookie",
        "sign",
        "signature",
        "token",
        "xapikey",
        "xmbxapikey",
    }
)

_NAME = (
    r"(?:x[-_]?mbx[-_]?apikey|x[-_]?api[-_]?key|[a-z_]*api[-_]?keys?|[a-z_-]*secret(?:[-_]?key)?|[a-z_]*password|passwd|pwd"
    r"|passphrase|private[-_]?key|access[-_]?key|listen[-_]?key|[a-z_]*token|signature|sign|credentials"
    r"|(?:proxy-)?authorization|(?:set-)?cookie)"
)

_SHAPES = (
    # Bearer abc, Basic abc
    (re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{4,}", re.IGNORECASE), rf"\1 {REDACTED}"),
    # name=value, name: value, "name": "value", 'name': b'value', (b'name', b'value')
    (
        re.compile(
            rf"""(?<![A-Za-z0-9])({_NAME}(?:\\?["']?\s*(?:=>|[=:])|\\?["'],)\s*\(?)(?!\s)"""
            r"""(?:b?\\?"[^"\\]*\\?"|b?\\?'[^'\\]*\\?'|SecretStr\([^)]*\)|(?:bearer|basic)\s+\S+|[^\s"'&,;)}\]]+)""",
            re.IGNORECASE,
        ),
        rf"\1{REDACTED}",
    ),
    # scheme://user:password@host, scheme://:password@host, and a DSN's https://key@host
    (re.compile(r"\b([a-z][a-z0-9+.-]*://)[^\s/@\"']+@", re.IGNORECASE), rf"\1{REDACTED}@"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), REDACTED),
)


class _Remembered:
    """Secrets known by value; the pattern is made anew when one is added, since that is rare."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spellings: set[str] = set()
        self.pattern: re.Pattern[str] | None = None

    def add(self, secrets: Iterable[str]) -> None:
        with self._lock:
            new = {spelling for secret in secrets for spelling in _spellings(secret)} - self._spellings
            if not new:
                return
            self._spellings |= new
            longest_first = sorted(self._spellings, key=len, reverse=True)
            self.pattern = re.compile("|".join(re.escape(spelling) for spelling in longest_first))


_remembered = _Remembered()


def remember(*secrets: str | None) -> None:
    """From now on these values are struck out of every text, in their encodings too. Too short ones are passed over."""
    _remembered.add(secret for secret in secrets if secret and len(secret) >= MIN_SECRET_LENGTH)


def redact(text: str) -> str:
    """The text without secrets."""
    if _remembered.pattern is not None:
        text = _remembered.pattern.sub(REDACTED, text)
    for pattern, replacement in _SHAPES:
        text = pattern.sub(replacement, text)
    return text


def redact_value(value: object, depth: int = 0) -> object:
    """A copy without secrets: every string in it redacted, and the values of names that stand for a secret."""
    if isinstance(value, str):
        return redact(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if depth >= MAX_DEPTH:
        return REDACTED
    if isinstance(value, Mapping):
        return {
            redact(name) if isinstance(name, str) else name: _redact_named(name, item, depth)
            for name, item in value.items()
        }
    if isinstance(value, (list, tuple)) and len(value) == 2 and is_secret_name(_text(value[0])):
        return [value[0], _redact_named(_text(value[0]), value[1], depth)]  # headers, as some libraries hold them
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact_value(item, depth + 1) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return redact(bytes(value).decode("utf-8", "replace"))
    return redact(str(value))


def is_secret_name(name: object) -> bool:
    return isinstance(name, str) and re.sub(r"[-_]", "", name).casefold() in SECRET_NAMES


def _redact_named(name: object, value: object, depth: int) -> object:
    if is_secret_name(_text(name)) and value not in (None, "", False, True):
        return REDACTED
    return redact_value(value, depth + 1)


def _text(name: object) -> object:
    return name.decode("latin-1") if isinstance(name, bytes) else name


def _spellings(secret: str) -> set[str]:
    """A secret as it may stand in a text: plain, in a URL, in a Python or JSON literal, in base 64."""
    data = secret.encode("utf-8", "surrogatepass")
    return {
        secret,
        quote(secret, safe=""),
        repr(secret)[1:-1],
        base64.b64encode(data).decode().rstrip("="),
    }
