"""The doctor asks each venue what a key may do, and neither it nor anything else ever repeats a key."""

from __future__ import annotations

import logging
import string
import traceback
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.config import Secret, VenueConfig
from exchanges.evidence import VenueError
from models.clock import parse_time
from models.vocabulary import Mode
from ops.doctor import Finding, venues
from ops.doctor.keys import findings, looked_at
from ops.modes import mode_conflicts
from ops.supervisor import StartError
from ops.up import assert_modes
from settings import ConfigurationError, Settings, load_settings
from storage import schema
from storage.engine import make_engine, write
from storage.venue_modes import bind_mode
from tasks.runtime import venue_config
from tests.contract.dialects import DIALECTS, dialect
from tests.contract.dialects.dialect import KEY, PASSWORD, SECRET, Dialect
from tests.contract.dialects.server import Operation, Reply, Request, Route

D = Decimal
#: how each venue is asked, and an answer with a right too many
ASKED: dict[str, tuple[str, str, Any]] = {
    "binance": (
        "GET",
        "/sapi/v1/account/apiRestrictions",
        {"enableSpotAndMarginTrading": True, "enableWithdrawals": True},
    ),
    "bybit": (
        "GET",
        "/v5/user/query-api",
        {
            "retCode": 0,
            "result": {
                "uta": 1,
                "unified": 0,
                "readOnly": 0,
                "permissions": {"Spot": ["SpotTrade"], "Wallet": ["Withdraw"]},
            },
        },
    ),
    "okx": ("GET", "/api/v5/account/config", {"code": "0", "data": [{"perm": "read_only,withdraw,trade"}]}),
    "kraken": (
        "POST",
        "/0/private/GetApiKeyInfo",
        {"error": [], "result": {"permissions": ["modify-trades", "withdraw-funds"]}},
    ),
    "coinbase": (
        "GET",
        "/api/v3/brokerage/key_permissions",
        {"can_view": True, "can_trade": True, "can_transfer": True},
    ),
    "kucoin": (
        "GET",
        "/api/v1/user/api-key",
        {"code": "200000", "data": {"permission": "General,Spot,Withdraw"}},
    ),
    "gate": (
        "GET",
        "/api/v4/account/main_keys",
        {"perms": [{"name": "spot", "read_only": False}, {"name": "withdraw", "read_only": False}]},
    ),
    "bitget": (
        "GET",
        "/api/v2/spot/account/info",
        {"code": "00000", "data": {"authorities": ["stow", "wwow"]}},
    ),
}


def with_route(name: str) -> Dialect:
    """The venue's dialect, which tells what a key may do besides."""
    method, path, body = ASKED[name]
    base = dialect(name)

    class Tells(base):  # type: ignore[valid-type,misc]
        def routes(self) -> Sequence[Route]:
            route = Route(method=method, path=path, operation=Operation.OTHER, answer=lambda _: Reply(body=body))
            return (route, *super().routes())

    return Tells()


def echoing(name: str) -> Dialect:
    """A venue whose refusals repeat everything that a request held."""

    class Echoes(dialect(name)):  # type: ignore[misc]
        def unsigned(self, request: Request) -> Reply:
            text = f"{request.path}?{request.query_text} {dict(request.headers)} {request.body}"
            return Reply(status=401, body={"code": -1, "msg": text, "message": text, "error": [text], "label": "NO"})

    return Echoes()


@pytest.fixture
def opened() -> Iterator[list[Any]]:
    """What is closed at the end."""
    made: list[Any] = []
    yield made
    for one in reversed(made):
        one.close()


def said(found: Sequence[Finding]) -> list[tuple[str, str]]:
    return [(finding.state, finding.message) for finding in found]


@pytest.mark.parametrize("name", list(ASKED))
def test_a_key_that_may_withdraw_is_warned_of(name: str, opened: list[Any]) -> None:
    venue = with_route(name)
    opened.append(venue)

    found = list(looked_at(venue.config(name=name), rights=True))

    venue.server.calm()  # raises what the dialect could not answer
    assert [state for state, _ in said(found)] == ["ok", "warn"]
    assert "may withdraw" in found[1].message
    assert KEY not in f"{found}"


def test_each_key_of_an_account_is_looked_at_by_itself(opened: list[Any]) -> None:
    venue = with_route("binance")
    opened.append(venue)
    config = venue.config()
    other = VenueConfig(name="x", ccxt_id="binance", api_key=Secret("another"), secret=Secret("another")).keys()

    found = list(looked_at(venue.config(further_keys=other), rights=True))

    place = f"{config.name}/main"
    assert [(finding.state, finding.message.split(":")[0]) for finding in found] == [
        ("ok", f"{place} takes key 1 of 2"),
        ("warn", f"{place}, key 1 of 2"),
        ("fail", f"{place} refuses key 2 of 2"),
    ]
    assert "another" not in found[2].message


class TwoAccounts(dialect("binance")):  # type: ignore[misc]
    """A second key is taken too. Its account, by ``apart``, is the first one's or another."""

    apart = D("0")

    def unsigned(self, request: Request) -> Reply | None:
        self._second = request.headers.get("x-mbx-apikey") == "another"
        return None if self._second else super().unsigned(request)

    def _account(self, request: Request) -> Reply:
        self.book.total["USDT"] += self.apart if self._second else D(0)
        try:
            return super()._account(request)
        finally:
            self.book.total["USDT"] -= self.apart if self._second else D(0)


@pytest.mark.parametrize("apart", [D(0), D(1)])
def test_keys_that_show_other_balances_are_taken_for_those_of_another_account(
    apart: Decimal, opened: list[Any]
) -> None:
    venue = TwoAccounts()
    venue.apart = apart
    opened.append(venue)
    other = VenueConfig(name="x", ccxt_id="binance", api_key=Secret("another"), secret=Secret("another")).keys()

    found = list(looked_at(venue.config(further_keys=other), rights=False))

    assert [finding.state for finding in found] == (["ok", "ok", "warn"] if apart else ["ok", "ok"])
    if apart:
        assert "seems to be of another account" in found[2].message


def test_the_doctor_asks_each_key_also_where_no_rights_are_told(tmp_path: Path, opened: list[Any]) -> None:
    venue = dialect("binance")()
    opened.append(venue)
    pairs = [{"api_key": "second", "secret": "second"}]
    settings = settings_of(tmp_path, venue, accounts={"main": {"api_key": KEY, "secret": SECRET, "keys": pairs}})

    found = [finding for finding in venues.venues(settings) if "key" in finding.message]

    assert ("fail", "b/main refuses key 2 of 2") in [(one.state, one.message.split(":")[0]) for one in found]
    assert "second" not in f"{found}"


def test_where_nothing_is_told_the_doctor_says_so() -> None:
    (found,) = findings("nobitex/main", None)

    assert (found.state, "does not tell" in found.message) == ("ok", True)


@pytest.mark.parametrize("name", [name for name in DIALECTS if name != "paper"])
def test_no_failure_repeats_a_key_that_the_venue_sent_back(
    name: str, opened: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    venue = echoing(name)
    opened.append(venue)
    config = venue.config(name=name)
    gateway = CcxtGateway(config)
    opened.append(gateway)
    shown = [repr(config), str(config), repr(gateway), *(f"{finding}" for finding in looked_at(config, rights=True))]
    for call in (gateway.balances, gateway.key_rights, lambda: gateway.fetch_order("BTC/USDT", "1")):
        try:
            call()
        except VenueError as error:
            shown += [repr(error), error.message, error.code, "".join(traceback.format_exception(error))]

    text = " ".join([*shown, caplog.text])

    secrets = set(config.secrets())
    assert {KEY, SECRET, PASSWORD} & secrets
    assert not [secret for secret in secrets if secret in text]


#: with ends of their own: a key that is a word of the configuration can't be told from it
words = st.text(alphabet=string.ascii_letters + string.digits + "-_+/=", min_size=6, max_size=60).map(
    lambda word: f"Zq9{word}9qZ"
)


@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=words,
    secret=words,
    password=words,
    wrong=st.sampled_from(["", "timeout_ms = 'x'", "nothing = 1", "dry_run = 7"]),
)
def test_whatever_the_keys_are_the_configuration_never_shows_them(
    tmp_path: Path, key: str, secret: str, password: str, wrong: str
) -> None:
    path = tmp_path / "steadfill.toml"
    kept = tmp_path / "kept"
    kept.write_text(secret)
    path.write_text(
        f'[venues.b]\nccxt_id = "binance"\n{wrong}\napi_key = "env:THE_KEY"\nsecret = "file:{kept}"\npassword = "{password}"\n'
    )
    try:
        settings = load_settings({"STEADFILL_CONFIG": str(path), "HOME": str(tmp_path), "THE_KEY": key})
    except ConfigurationError as error:
        text = "".join(traceback.format_exception(error))
        assert wrong
    else:
        config = venue_config("b", "main", settings.venues["b"])
        assert (config.api_key.reveal(), config.secret.reveal()) == (key, secret)
        text = f"{settings!r} {settings} {settings.venues} {config!r} {config} {config.keys()} {settings.model_dump()}"

    assert not [part for part in (key, secret, password) if part in text]


def settings_of(tmp_path: Path, venue: Dialect, **changes: Any) -> Settings:
    values = {
        "ccxt_id": venue.ccxt_id,
        "base_url": venue.server.url,
        "accounts": {"main": {"api_key": KEY, "secret": SECRET}},
    }
    data: dict[str, Any] = {"home": tmp_path, "broker_url": "memory://", "venues": {"b": {**values, **changes}}}
    return Settings(**data)


def test_a_dry_run_is_said_to_be_one_and_its_keys_are_not_used(tmp_path: Path, opened: list[Any]) -> None:
    venue = dialect("binance")()
    opened.append(venue)

    found = list(venues.venues(settings_of(tmp_path, venue, dry_run=True)))

    assert any("is a dry run" in finding.message for finding in found)
    assert not [request for request in venue.server.asked() if "x-mbx-apikey" in request.headers]
    assert not any(finding.check == "keys" for finding in found)


def test_a_live_venue_is_looked_at_whole(tmp_path: Path, opened: list[Any]) -> None:
    venue = with_route("binance")
    opened.append(venue)

    found = list(venues.venues(settings_of(tmp_path, venue)))

    assert any("takes our keys" in finding.message for finding in found)
    assert any("may withdraw" in finding.message for finding in found)


def test_an_account_that_changed_its_mode_fails_the_doctor_and_the_start(tmp_path: Path, opened: list[Any]) -> None:
    venue = dialect("binance")()
    opened.append(venue)
    live = settings_of(tmp_path, venue)
    assert list(venues.modes(live)) == []
    engine = make_engine(live.database_url)
    schema.upgrade(engine)
    with write(engine) as conn:
        bind_mode(conn, "b", "main", Mode.LIVE, parse_time("2030-01-31T12:00:00Z"))
    dry = settings_of(tmp_path, venue, dry_run=True)

    assert (mode_conflicts(live, engine), list(venues.modes(live))) == ([], [])
    assert_modes(live)
    (finding,) = venues.modes(dry)
    assert finding.state == "fail"
    assert "[venues.b-dry-run]" in finding.message
    with pytest.raises(StartError, match="mode live and is configured for dry_run"):
        assert_modes(dry)
    engine.dispose()
