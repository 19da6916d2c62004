"""What a key may do, where its venue tells: asked with the key itself, read from the documented replies.

Sources: each venue's own page on the permissions of API keys, as of 2026. A word that is not documented proves nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from exchanges.aliases import ALIASES
from exchanges.ccxt_session import Exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRights:
    """None: the venue does not say."""

    #: create and cancel spot orders
    trade: bool | None
    #: take funds out of the account
    withdraw: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    #: of the ccxt class; it takes no arguments
    method: str
    read: Callable[[Any], KeyRights]


def tells_rights(ccxt_id: str) -> bool:
    return _asked_as(ccxt_id) in _SOURCES


def _asked_as(ccxt_id: str) -> str:
    """An alias of another service may have no such page of its own."""
    alias = ALIASES.get(ccxt_id)
    return alias.of if alias is not None and alias.one_service else ccxt_id


def read_rights(exchange: Exchange, ccxt_id: str) -> KeyRights:
    """Ask the venue. For classes that ``tells_rights`` knows."""
    source = _SOURCES[_asked_as(ccxt_id)]
    return source.read(getattr(exchange, source.method)())


def _binance(reply: Any) -> KeyRights:
    return KeyRights(trade=_flag(reply, "enableSpotAndMarginTrading"), withdraw=_flag(reply, "enableWithdrawals"))


def _bybit(reply: Any) -> KeyRights:
    key = _at(reply, "result")
    spot, wallet = _at(key, "permissions", "Spot"), _at(key, "permissions", "Wallet")
    if not isinstance(spot, list) or not isinstance(wallet, list):
        return NOTHING_SAID
    writes = str(_at(key, "readOnly")) == "0"
    return KeyRights(trade=writes and "SpotTrade" in spot, withdraw=writes and "Withdraw" in wallet)


def _okx(reply: Any) -> KeyRights:
    accounts = _at(reply, "data")
    words = _words(_at(accounts[0], "perm")) if isinstance(accounts, list) and accounts else set()
    return _by_words(words, trade={"trade"}, withdraw={"withdraw"}, known={"read_only", "trade", "withdraw"})


def _kraken(reply: Any) -> KeyRights:
    words = _listed(_at(reply, "result", "permissions"))
    return KeyRights(trade="modify-trades" in words, withdraw="withdraw-funds" in words) if words else NOTHING_SAID


def _coinbase(reply: Any) -> KeyRights:
    return KeyRights(trade=_flag(reply, "can_trade"), withdraw=_flag(reply, "can_transfer"))


def _kucoin(reply: Any) -> KeyRights:
    words = _words(_at(reply, "data", "permission"))
    # "Transfer" of older keys takes withdrawals in.
    return _by_words(words, trade={"spot", "trade"}, withdraw={"withdraw", "withdrawal", "transfer"}, known={"general"})


def _gate(reply: Any) -> KeyRights:
    key = reply[0] if isinstance(reply, list) and len(reply) == 1 else reply
    listed = _at(key, "perms")
    if not isinstance(listed, list):
        return NOTHING_SAID
    writes = {_at(entry, "name") for entry in listed if _at(entry, "read_only") is False}
    return KeyRights(trade="spot" in writes, withdraw=bool(writes & {"withdraw", "withdrawal"}))


def _bitget(reply: Any) -> KeyRights:
    words = _listed(_at(reply, "data", "authorities"))
    return _by_words(words, trade={"stow", "trade"}, withdraw={"wwow", "withdraw"}, known={"stor", "readonly"})


#: it answered, and nothing in it says what the key may do
NOTHING_SAID = KeyRights(trade=None, withdraw=None)

_SOURCES: Mapping[str, _Source] = {
    "binance": _Source(method="sapi_get_account_apirestrictions", read=_binance),
    "bybit": _Source(method="private_get_v5_user_query_api", read=_bybit),
    "okx": _Source(method="private_get_account_config", read=_okx),
    "kraken": _Source(method="private_post_getapikeyinfo", read=_kraken),
    "coinbase": _Source(method="v3_private_get_brokerage_key_permissions", read=_coinbase),
    "kucoin": _Source(method="private_get_user_api_key", read=_kucoin),
    "gate": _Source(method="private_account_get_main_keys", read=_gate),
    "bitget": _Source(method="private_spot_get_v2_spot_account_info", read=_bitget),
}


def _by_words(words: set[str], *, trade: set[str], withdraw: set[str], known: set[str]) -> KeyRights:
    """By the words that a reply lists; words of which none is known say nothing."""
    if not words & (trade | withdraw | known):
        return NOTHING_SAID
    return KeyRights(trade=bool(words & trade), withdraw=bool(words & withdraw))


def _at(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _flag(reply: Any, name: str) -> bool | None:
    value = _at(reply, name)
    return value if isinstance(value, bool) else None


def _words(text: Any) -> set[str]:
    return {word.strip().lower() for word in text.split(",")} if isinstance(text, str) else set()


def _listed(value: Any) -> set[str]:
    return {word for word in value if isinstance(word, str)} if isinstance(value, list) else set()
