"""What a key may do, read from the replies that the venues document, and nothing concluded from any other."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.ccxt_import import exchange_class
from exchanges.key_rights import _SOURCES, NOTHING_SAID, KeyRights, read_rights, tells_rights

FULL = KeyRights(trade=True, withdraw=True)
SAFE = KeyRights(trade=True, withdraw=False)
READS = KeyRights(trade=False, withdraw=False)


def bybit(read_only: int, spot: list[str], wallet: list[str]) -> dict[str, Any]:
    return {"retCode": 0, "result": {"readOnly": read_only, "permissions": {"Spot": spot, "Wallet": wallet}}}


def okx(perm: str) -> dict[str, Any]:
    return {"code": "0", "data": [{"perm": perm}]}


def kraken(*permissions: str) -> dict[str, Any]:
    return {"error": [], "result": {"permissions": list(permissions)}}


def kucoin(permission: str) -> dict[str, Any]:
    return {"code": "200000", "data": {"permission": permission}}


def gate(*perms: tuple[str, bool]) -> dict[str, Any]:
    return {"state": 1, "perms": [{"name": name, "read_only": read_only} for name, read_only in perms]}


def bitget(*authorities: str) -> dict[str, Any]:
    return {"code": "00000", "data": {"authorities": list(authorities)}}


TABLE: list[tuple[str, Any, KeyRights]] = [
    ("binance", {"enableSpotAndMarginTrading": True, "enableWithdrawals": True}, FULL),
    ("binance", {"enableSpotAndMarginTrading": True, "enableWithdrawals": False}, SAFE),
    ("binance", {"enableReading": True, "enableSpotAndMarginTrading": False, "enableWithdrawals": False}, READS),
    ("binance", {"code": 0}, NOTHING_SAID),
    ("bybit", bybit(0, ["SpotTrade"], ["AccountTransfer", "Withdraw"]), FULL),
    ("bybit", bybit(0, ["SpotTrade"], ["AccountTransfer"]), SAFE),
    ("bybit", bybit(1, ["SpotTrade"], ["Withdraw"]), READS),
    ("bybit", {"retCode": 0, "result": {}}, NOTHING_SAID),
    ("okx", okx("read_only,withdraw,trade"), FULL),
    ("okx", okx("read_only,trade"), SAFE),
    ("okx", okx("read_only"), READS),
    ("okx", okx(""), NOTHING_SAID),
    ("kraken", kraken("query-funds", "withdraw-funds", "query-open-trades", "modify-trades"), FULL),
    ("kraken", kraken("query-funds", "query-open-trades", "modify-trades"), SAFE),
    ("kraken", kraken("query-funds"), READS),
    ("kraken", {"error": [], "result": {}}, NOTHING_SAID),
    ("coinbase", {"can_view": True, "can_trade": True, "can_transfer": True}, FULL),
    ("coinbase", {"can_view": True, "can_trade": True, "can_transfer": False}, SAFE),
    ("coinbase", {"can_view": True, "can_trade": False, "can_transfer": False}, READS),
    ("kucoin", kucoin("General,Spot,Withdraw"), FULL),
    ("kucoin", kucoin("General, Trade, Transfer"), FULL),
    ("kucoin", kucoin("General,Spot,InnerTransfer"), SAFE),
    ("kucoin", kucoin("General"), READS),
    ("kucoin", kucoin("Something"), NOTHING_SAID),
    ("gate", gate(("spot", False), ("withdraw", False)), FULL),
    ("gate", [gate(("spot", False), ("wallet", True))], SAFE),
    ("gate", gate(("spot", True)), READS),
    ("gate", [gate(("spot", False)), gate(("withdraw", False))], NOTHING_SAID),
    ("bitget", bitget("stow", "wwow"), FULL),
    ("bitget", bitget("trade", "readonly"), SAFE),
    ("bitget", bitget("stor", "coor"), READS),
    ("bitget", bitget("news"), NOTHING_SAID),
]


@pytest.mark.parametrize(("ccxt_id", "reply", "rights"), TABLE)
def test_documented_replies_say_what_the_key_may_do(ccxt_id: str, reply: Any, rights: KeyRights) -> None:
    exchange = SimpleNamespace(**{_SOURCES[ccxt_id].method: lambda: reply})

    assert read_rights(exchange, ccxt_id) == rights


@pytest.mark.parametrize("ccxt_id", _SOURCES)
def test_the_class_has_the_method_that_asks(ccxt_id: str) -> None:
    assert hasattr(exchange_class(ccxt_id), _SOURCES[ccxt_id].method)


def test_a_venue_without_a_way_to_ask_does_not_tell() -> None:
    assert not tells_rights("nobitex")
    assert not tells_rights("mexc")


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["result", "data", "perms", "perm", "permissions", "x"]), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@given(st.sampled_from(sorted(_SOURCES)), junk)
def test_whatever_a_venue_answers_nobody_stumbles(ccxt_id: str, reply: Any) -> None:
    found = read_rights(SimpleNamespace(**{_SOURCES[ccxt_id].method: lambda: reply}), ccxt_id)

    assert isinstance(found, KeyRights)
