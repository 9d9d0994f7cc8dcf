"""The settings as a program gives them: their table is complete, and each value is checked."""

import math
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from tautwire.cli.logs import LogLevel, LogSettings
from tautwire.protocol.errors import ConfigError
from tautwire.server.config import Settings
from tautwire.server.table import Row, rows
from tautwire.server.values import DatabaseUrl, Number, Reach, WrongValueError
from tautwire.server.web_api.bodies import MAX_ANONYMOUS

SECRET = "hunter2"
DATABASE = f"postgresql://tautwire:{SECRET}@db.example:5432/chat"
TABLE = rows(Settings)
NUMBERS = [row for row in TABLE if isinstance(row.kind, Number)]


def ids(row: Row) -> str:
    return row.name


def settings(**given: Any) -> Settings:
    return Settings(data=Path("d"), **given)


def test_every_field_is_a_row_with_a_sentence_and_a_group() -> None:
    assert [row.name for row in TABLE] == [field.name for field in fields(Settings)]
    assert [row.name for row in TABLE if not row.help.endswith(".") or not row.group] == []


def test_what_happens_without_a_value_is_said_where_none_is_the_default() -> None:
    assert [row.name for row in TABLE if (row.default is None) is not bool(row.unset)] == []


def test_a_default_is_a_value_of_its_kind() -> None:
    for row in TABLE:
        if row.default is not None:
            assert row.kind.check(row.default) == row.default


def test_the_default_of_the_data_directory_is_the_commands_alone() -> None:
    with pytest.raises(TypeError, match="data"):
        Settings()  # type: ignore[call-arg]


def test_a_program_may_give_a_path_as_text_and_a_time_as_a_whole_number() -> None:
    made = Settings(data="d", drain=1, seed="s.yaml")  # type: ignore[arg-type]

    assert made == Settings(data=Path("d"), drain=1.0, seed=Path("s.yaml"))
    assert isinstance(made.drain, float)


@pytest.mark.parametrize("row", NUMBERS, ids=ids)
def test_a_number_beyond_its_bounds_is_refused_with_its_value(row: Row) -> None:
    kind = row.kind
    assert isinstance(kind, Number)
    for value, words in ((kind.least - 1, "at least"), (kind.most + 1, "at most")):
        with pytest.raises(ConfigError, match=rf"^{row.name} must be {words} .*, got {re.escape(repr(value))}$"):
            settings(**{row.name: value})


@pytest.mark.parametrize("row", TABLE, ids=ids)
@pytest.mark.parametrize("value", [b"1", [], 1j, float("nan")])
def test_a_value_of_another_type_is_refused(row: Row, value: object) -> None:
    given: dict[str, Any] = {"data": "d", row.name: value}
    with pytest.raises(ConfigError, match=f"^{row.name} must be "):
        Settings(**given)


@pytest.mark.parametrize(
    "row", [row for row in TABLE if isinstance(row.kind, Number) and not isinstance(row.kind, Reach)], ids=ids
)
def test_a_number_without_end_is_refused(row: Row) -> None:
    with pytest.raises(ConfigError, match=f"^{row.name} must be "):
        settings(**{row.name: math.inf})


@pytest.mark.parametrize("row", [row for row in TABLE if row.default is not None], ids=ids)
def test_none_is_refused_where_the_default_is_a_value(row: Row) -> None:
    given: dict[str, Any] = {"data": "d", row.name: None}
    with pytest.raises(ConfigError, match=f"^{row.name} must be .*, got None"):
        Settings(**given)


def test_a_switch_is_no_number_and_a_number_is_no_switch() -> None:
    for given in ({"port": True}, {"drain": True}, {"body_limit": True}, {"rate_limits": 1}):
        with pytest.raises(ConfigError, match="must be"):
            settings(**given)


def test_connections_are_not_closed_before_they_are_pinged() -> None:
    settings(ping_interval=20, silence_limit=20)
    with pytest.raises(ConfigError, match=r"silence_limit must be at least ping_interval \(20 seconds\).*got 19 sec"):
        settings(ping_interval=20, silence_limit=19)


def test_a_body_is_no_longer_than_what_callers_without_a_token_may_send() -> None:
    settings(body_limit=MAX_ANONYMOUS)
    with pytest.raises(ConfigError):
        settings(body_limit=MAX_ANONYMOUS + 1)


@pytest.mark.parametrize("networks", ["", "*", "10.0.0.5", "10.0.0.0/8, ::1,", "2001:db8::/32"])
def test_proxies_are_addresses_and_networks(networks: str) -> None:
    assert settings(forwarded_allow_ips=networks).forwarded_allow_ips == networks


@pytest.mark.parametrize(("networks", "reason"), [("proxy", "does not appear"), ("10.0.0.1/8", "has host bits set")])
def test_what_is_no_network_is_refused_with_the_reason(networks: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=rf"^forwarded_allow_ips must be .*{reason}.*, got '{networks}'$"):
        settings(forwarded_allow_ips=networks)


@pytest.mark.parametrize("networks", ["*", "*, 10.1.0.0/16", "127.0.0.1,::1"])
def test_events_may_go_to_the_public_internet_and_to_networks(networks: str) -> None:
    assert settings(request_addresses=networks).request_addresses == networks
    with pytest.raises(ConfigError, match="forwarded_allow_ips"):
        settings(forwarded_allow_ips="*, 10.1.0.0/16")


def test_the_log_of_a_command_is_set_by_words() -> None:
    assert LogSettings(log_level="debug").log_level is LogLevel.DEBUG  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="log_level must be debug, info, warning or error, got 'loud'"):
        LogSettings(log_level="loud")  # type: ignore[arg-type]


# --- the database and its password ---


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (DATABASE, "postgresql://tautwire:…@db.example:5432/chat"),
        ("postgres://db/chat", "postgres://db/chat"),
        ("postgresql://tautwire@db/chat", "postgresql://tautwire@db/chat"),
        ("postgresql://:hunter2@db", "postgresql://:…@db"),
        ("postgresql://u:hunter2:more@[::1]:5432/chat", "postgresql://u:…@[::1]:5432/chat"),
        ("postgresql://u:hunter2%40@a:1,b:2/chat", "postgresql://u:…@a:1,b:2/chat"),
        ("postgresql:///chat?host=/run/postgresql", "postgresql:///chat?host=/run/postgresql"),
        ("postgresql://%2Frun%2Fpostgresql/chat", "postgresql://%2Frun%2Fpostgresql/chat"),
        ("postgresql://db/?user=u&password=hunter2&sslmode=require", "postgresql://db/?user=u&password=…&sslmode=require"),
        ("postgresql://db/?pass%77ord=hunter2", "postgresql://db/?pass%77ord=…"),
        ("postgresql://db/?sslpassword=hunter2&oauth_client_secret=hunter2&scram_client_key=hunter2",
         "postgresql://db/?sslpassword=…&oauth_client_secret=…&scram_client_key=…"),
    ],
)  # fmt: skip
def test_a_database_is_shown_without_its_password(url: str, shown: str) -> None:
    made = settings(database=url)

    assert made.database == url
    assert DatabaseUrl().show(url) == shown
    assert SECRET not in repr(made)
    assert SECRET not in str(shown)


@pytest.mark.parametrize(
    "wrong",
    [
        "hunter2",
        "host=db password=hunter2",
        "mysql://u:hunter2@db",
        "postgresql:u:hunter2@db",
        "postgresql://u:hunter2",
        "postgresql://u:p@hunter2@db",
        "postgresql://u:p/hunter2@db",
        "postgresql://u:12/hunter2@db",
        "postgresql://u:12#hunter2@db",
        "postgresql://u:12?hunter2@db",
        "postgresql://u:12?a=hunter2@db",
        "postgresql://u:hunter2 @db",
        "postgresql://u:hunter2@db\n",
        "postgresql://u:hunter2@db/a/b?hunter2",
        "postgresql://u:[hunter2@db",
    ],
)
def test_a_database_that_is_wrong_is_refused_without_its_password(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"^database must be a URL such as postgresql://.*, got \S*…$") as refused:
        settings(database=wrong)
    assert SECRET not in repr(refused.value)
    assert refused.value.__suppress_context__


@pytest.mark.parametrize(
    ("written", "value", "shown"),
    [("all", math.inf, "all"), ("none", 0.0, "none"), (" All ", math.inf, "all"), ("90m", 5_400.0, "90m"),
     ("0", 0.0, "none"), ("1h", 3_600.0, "1h")],
)  # fmt: skip
def test_a_reach_is_a_time_or_all_or_none(written: str, value: float, shown: str) -> None:
    kind = Reach(least=0.0)
    assert kind.read(written) == value
    assert kind.check(value) == value
    assert kind.show(value) == shown
    assert kind.read(kind.show(value)) == value


@pytest.mark.parametrize("written", ["some", "-1s", "", "inf", "-all"])
def test_what_is_no_reach(written: str) -> None:
    with pytest.raises(WrongValueError, match="all, or none"):
        Reach(least=0.0).read(written)
