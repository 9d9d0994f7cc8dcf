"""The settings of a client: where they come from, which values are refused, and former names."""

from typing import Any

import pytest

import tautwire
from fake import TOKEN
from tautwire import Backoff, BlockingRTMClient, Rate, RTMClient, Timeouts
from tautwire.protocol.errors import ConfigError


def test_token_and_address_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", TOKEN)
    monkeypatch.setenv("SLACK_API_URL", "http://127.0.0.1:8065/api")
    settings = RTMClient().settings
    assert (settings.token.reveal(), settings.base_url) == (TOKEN, "http://127.0.0.1:8065/api/")
    assert RTMClient("xoxb-other", "https://x.test/api/").settings.base_url == "https://x.test/api/"


def test_no_token_and_no_address_are_configuration_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLACK_BOT_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="SLACK_BOT_TOKEN"):
        RTMClient()
    with pytest.raises(ConfigError, match="base_url"):
        RTMClient(TOKEN, "127.0.0.1:8065")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("offline", "nonsense"),
        ("connect_timeout", 0),
        ("connect_timeout", -1.0),
        ("connect_timeout", float("nan")),
        ("connect_timeout", float("inf")),
        ("connect_timeout", "30"),
        ("connect_timeout", None),
        ("send_timeout", -1),
        ("message_rate", Rate(per_second=1.0, burst=0)),
        ("message_rate", Rate(per_second=0.0, burst=1)),
        ("message_rate", Rate(per_second=-1.0, burst=5)),
        ("message_rate", (1.0, 5)),
        ("message_rate", 5.0),
        ("timeouts", Timeouts(hello=0)),
        ("timeouts", Timeouts(idle=-1)),
        ("timeouts", Timeouts(silence=0)),
        ("timeouts", Timeouts(reply=float("nan"))),
        ("timeouts", Timeouts(idle=60, silence=30)),
        ("timeouts", 30),
        ("backoff", Backoff(base=-1)),
        ("backoff", Backoff(cap=float("nan"))),
        ("backoff", Backoff(stable_after=-1)),
        ("backoff", Backoff(budget=Rate(per_second=0.0, burst=1))),
        ("backoff", Backoff(budget=Rate(per_second=1.0, burst=0))),
        ("backoff", 1.0),
    ],
)
@pytest.mark.parametrize("kind", [RTMClient, BlockingRTMClient])
def test_settings_that_cannot_work_are_refused_by_name(kind: Any, setting: str, value: object) -> None:
    with pytest.raises(ConfigError, match=setting):
        kind(TOKEN, "https://slack.test/api/", **{setting: value})


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("connect_timeout", 1),
        ("connect_timeout", 0.001),
        ("send_timeout", 0),
        ("message_rate", None),
        ("message_rate", Rate(per_second=0.01, burst=1)),
        ("backoff", Backoff(base=0, cap=0, stable_after=0)),
    ],
)
def test_settings_at_the_edge_are_taken(setting: str, value: object) -> None:
    RTMClient(TOKEN, "https://slack.test/api/", **{setting: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("environment", "given", "expected"),
    [
        ({}, None, (None, None)),
        ({"HTTPS_PROXY": "http://p:1"}, None, ("http://p:1", "http://p:1")),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "slack.test"}, None, (None, "http://p:1")),
        ({"HTTP_PROXY": "http://p:1"}, None, (None, None)),
        ({"HTTPS_PROXY": "http://p:1"}, "", (None, None)),
        ({"HTTPS_PROXY": "http://p:1"}, "http://q:2", ("http://q:2", "http://q:2")),
    ],
)
def test_one_proxy_setting_serves_both_ways(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], given: str | None, expected: tuple[str, str]
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    client = RTMClient(TOKEN, "https://slack.test/api/", proxy=given)
    assert (client.web.proxy, client.settings.proxy_for("wss://rtm.test/x")) == expected


@pytest.mark.parametrize("kind", [RTMClient, BlockingRTMClient])
def test_the_former_name_of_timeouts_works_with_a_warning_that_points_at_the_program(kind: Any) -> None:
    with pytest.warns(DeprecationWarning, match=r"write timeouts=Timeouts\(…\)") as warned:
        client = kind(TOKEN, "https://slack.test/api/", patience=Timeouts(reply=3.0))
    assert client.settings.timeouts.reply == 3.0
    assert [each.filename for each in warned] == [__file__]


def test_none_by_the_former_name_of_timeouts_is_the_default() -> None:
    with pytest.warns(DeprecationWarning, match="timeouts"):
        client = RTMClient(TOKEN, "https://slack.test/api/", patience=None)
    assert client.settings.timeouts == Timeouts()


def test_timeouts_by_both_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="not both"):
        RTMClient(TOKEN, "https://slack.test/api/", timeouts=Timeouts(), patience=Timeouts())


def test_the_former_name_of_the_class_works_with_a_warning_each_time() -> None:
    for _ in range(2):
        with pytest.warns(DeprecationWarning, match="write from tautwire import Timeouts") as warned:
            assert tautwire.Patience is Timeouts
        assert [each.filename for each in warned] == [__file__]
    with pytest.warns(DeprecationWarning, match="Timeouts"):
        from tautwire import Patience
    assert Patience is Timeouts


def test_a_star_import_warns_of_nothing() -> None:
    names: dict[str, Any] = {}
    exec("from tautwire import *", names)  # noqa: S102 (only so in a function)
    assert "Timeouts" in names
    assert "Patience" not in names
