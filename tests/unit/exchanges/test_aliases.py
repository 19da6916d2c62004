"""Classes that are another one under a second name: the same speech, and only the promises that the venue itself makes."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from exchanges.aliases import ALIASES, PROMISES, speaks_as
from exchanges.capabilities import CAPABILITIES, CAREFUL, Capabilities, capabilities
from exchanges.ccxt_import import exchange_class
from exchanges.client_ids import shape
from exchanges.key_rights import tells_rights
from exchanges.market_shown import market_shown
from exchanges.venue_codes import venue_codes

OWN_WORDS = sorted(set(ALIASES) - {ccxt_id for ccxt_id, alias in ALIASES.items() if alias.one_service})
#: of ccxt, which need not be run to be read
FOLDER = Path(str(find_spec("ccxt.binance").origin)).parent  # type: ignore[union-attr]


def methods(ccxt_id: str) -> list[str]:
    module = inspect.getmodule(exchange_class(ccxt_id))
    assert module is not None
    classes = [node for node in ast.parse(inspect.getsource(module)).body if isinstance(node, ast.ClassDef)]
    return [node.name for made in classes for node in made.body if isinstance(node, ast.FunctionDef)]


def test_every_class_that_descends_from_one_of_the_table_is_an_alias_or_has_no_spot() -> None:
    below = {
        name: parent
        for file in FOLDER.glob("[a-z0-9]*.py")
        for name, parent in re.findall(r"^class (\w+)\((\w+)[,)]", file.read_text(encoding="utf-8"), re.MULTILINE)
        if parent in CAPABILITIES
    }
    of_spot = {name: parent for name, parent in below.items() if exchange_class(name)({}).has.get("spot")}

    assert of_spot == {ccxt_id: alias.of for ccxt_id, alias in ALIASES.items()}
    assert set(below) - set(of_spot) == {"binancecoinm", "binanceusdm", "kucoinfutures"}


@pytest.mark.parametrize("ccxt_id", sorted(ALIASES))
def test_an_alias_has_no_code_of_its_own(ccxt_id: str) -> None:
    assert methods(ccxt_id) == ["describe"]
    assert issubclass(exchange_class(ccxt_id), exchange_class(ALIASES[ccxt_id].of))


@pytest.mark.parametrize("ccxt_id", OWN_WORDS)
def test_of_another_service_the_speech_is_the_parents_and_every_promise_is_the_careful_one(ccxt_id: str) -> None:
    can, parent = capabilities(ccxt_id), CAPABILITIES[ALIASES[ccxt_id].of]

    for field in fields(Capabilities):
        expected: Any = CAREFUL if field.name in PROMISES else parent
        assert getattr(can, field.name) == getattr(expected, field.name), field.name
    assert not can.enforces_deadline, "absence is never proven, so nothing is sent again"


@pytest.mark.parametrize("ccxt_id", sorted(set(ALIASES) - set(OWN_WORDS)))
def test_an_address_that_the_parents_documentation_names_has_all_of_it(ccxt_id: str) -> None:
    assert capabilities(ccxt_id) is CAPABILITIES[ALIASES[ccxt_id].of]
    assert tells_rights(ccxt_id)


@pytest.mark.parametrize("ccxt_id", sorted(ALIASES))
def test_ids_codes_and_pages_are_read_as_the_parents(ccxt_id: str) -> None:
    of = ALIASES[ccxt_id].of

    assert speaks_as(ccxt_id) == of
    assert shape(ccxt_id, "abc000000000000001") == shape(of, "abc000000000000001")
    assert venue_codes(ccxt_id) is venue_codes(of)
    assert market_shown(ccxt_id) is market_shown(of)


def test_promises_are_fields_and_what_is_no_alias_speaks_as_itself() -> None:
    assert {field.name for field in fields(Capabilities)} >= PROMISES
    assert [speaks_as(name) for name in ("binance", "mexc", "bequant")] == ["binance", "mexc", "bequant"]
