"""Who may call: whoever holds a key; where none is configured, programs on this machine and no web page."""

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable, Sequence
from typing import Protocol

from starlette.types import Scope

from models.errors import FieldError, Refusal, shown

#: what keys protect; health, metrics and the API's description are for whoever can reach the port
PROTECTED = "/v1"


class Unauthorized(Refusal):
    status = 401
    code = "UNAUTHORIZED"
    headers = {"www-authenticate": 'Bearer realm="steadfill"'}  # noqa: RUF012 - never changed

    def __init__(self) -> None:
        super().__init__("This call needs the header `Authorization: Bearer KEY` with one of the configured API keys.")


class Forbidden(Refusal):
    status = 403


class Gate(Protocol):
    def check(self, scope: Scope) -> None:
        """Raise a Refusal unless the request may come in."""
        ...


class KeyGate:
    """Bearer keys. Kept as digests and compared in constant time; a key is in no message."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests: Sequence[bytes] = [_digest(key.encode()) for key in keys]

    def check(self, scope: Scope) -> None:
        path: str = scope["path"]
        if not path.startswith(PROTECTED):
            return
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) != 1:
            raise Unauthorized
        scheme, _, key = given[0].partition(b" ")
        digest = _digest(key.strip())
        # Every digest is compared, so that the time tells nothing of which one matched.
        matches = [hmac.compare_digest(digest, known) for known in self._digests]
        if scheme.lower() != b"bearer" or not any(matches):
            raise Unauthorized


class LoopbackGate:
    """Without keys: this machine's programs only. A browser's page shows itself by ``Origin``, or, where a name was
    made to point here, by a foreign ``Host``."""

    def check(self, scope: Scope) -> None:
        hosts = []
        for name, value in scope["headers"]:
            if name == b"host":
                hosts.append(value.decode("latin-1"))
            elif name == b"origin":
                raise _forbidden("FOREIGN_ORIGIN", "origin", "must be absent: web pages may not call", value)
        if len(hosts) != 1 or not _is_loopback(hosts[0]):
            rule = "must be localhost or a loopback address"
            raise _forbidden("FOREIGN_HOST", "host", rule, b", ".join(host.encode("latin-1") for host in hosts))


def make_gate(keys: Sequence[str], host: str) -> Gate:
    """The gate for a configuration. Raises ValueError for one that would let anybody in."""
    if keys:
        return KeyGate(keys)
    if not _is_loopback(f"[{host}]" if ":" in host else host):
        raise ValueError(
            f"the API would listen on {shown(host)} without keys: set STEADFILL_API_KEYS, or STEADFILL_API_HOST=127.0.0.1"
        )
    return LoopbackGate()


def _forbidden(code: str, field: str, rule: str, value: bytes) -> Forbidden:
    error = FieldError(field=field, rule=rule, value=shown(value.decode("latin-1")))
    advice = (
        "Without configured API keys only programs on this machine may call; STEADFILL_API_KEYS opens it for others."
    )
    return Forbidden(f"The header {error.sentence()}. {advice}", (error,), code=code)


def _is_loopback(host: str) -> bool:
    """``127.0.0.1:8080``, ``[::1]:8080``, ``localhost``."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
