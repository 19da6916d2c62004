"""Keys from where the configuration says they are: ``env:NAME``, ``file:PATH`` or as written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exchanges.ccxt_import import TOKEN_ONLY as TOKEN_EXCHANGES
from models.errors import shown
from settings.errors import ConfigurationError
from settings.keys import DRY_RUN_KEYS, KEY_PARTS, PAPER_KEYS
from settings.origin import Origin
from settings.paper import PAPER_PORT

#: what pydantic reads as true
_TRUE = ("true", "1", "yes", "on", "t", "y")


def resolve_secrets(data: dict[str, Any], where: Origin, environ: Mapping[str, str], *, venue_secrets: bool) -> None:
    """Read ``env:`` and ``file:`` in place, and make a venue's own keys its account ``main``."""
    keys = data.get("api_keys", ())
    keys = [part.strip() for part in keys.split(",") if part.strip()] if isinstance(keys, str) else keys
    if isinstance(keys, (list, tuple)):
        data["api_keys"] = tuple(_secret(key, where, environ, "api_keys") for key in keys)
    venues = data.get("venues")
    if not isinstance(venues, dict):
        return
    for name, venue in list(venues.items()):
        if not isinstance(venue, Mapping):
            continue
        if set(venue) == {"paper"} and str(venue["paper"]).lower() in ("false", "0"):
            del venues[name]  # how a deployment says that it wants no built-in venue
            continue
        venues[name] = _venue(dict(venue), ("venues", name), where, environ, venue_secrets=venue_secrets)


def _venue(
    venue: dict[str, Any], at: tuple[str, ...], where: Origin, environ: Mapping[str, str], *, venue_secrets: bool
) -> dict[str, Any]:
    if isinstance(venue.get("replay"), str):
        venue["replay"] = where.folder / Path(venue["replay"]).expanduser()
    own: dict[str, Any] = {key: venue.pop(key) for key in (*KEY_PARTS, "keys") if key in venue}
    accounts = dict(venue.get("accounts") or {}) if isinstance(venue.get("accounts", {}), Mapping) else {}
    if own and "main" in accounts:
        raise ConfigurationError(
            f"{where(*at)} has keys of its own, which are account main, and accounts.main as well. Keep one."
        )
    if str(venue.get("paper")).lower() in ("true", "1"):
        venue.setdefault("ccxt_id", "binance")
        venue.setdefault("base_url", f"http://127.0.0.1:{venue.get('port', PAPER_PORT)}")
        own = own or ({} if accounts else dict(PAPER_KEYS))
    if str(venue.get("dry_run")).lower() in _TRUE:
        own = own or ({} if accounts else dict(DRY_RUN_KEYS))
    if own:
        accounts["main"] = own
    for name, account in accounts.items():
        if isinstance(account, Mapping):
            prefix = at if account is own else (*at, "accounts", name)
            accounts[name] = _account(account, where, environ if venue_secrets else None, prefix)
            if venue.get("ccxt_id") in TOKEN_EXCHANGES:
                accounts[name] = _with_token_as_secret(accounts[name])
    if venue_secrets or not isinstance(venue.get("accounts", {}), Mapping):
        return {**venue, "accounts": accounts or venue.get("accounts", {})}
    return {**venue, "accounts": {}}


def _account(
    account: Mapping[str, Any], where: Origin, environ: Mapping[str, str] | None, at: tuple[str, ...]
) -> dict[str, Any]:
    """Its secrets read, unless there is no ``environ``; of ``keys`` alone the first is the account's own."""
    read = {
        key: _secret(value, where, environ, *at, key) if key in KEY_PARTS and environ is not None else value
        for key, value in account.items()
    }
    if isinstance(pairs := read.get("keys"), list):
        pairs = [
            _account(pair, where, environ, (*at, "keys", str(number))) if isinstance(pair, Mapping) else pair
            for number, pair in enumerate(pairs)
        ]
        read["keys"] = pairs
        first = pairs[0] if pairs and not any(part in read for part in KEY_PARTS) else None
        if isinstance(first, dict) and "keys" not in first:
            read |= {**first, "keys": pairs[1:]}
    return read


def _with_token_as_secret(account: dict[str, Any]) -> dict[str, Any]:
    """For a venue whose access is one token."""
    if isinstance(account.get("keys"), list):
        account = {
            **account,
            "keys": [_with_token_as_secret(pair) if isinstance(pair, dict) else pair for pair in account["keys"]],
        }
    return {"secret": account["api_key"], **account} if "api_key" in account else account


def _secret(value: object, where: Origin, environ: Mapping[str, str], *keys: str) -> object:
    if not isinstance(value, str):
        return value
    if value.startswith("env:"):
        name = value[4:].strip()
        if not environ.get(name):
            raise ConfigurationError(
                f"{where(*keys)} names the environment variable {shown(name)}, which is not set. "
                "Set it for this process, or name another source (env:NAME, file:PATH)."
            )
        return environ[name]
    if value.startswith("file:"):
        path = where.folder / Path(value[5:].strip()).expanduser()
        try:
            return path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise ConfigurationError(
                f"{where(*keys)} names the file {path}, which can't be read: {reason}. Put the secret there, readable for this user."
            ) from None
    return value
