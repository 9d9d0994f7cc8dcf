"""Which names are intercepted."""

import pytest

from tautwire.attach.hosts import NAMES, SOCKETS, Hosts


@pytest.mark.parametrize(
    "name", ["slack.com", "SLACK.com", "slack.com.", "www.slack.com", "api.slack.com", SOCKETS, "wss-backup.slack.com"]
)
def test_hosts_of_the_api_are_intercepted(name: str) -> None:
    assert name in Hosts()


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "com", "notslack.com", "slack.com.evil.test", "evil.test", "slackxcom", "files.slack.com",
        "hooks.slack.com", "status.slack.com", "wss-.slack.com", "wss-a.b.slack.com", "a.slack.com", "slack.com..",
        "slack.com\n", "acme.slack.com", "\uff53lack.com", "127.0.0.1", None,
    ],
)  # fmt: skip
def test_all_others_are_not(name: object) -> None:
    assert name not in Hosts()


def test_the_domain_of_the_workspace_is_intercepted() -> None:
    assert "acme.slack.com" in Hosts("acme")
    assert "other.slack.com" not in Hosts("acme")
    assert Hosts("acme").text == "slack.com,www.slack.com,api.slack.com,wss-*.slack.com,acme.slack.com"


@pytest.mark.parametrize("team", ["", "a.b", "*", "files slack", "x,evil.test"])
def test_an_odd_domain_adds_nothing(team: str) -> None:
    assert Hosts(team).names == NAMES
