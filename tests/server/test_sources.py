"""The places where settings are written: every setting in each of them, which one counts, and what errors say."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tautwire.cli.logs import LogSettings
from tautwire.cli.options import as_json, as_text, literal, toml
from tautwire.protocol.errors import ConfigError
from tautwire.server.config import Settings
from tautwire.server.sources import Configuration, read_settings
from tautwire.server.table import Row, rows
from tautwire.server.values import (
    Choice,
    DatabaseUrl,
    Duration,
    FilePath,
    Flag,
    Kind,
    Networks,
    Secret,
    Size,
    Text,
    Url,
    Whole,
)

TABLE = [*rows(Settings), *rows(LogSettings)]
LASTING = [row for row in TABLE if not row.is_one_time]


def values(kind: Kind) -> st.SearchStrategy[Any]:
    """Any value of a kind, as a program gives it."""
    match kind:
        case Choice():
            return st.sampled_from(kind.options)
        case Flag():
            return st.booleans()
        case Duration():
            return st.one_of(
                st.floats(kind.least, kind.most), st.integers(int(kind.least) + 1, int(min(kind.most, 1e6))).map(float)
            )
        case Size() | Whole():
            return st.integers(int(kind.least), int(kind.most))
        case FilePath():
            return st.text("abcä/._- \"'\\", min_size=1, max_size=20).map(Path)
        case Text():
            return st.text("abc:.0123[]%ü", min_size=1, max_size=20)
        case Url():
            return st.sampled_from(["https://chat.example.com", "http://[::1]:80/a"])
        case Networks():
            return st.sampled_from(["*", "10.0.0.0/8", "10.0.0.5, ::1"])
        case DatabaseUrl():
            return st.sampled_from(["postgresql://db/chat", "postgres:///chat?host=/run/postgresql"])
        case Secret():
            return st.sampled_from(["0123456789abcdef", "a-secret/of+enough=letters"])
    raise AssertionError(f"no values for {kind}")


SETTINGS = st.fixed_dictionaries({}, optional={row.name: values(row.kind) for row in LASTING})


def written(name: str, value: Any) -> str | int | bool:
    """A value as TOML has it."""
    row = next(row for row in TABLE if row.name == name)
    if isinstance(row.kind, Secret):
        return str(value)  # it is never shown
    shown = row.show(value)
    assert shown is not None
    return shown


def file_of(chosen: Mapping[str, Any]) -> str:
    return "".join(f"{name} = {literal(written(name, value))}\n" for name, value in chosen.items())


def variables_of(chosen: Mapping[str, Any]) -> dict[str, str]:
    return {f"TAUTWIRE_{name.upper()}": as_text(written(name, value)) for name, value in chosen.items()}


def options_of(chosen: Mapping[str, Any]) -> dict[str, object]:
    return {name: as_text(written(name, value)) for name, value in chosen.items()}


def read(
    options: Mapping[str, object] | None = None, environment: Mapping[str, str] | None = None, file: Path | None = None
) -> Configuration:
    return read_settings(TABLE, options or {}, environment or {}, file)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without a file of settings."""
    place = tmp_path / "elsewhere"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "server.toml"


@pytest.fixture(scope="module")
def any_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("settings") / "server.toml"


# --- which one counts ---


@given(by_option=SETTINGS, by_variable=SETTINGS, by_file=SETTINGS)
def test_an_option_counts_before_a_variable_before_the_file_before_the_default(
    any_file: Path, by_option: dict[str, Any], by_variable: dict[str, Any], by_file: dict[str, Any]
) -> None:
    any_file.write_text(file_of(by_file), "utf-8")

    found = read(options_of(by_option), variables_of(by_variable), any_file)

    for row in LASTING:
        name = row.name
        from_file = any_file.parent / by_file[name] if isinstance(by_file.get(name), Path) else by_file.get(name)
        expected = next(
            (value, source)
            for value, source, is_there in (
                (by_option.get(name), row.option, name in by_option),
                (by_variable.get(name), row.variable, name in by_variable),
                (from_file, str(any_file), name in by_file),
                (row.default, "default", True),
            )
            if is_there
        )
        assert (found.chosen[name].value, found.chosen[name].source) == expected


@pytest.mark.parametrize("row", LASTING, ids=lambda row: row.name)
def test_every_setting_can_be_written_in_three_ways(row: Row, file: Path) -> None:
    """The same text means the same everywhere, and a wrong one is refused everywhere, under the name it has there."""
    shown = "1.5" if isinstance(row.kind, Duration) else as_text(written(row.name, example(row)))
    file.write_text(f"{row.name} = {literal(shown)}")
    made = [read({row.name: shown}), read({}, {row.variable: shown}), read(file=file)]
    first, *others = [found.chosen[row.name].value for found in made]
    assert [file.parent / first if isinstance(first, Path) else first for _ in others] == [
        file.parent / other if isinstance(other, Path) else other for other in others
    ]

    file.write_text(f"{row.name} = []" if not isinstance(row.kind, Networks) else f"{row.name} = [1]")
    with pytest.raises(ConfigError, match=rf"^{re.escape(str(file))}: {row.name} must be .*, got \S+$"):
        read(file=file)
    if not isinstance(row.kind, Text | FilePath):
        with pytest.raises(ConfigError, match=rf"^{row.option} must be .*, got \S+$"):
            read({row.name: "?"})
        with pytest.raises(ConfigError, match=rf"^{row.variable} must be .*, got \S+$"):
            read({}, {row.variable: "?"})


def example(row: Row) -> Any:
    """A value of a row that is not its default."""
    examples: dict[type[Kind], Any] = {
        Flag: not row.default, Size: 65_536, Whole: 42, FilePath: Path("x"), Text: "::1", Url: "https://x.example",
        Networks: "10.0.0.0/8", DatabaseUrl: "postgresql://db/chat",
            Secret: "0123456789abcdef",
    }  # fmt: skip
    if isinstance(row.kind, Choice):
        return row.kind.options[-1]
    return examples[type(row.kind)]


def test_a_value_that_another_overrides_is_checked_too() -> None:
    with pytest.raises(ConfigError, match="TAUTWIRE_PORT must be a whole number, got 'web'"):
        read({"port": "1"}, {"TAUTWIRE_PORT": "web"})


def test_an_empty_variable_counts_as_none() -> None:
    assert read({}, {"TAUTWIRE_PORT": "", "TAUTWIRE_SEED": ""}).chosen["port"].source == "default"


def test_the_variable_of_uvicorn_counts_after_our_own(file: Path) -> None:
    file.write_text('forwarded_allow_ips = "10.0.0.1"')
    theirs = {"FORWARDED_ALLOW_IPS": "10.0.0.2"}
    ours = theirs | {"TAUTWIRE_FORWARDED_ALLOW_IPS": "10.0.0.3"}

    found = [read({}, environment, file).chosen["forwarded_allow_ips"] for environment in ({}, theirs, ours)]

    assert [each.value for each in found] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert found[1].source == "FORWARDED_ALLOW_IPS"


def test_settings_are_made_of_what_was_read() -> None:
    found = read({"port": "1", "log_level": "error"})

    assert found.make(Settings) == Settings(data=Path("tautwire-data"), port=1)
    assert found.make(LogSettings).log_level == "error"


# --- the words that values are written in ---


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), ("30s", 30), (" 1.5 s ", 1.5), ("500ms", 0.5), ("5m", 300), ("12H", 43_200), ("7d", 604_800)],
)
def test_a_time_has_a_unit_or_is_seconds(text: str, seconds: float) -> None:
    assert read({"silence_limit": text, "ping_interval": "10ms"}).chosen["silence_limit"].value == seconds


@pytest.mark.parametrize("text", ["", "s", "5 minutes", "5w", "-", "1_0", "0x10", "1m30s", "inf", "nan", "٣"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"must be a time such as 500ms, 30s, 5m, 12h or 7d, got {text!r}")):
        read({"auto_away": text})


@pytest.mark.parametrize(
    ("text", "got"),
    [("0", "0 days"), ("0.01", "0.01 days"), ("-1", "-1 days"), ("30m", "'30m'"), ("59.9 m", "'59.9 m'")],
)
def test_an_error_speaks_in_the_unit_that_was_written(text: str, got: str) -> None:
    with pytest.raises(ConfigError, match=f"^--log-keep must be at least 1h, got {re.escape(got)}$"):
        read({"log_keep": text})


def test_days_without_a_unit_are_those_of_the_log_only(file: Path) -> None:
    file.write_text("log_keep = 7\nauto_away = 7\ndrain = 0.25")

    chosen = read(file=file).chosen

    assert (chosen["log_keep"].value, chosen["auto_away"].value, chosen["drain"].value) == (604_800, 7, 0.25)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("65536", 65_536),
        ("64KiB", 65_536),
        ("1 mib", 1_048_576),
        ("1.5MiB", 1_572_864),
        ("1MB", 1_000_000),
        ("9000B", 9_000),
    ],
)
def test_a_size_has_a_unit_or_is_bytes(text: str, size: int) -> None:
    assert read({"body_limit": text}).chosen["body_limit"].value == size


@pytest.mark.parametrize("text", ["", "1M", "one", "0.3KiB", "1e400"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=f"must be a size such as 65536, 64KiB or 1MiB, got {text!r}"):
        read({"body_limit": text})


def test_the_bounds_of_a_size_are_said_with_units() -> None:
    with pytest.raises(ConfigError, match="--body-limit must be at most 64MiB, got '1GiB'"):
        read({"body_limit": "1GiB"})
    with pytest.raises(ConfigError, match="--body-limit must be at least 1KiB, got '-1'"):
        read({"body_limit": "-1"})


@pytest.mark.parametrize("text", ["on", "TRUE", "yes", "1"])
def test_a_switch_is_on_or_off(text: str) -> None:
    assert read({"enforce_scopes": text}).chosen["enforce_scopes"].value is True
    assert read({"rate_limits": {"on": "off", "TRUE": "False", "yes": "no", "1": "0"}[text]}).chosen[
        "rate_limits"
    ].value is False  # fmt: skip


# --- the file ---


def test_a_file_in_the_working_directory_counts_unless_another_is_named(elsewhere: Path, file: Path) -> None:
    (elsewhere / "tautwire.toml").write_text("port = 1")
    file.write_text("port = 2")
    other = file.with_name("other.toml")
    other.write_text("port = 3")
    environment = {"TAUTWIRE_CONFIG": str(file)}

    assert read().chosen["port"].value == 1
    assert read({}, environment).chosen["port"].value == 2
    assert read({}, environment, other).chosen["port"].value == 3


def test_a_path_in_a_file_begins_where_the_file_is(file: Path) -> None:
    file.write_text('data = "data"\nseed = "/srv/seed.yaml"')

    chosen = read({}, {}, file).chosen

    assert (chosen["data"].value, chosen["seed"].value) == (file.parent / "data", Path("/srv/seed.yaml"))
    assert read({"data": "data"}, {}, file).chosen["data"].value == Path("data")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prot = 8065", "there is no key 'prot'; did you mean port?"),
        ("ping-interval = 5", "there is no key 'ping-interval'; did you mean ping_interval?"),
        ("zzz = 5", "there is no key 'zzz'; tautwire serve --print-config shows all settings"),
        ("[server]\nport = 1", "there is no table 'server': settings stand at the top of the file"),
        ("port = 80 80", "the file is not TOML: .*line 1"),
        ("port = 1\nport = 2", "the file is not TOML: "),
        ("port = 70000", "port must be at most 65535, got 70000"),
        ("port = 1.5", "port must be a whole number, got 1.5"),
        ("port = true", "port must be a whole number, got True"),
        ("host = 127", "host must be a text of at least one character, got 127"),
        ("rate_limits = 1", "rate_limits must be on or off, got 1"),
        ("log_keep = true", "log_keep must be a time .*, got True"),
        ("log_keep = 2026-01-01", "log_keep must be a time"),
        ("log_keep = 0", "log_keep must be at least 1h, got 0 days"),
        ("metrics = 'all'", "metrics must be local, public or off, got 'all'"),
        ("new = true", "new is for one start only: take it out of the file, and give --new"),
    ],
)
def test_a_file_that_is_wrong_says_where(file: Path, text: str, words: str) -> None:
    file.write_text(text)

    with pytest.raises(ConfigError, match=f"^{re.escape(str(file))}: {words}"):
        read(file=file)


def test_a_file_that_cannot_be_read_is_named(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"server\.toml: the settings cannot be read: No such file"):
        read(file=file)
    file.mkdir()
    with pytest.raises(ConfigError, match=r"server\.toml: the settings cannot be read: Is a directory"):
        read({}, {"TAUTWIRE_CONFIG": str(file)})


def test_a_file_of_an_editor_on_windows_is_read_and_another_encoding_is_refused(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfport = 1\r\n")
    assert read(file=file).chosen["port"].value == 1
    file.write_bytes(b"host = '\xe4'")
    with pytest.raises(ConfigError, match="not text in UTF-8"):
        read(file=file)


def test_proxies_may_be_an_array(file: Path) -> None:
    file.write_text('forwarded_allow_ips = ["10.0.0.0/8", "::1"]')
    assert read(file=file).chosen["forwarded_allow_ips"].value == "10.0.0.0/8,::1"


# --- the environment ---


def test_an_unknown_variable_is_mentioned_with_the_nearest_name() -> None:
    found = read({}, {"TAUTWIRE_PROT": "1", "TAUTWIRE_ZZZ": "1", "TAUTWIRE_NEW": "1", "TAUTWIRES": "1"})

    assert list(found.unknown_variables) == [
        "the environment variable TAUTWIRE_PROT is not a setting; did you mean TAUTWIRE_PORT?",
        "the environment variable TAUTWIRE_ZZZ is not a setting; tautwire serve --print-config shows all settings",
        "the environment variable TAUTWIRE_NEW has no effect: give --new for the start that needs it",
    ]
    assert found.chosen["new"].value is False


def test_what_kubernetes_says_about_a_service_of_the_same_name_is_no_setting() -> None:
    environment = {
        "TAUTWIRE_PORT": "tcp://10.96.0.7:8065",
        "TAUTWIRE_PORT_8065_TCP": "tcp://10.96.0.7:8065",
        "TAUTWIRE_PORT_8065_TCP_ADDR": "10.96.0.7",
        "TAUTWIRE_PORT_8065_TCP_PORT": "8065",
        "TAUTWIRE_PORT_8065_TCP_PROTO": "tcp",
        "TAUTWIRE_SERVICE_HOST": "10.96.0.7",
        "TAUTWIRE_SERVICE_PORT": "8065",
        "TAUTWIRE_SERVICE_PORT_HTTP": "8065",
        "TAUTWIRE_DB_SERVICE_HOST": "10.96.0.8",
        "TAUTWIRE_DB_PORT": "tcp://10.96.0.8:5432",
    }

    found = read({}, environment)

    assert found.unknown_variables == []
    assert {each.source for each in found.chosen.values()} == {"default"}


def test_what_is_for_one_start_is_given_by_an_option() -> None:
    assert read({"new": True}).make(Settings).new is True


def test_a_secret_is_shown_nowhere() -> None:
    found = read({}, {"TAUTWIRE_CONTROL_SECRET": "0123456789abcdef"})

    assert 'control_secret = "…"  # TAUTWIRE_CONTROL_SECRET' in toml(found)
    assert "0123456789abcdef" not in as_json(found)
    with pytest.raises(ConfigError, match=r"TAUTWIRE_CONTROL_SECRET must be .*, got …$"):
        read({}, {"TAUTWIRE_CONTROL_SECRET": "0123456789abcde"})
