"""Configuration: environment over file over defaults, and errors that say where, what and what to do."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from settings import SOCKET_PATH_LIMIT, ConfigurationError, Settings, embedded_socket, load_settings

ROOT = Path(__file__).resolve().parents[2]

CANARY = "canary-do-not-show"


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Load a configuration from a file's text and variables, in a folder that holds nothing else."""
    monkeypatch.chdir(tmp_path)

    def load(text: str | None = None, **variables: str) -> Settings:
        environ = {"HOME": str(tmp_path), **{f"STEADFILL_{name}": value for name, value in variables.items()}}
        if text is not None:
            path = tmp_path / "given.toml"
            path.write_text(text)
            environ["STEADFILL_CONFIG"] = str(path)
        return load_settings(environ)

    return load


def test_defaults_run_on_one_machine(load, tmp_path):
    settings = load()

    assert settings.home == tmp_path / ".local/share/steadfill"
    assert settings.database_url == f"sqlite:///{settings.home}/steadfill.db"
    assert settings.embedded_database
    assert settings.embedded_broker
    assert (settings.api_host, settings.api_port, settings.api_keys) == ("127.0.0.1", 8080, ())
    assert settings.execution.market_hold_buffer == Decimal("0.02")
    assert settings.execution.lease_ms == 3000


def test_paper_venue_is_there_without_a_file(load):
    venue = load().venues["paper"]

    assert (venue.paper, venue.ccxt_id, venue.base_url) == (True, "binance", "http://127.0.0.1:9100")
    assert venue.accounts["main"].api_key.get_secret_value() == "paper-key"


def test_paper_venue_follows_its_port(load):
    assert load("[venues.paper]\nport = 9200\n").venues["paper"].base_url == "http://127.0.0.1:9200"


@pytest.mark.parametrize("how", ["file", "variable"])
def test_paper_venue_can_be_left_out(load, how):
    settings = load("[venues.paper]\npaper = false\n") if how == "file" else load(VENUES__PAPER__PAPER="false")

    assert settings.venues == {}


def test_committed_example_loads_and_changes_no_default(load, monkeypatch):
    monkeypatch.setenv("HOME", "/nowhere")

    assert load((ROOT / "steadfill.toml").read_text()) == load()


def test_every_commented_key_of_the_example_is_known(load):
    """Uncommented, the example is a configuration too."""
    lines = (ROOT / "steadfill.toml").read_text().splitlines()
    body = [
        line.removeprefix("# ") for line in lines if not line.startswith("#") or " = " in line or line.startswith("# [")
    ]
    body = [line for line in body if "=" in line.split("#")[0] or line.startswith("[")]
    text = "\n".join(body).replace("env:STEADFILL_KEY_1", "k" * 32).replace("env:", "").replace("file:", "")

    settings = load(text)

    assert settings.venues["binance"].accounts.keys() == {"main", "desk2"}
    assert settings.database_url.startswith("postgresql+psycopg://")


def test_environment_wins_over_file_and_file_over_default(load):
    text = "api_port = 8001\n[execution]\nmax_retries = 7\nlease_ms = 4000\n"

    settings = load(text, API_PORT="8002", EXECUTION__MAX_RETRIES="9")

    assert (settings.api_port, settings.execution.max_retries, settings.execution.lease_ms) == (8002, 9, 4000)


def test_file_in_the_current_folder_is_read_without_being_named(load, tmp_path):
    (tmp_path / "steadfill.toml").write_text("api_port = 8123\n")

    assert load().api_port == 8123


def test_null_device_stands_for_no_file(load, tmp_path):
    (tmp_path / "steadfill.toml").write_text("api_port = 8123\n")

    assert load(CONFIG="/dev/null").api_port == 8080


def test_empty_variable_counts_as_not_set(load):
    assert load(BROKER_URL="", API_KEYS="").embedded_broker


@pytest.mark.parametrize(
    ("written", "environ", "files", "expected"),
    [
        ("literal-key", {}, {}, "literal-key"),
        ("env:SOME_KEY", {"SOME_KEY": "from-env"}, {}, "from-env"),
        ("file:key.txt", {}, {"key.txt": "from-file\n"}, "from-file"),
    ],
)
def test_credentials_come_from_literal_environment_or_file(tmp_path, written, environ, files, expected):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    path = tmp_path / "given.toml"
    path.write_text(f'[venues.b]\nccxt_id = "binance"\napi_key = "{written}"\nsecret = "s"\n')

    settings = load_settings({"STEADFILL_CONFIG": str(path), **environ})

    assert settings.venues["b"].accounts["main"].api_key.get_secret_value() == expected


def test_a_venue_of_our_own_class_needs_only_its_token(load):
    text = """
    [venues.nobitex]
    ccxt_id = "nobitex"
    api_key = "t1"
    [venues.nobitex.accounts.desk2]
    api_key = "t2"
    """

    accounts = load(text).venues["nobitex"].accounts

    assert {name: held.api_key.get_secret_value() for name, held in accounts.items()} == {"main": "t1", "desk2": "t2"}


def test_further_accounts_stand_beside_main(load):
    text = """
    [venues.b]
    ccxt_id = "binance"
    api_key = "1"
    secret = "2"
    [venues.b.accounts.desk2]
    api_key = "3"
    secret = "4"
    """

    accounts = load(text).venues["b"].accounts

    assert {name: held.api_key.get_secret_value() for name, held in accounts.items()} == {"main": "1", "desk2": "3"}


KEYS = """
[venues.b]
ccxt_id = "binance"
keys = [{api_key = "env:K1", secret = "s1"}, {api_key = "k2", secret = "s2", password = "p2"}]
[venues.b.accounts.desk2]
api_key = "k3"
secret = "s3"
keys = [{api_key = "k4", secret = "s4"}]
"""


def test_one_account_may_have_several_keys(tmp_path):
    path = tmp_path / "given.toml"
    path.write_text(KEYS)

    accounts = load_settings({"STEADFILL_CONFIG": str(path), "K1": "k1"}).venues["b"].accounts

    assert {name: keys_of(account) for name, account in accounts.items()} == {
        "main": [("k1", "s1", None), ("k2", "s2", "p2")],
        "desk2": [("k3", "s3", None), ("k4", "s4", None)],
    }


def test_several_tokens_need_no_secrets_beside_them(load):
    text = "[venues.n]\nccxt_id = 'nobitex'\nkeys = [{api_key = 't1'}, {api_key = 't2'}]\n"

    assert keys_of(load(text).venues["n"].accounts["main"]) == [("t1", "t1", None), ("t2", "t2", None)]


def keys_of(account):
    return [
        tuple(part.get_secret_value() if part else None for part in (pair.api_key, pair.secret, pair.password))
        for pair in (account, *account.keys)
    ]


def test_venue_keys_stay_unread_for_a_client_of_the_api(tmp_path):
    path = tmp_path / "given.toml"
    path.write_text('[venues.b]\nccxt_id = "binance"\napi_key = "env:NOT_SET"\nsecret = "env:NOT_SET"\n')

    settings = load_settings({"STEADFILL_CONFIG": str(path)}, venue_secrets=False)

    assert settings.venues["b"].accounts == {}


@pytest.mark.parametrize(
    ("written", "mode"),
    [("", "live"), ("dry_run = true", "dry_run"), ('dry_run = "yes"', "dry_run"), ("sandbox = true", "sandbox")],
)
def test_mode_of_a_venue_follows_from_its_section(load, written, mode):
    assert load(f'[venues.b]\nccxt_id = "binance"\n{written}\n').venues["b"].mode == mode


def test_a_dry_run_needs_no_keys_and_begins_with_the_balances_it_is_given(load):
    venue = load(
        '[venues.b]\nccxt_id = "binance"\ndry_run = true\ndry_run_balances = { USDT = 0.1, BTC = "2" }\n'
    ).venues["b"]

    assert set(venue.accounts) == {"main"}
    assert venue.dry_run_balances == {"USDT": Decimal("0.1"), "BTC": Decimal(2)}


def test_api_keys_from_a_variable_are_separated_by_commas(load):
    assert [key.get_secret_value() for key in load(API_KEYS="one, two").api_keys] == ["one", "two"]


@pytest.mark.parametrize(
    ("broker", "redis", "expected", "client"),
    [
        ("redis://h:1/0", None, "redis://h:1/0", "redis://h:1/0"),
        ("redis://h:1/0", "redis://other:1/0", "redis://other:1/0", "redis://other:1/0"),
        ("amqp://h//", "redis://other:1/0", "redis://other:1/0", "redis://other:1/0"),
        ("redis+socket:///run/r.sock", None, "redis+socket:///run/r.sock", "unix:///run/r.sock"),
        ("amqp://h//", "unix:///run/r.sock", "redis+socket:///run/r.sock", "unix:///run/r.sock"),
        ("memory://", None, None, None),
    ],
)
def test_redis_is_the_broker_unless_another_is_named(load, broker, redis, expected, client):
    settings = load(BROKER_URL=broker, **({"REDIS_URL": redis} if redis else {}))

    assert (settings.redis_url, settings.redis_client_url) == (expected, client)
    assert not settings.embedded_broker


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgresql_is_spoken_to_by_psycopg(load, scheme):
    assert load(DATABASE_URL=f"{scheme}://u:p@h/d").database_url == "postgresql+psycopg://u:p@h/d"


@pytest.mark.parametrize(
    ("name", "shortened"),
    [("home", False), ("x" * 120, True), ("with space", True), ("ünïcode", True)],
)
def test_embedded_socket_fits_and_is_the_same_for_every_process(tmp_path, name, shortened):
    home = tmp_path / name

    socket = embedded_socket(home)

    assert len(str(socket)) <= SOCKET_PATH_LIMIT
    assert socket.is_relative_to(home) is not shortened
    assert socket == embedded_socket(home)
    assert socket != embedded_socket(tmp_path / (name + "2"))


REFUSED = [
    # (text of the file, variables, what the sentence must hold)
    ("[execution]\nmax_retry = 1\n", {}, ["given.toml", "execution.max_retry", "max_retries"]),
    ("[exekution]\n", {}, ["given.toml", "exekution", "execution"]),
    ("[venues.paper]\nprot = 1\n", {}, ["venues.paper.prot", "port"]),
    ("[venues.paper.accounts.x]\napi_key='a'\nsecret='b'\npasswort='c'\n", {}, ["accounts.x.passwort", "password"]),
    (None, {"EXECUTION__MAX_RETRY": "1"}, ["STEADFILL_EXECUTION__MAX_RETRY", "max_retries"]),
    (None, {"API_PORT": "http"}, ["STEADFILL_API_PORT", "integer", "http"]),
    (None, {"API_PORT": "70000"}, ["STEADFILL_API_PORT", "65535", "70000"]),
    ("api_port = 0\n", {}, ["given.toml: api_port", "0"]),
    ("api_port = \n", {}, ["given.toml", "no TOML"]),
    (None, {"CONFIG": "/nowhere/x.toml"}, ["STEADFILL_CONFIG", "/nowhere/x.toml"]),
    ("[execution]\nmarket_hold_buffer = nan\n", {}, ["market_hold_buffer", "finite"]),
    ("[execution]\nretry_base_ms = 6000\n", {}, ["retry_max_ms 5000", "retry_base_ms 6000"]),
    ("[execution]\nalgorithm = 'twap'\n", {}, ["execution.algorithm", "algorithm.duration_s"]),
    ("[execution]\nalgorithm = 'singel'\n", {}, ["execution.algorithm", "single"]),
    ("[execution]\nfill_policy = {name = 'retry_remaining', delay_s = -1}\n", {}, ["execution.fill_policy", "delay_s"]),
    ("[venues.paper]\ndry_run = true\nsandbox = true\n", {}, ["venues.paper", "keep dry_run to fill on paper"]),
    ("[venues.paper]\nsandbox = true\n", {}, ["venues.paper", "the built-in venue", "Remove sandbox"]),
    ("[venues.k]\nccxt_id = \"kraken\"\nsandbox = true\n", {}, ["venues.k", "kraken has no sandbox", "dry_run = true"]),
    ("[venues.b]\nccxt_id = \"binance\"\ndry_run = true\ndry_run_balances = { USDT = -1 }\n", {}, ["dry_run_balances.USDT", "greater than or equal to 0"]),
    (None, {"VENUES__PAPER__DRY_RUN": "maybe"}, ["STEADFILL_VENUES__PAPER__DRY_RUN", "must be a valid boolean"]),
    ("[venues.x]\nccxt_id = 'binanse'\n", {}, ["venues.x.ccxt_id", "binance"]),
    ("[venues.x]\n", {}, ["venues.x.ccxt_id", "missing"]),
    ("[venues.'Big One']\nccxt_id = 'binance'\n", {}, ["Big One"]),
    ("[venues.x]\nccxt_id = 'binance'\napi_key = 'k'\n", {}, ["venues.x.secret", "missing"]),
    (KEYS.replace('"k2"', '"env:NO_SUCH"').replace("env:K1", "k1"), {}, ["venues.b.keys.1.api_key", "NO_SUCH"]),
    (KEYS.replace(', secret = "s4"', "").replace("env:K1", "k1"), {}, ["accounts.desk2.keys.0.secret", "missing"]),
    (KEYS.replace("password", "passwort").replace("env:K1", "k1"), {}, ["keys.0.passwort", "password"]),
    (KEYS.replace("k4", "k3").replace("env:K1", "k1"), {}, ["accounts.desk2", "twice"]),
    ("[venues.paper]\nkeys = [{api_key='a', secret='b'}, {api_key='c', secret='d'}]\n", {}, ["paper", "several keys"]),
    ("[venues.x]\nccxt_id = 'nobitx'\n", {}, ["venues.x.ccxt_id", "nobitex"]),
    ("[venues.x]\nccxt_id = 'nobitex'\nsecret = 's'\n", {}, ["venues.x.api_key", "missing"]),
    ("[venues.x]\nccxt_id = 'binance'\nrate_limit = 'fast'\n", {}, ["rate_limit", "1200/minute"]),
    ("[venues.x]\nccxt_id = 'binance'\nrate_limit = { requests = 5, per_s = 7 }\n", {}, ["rate_limit", "1200/minute"]),
    ("[venues.x]\nccxt_id = 'binance'\nrate_limit = 1200\n", {}, ["rate_limit", "1200/minute"]),
    ("[venues.x]\nccxt_id = 'binance'\ntimeout_ms = true\n", {}, ["venues.x", "timeout_ms = true", "no number"]),
    ("[breaker]\nfailure_threshold = true\n", {}, ["breaker", "failure_threshold = true", "no number"]),
    ("[venues.x]\nccxt_id = 'binance'\nbase_url = 'localhost'\n", {}, ["base_url", "http"]),
    ("[venues.x]\nccxt_id = 'binance'\napi_key = 'env:NO_SUCH'\nsecret = 's'\n", {}, ["venues.x.api_key", "NO_SUCH"]),
    ("[venues.x]\nccxt_id = 'binance'\napi_key = 'file:no/such'\nsecret = 's'\n", {}, ["api_key", "no/such"]),
    ("[venues.p2]\npaper = true\n", {}, ["paper", "port"]),
    (None, {"DATABASE_URL": "mysql://u:p@h/d"}, ["STEADFILL_DATABASE_URL", "postgresql+psycopg://"]),
    (None, {"DATABASE_URL": "sqlite:///relative.db"}, ["STEADFILL_DATABASE_URL", "absolute"]),
    (None, {"BROKER_URL": "kafka://h"}, ["STEADFILL_BROKER_URL", "redis://"]),
    (None, {"BROKER_URL": "amqp://h//"}, ["STEADFILL_REDIS_URL", "required"]),
    (None, {"API_HOST": "0.0.0.0"}, ["0.0.0.0", "STEADFILL_API_KEYS"]),
    (None, {"SENTRY_DSN": "nonsense"}, ["STEADFILL_SENTRY_DSN"]),
    (None, {"EXECUTION": "fast"}, ["STEADFILL_EXECUTION", "JSON"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "variables", "said"), REFUSED)
def test_refusal_names_place_rule_and_way_out(load, text, variables, said):
    with pytest.raises(ConfigurationError) as caught:
        load(text, **variables)

    message = str(caught.value)
    assert all(part in message for part in said), message
    assert message.endswith(".")
    assert "\n" not in message


def test_every_error_is_told_at_once(load):
    with pytest.raises(ConfigurationError) as caught:
        load("api_port = 0\n[execution]\nlease_ms = 1\nmax_retry = 1\n")

    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        (f"[venues.b]\nccxt_id = 'nope'\napi_key = '{CANARY}'\nsecret = '{CANARY}'\n", {}),
        (f"[venues.b]\nccxt_id = 'binance'\napi_key = '{CANARY}'\n", {}),
        (f"[venues.b]\nccxt_id = 'binance'\napi_key = ['{CANARY}']\nsecret = 1\n", {}),
        (f"[venues.b]\nccxt_id = 'binance'\nkeys = '{CANARY}'\n", {}),
        (f"[venues.b]\nccxt_id = 'binance'\nkeys = ['{CANARY}']\n", {}),
        (f"[venues.b]\nccxt_id = 'binance'\nkeys = [{{api_key = '{CANARY}'}}, {{secret = '{CANARY}'}}]\n", {}),
        (f"api_keys = [['{CANARY}']]\n", {}),
        (None, {"DATABASE_URL": f"mysql://u:{CANARY}@h/d"}),
        (None, {"BROKER_URL": f"kafka://u:{CANARY}@h"}),
        (None, {"BROKER_URL": f"amqp://u:{CANARY}@h"}),
        (None, {"REDIS_URL": f"http://:{CANARY}@h"}),
        (None, {"SENTRY_DSN": CANARY}),
    ],
)
def test_errors_never_repeat_a_secret(load, text, variables):
    with pytest.raises(ConfigurationError) as caught:
        load(text, **variables)

    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


def test_repr_shows_no_secret(load):
    settings = load(
        f"[venues.b]\nccxt_id = 'binance'\napi_key = '{CANARY}'\nsecret = '{CANARY}'\npassword = '{CANARY}'\n",
        API_KEYS=CANARY,
        DATABASE_URL=f"postgresql+psycopg://u:{CANARY}@h/d",
        BROKER_URL=f"redis://:{CANARY}@h/0",
        SENTRY_DSN=f"https://{CANARY}@h/1",
    )

    assert CANARY not in repr(settings) + str(settings)


def test_settings_are_frozen(load):
    with pytest.raises(ValueError, match="frozen"):
        load().api_port = 1
