"""The environment of an attached program."""

import json
import subprocess
from pathlib import Path

import pytest

from tautwire.attach.config import AttachSettings
from tautwire.attach.environment import PRELOADS, PROXIES, TOKENS, Way, environment_of, exports
from tautwire.attach.trust import NODE, VARIABLES, TrustFiles
from tautwire.protocol.errors import ConfigError

FILES = TrustFiles(Path("/d/root.pem"), Path("/d/bundle.pem"), Path("/d/truststore.p12"))
WAY = Way("http://localhost:8066/api/", "127.0.0.1:4430", "slack.com,wss-*.slack.com", FILES)


def made(app_token: str | None = None, **given: str) -> dict[str, str]:
    return environment_of(given, WAY, "local", app_token)


def test_address_and_token_are_given() -> None:
    found = made(PATH="/bin", SLACK_BOT_TOKEN="xoxb-real")
    assert found["PATH"] == "/bin"
    assert found["SLACK_API_URL"] == WAY.api_url
    assert found["ATTACHED_FRONT"] == "127.0.0.1:4430 slack.com,wss-*.slack.com"
    assert {found[name] for name in TOKENS} == {"local"}


def test_secrets_of_the_operator_are_taken_out() -> None:
    found = made(SLACK_APP_TOKEN="xapp-real", TAUTWIRE_BOT_TOKEN="xoxb-real", TAUTWIRE_DATABASE="postgresql://a:b@c/d")
    assert not any("real" in text or "postgresql" in text for text in found.values())
    assert made("xapp-local", SLACK_APP_TOKEN="xapp-real")["SLACK_APP_TOKEN"] == "xapp-local"


def test_proxies_are_given_in_both_spellings() -> None:
    found = made(HTTPS_PROXY="http://corporate:3128")
    assert {found[name] for name in PROXIES} == {"http://127.0.0.1:4430"}
    assert {"https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"} == set(PROXIES)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", "localhost,127.0.0.1,::1"),
        ("a.test, .b.test", "a.test,.b.test,localhost,127.0.0.1,::1"),
        ("slack.com,.slack.com,*.slack.com,WWW.Slack.com,slack.com:443,a.test", "a.test,localhost,127.0.0.1,::1"),
        ("*,com,.com", "localhost,127.0.0.1,::1"),
        ("127.0.0.1,notslack.com", "127.0.0.1,notslack.com,localhost,::1"),
    ],
)
def test_exceptions_of_the_proxy_stay_without_intercepted_hosts(old: str, new: str) -> None:
    found = made(no_proxy=old, NO_PROXY=old)
    assert found["no_proxy"] == found["NO_PROXY"] == new


def test_trust_is_given_to_all_runtimes() -> None:
    found = made(SSL_CERT_FILE="/other.pem")
    assert {found[name] for name in VARIABLES} == {"/d/bundle.pem"}
    assert found[NODE] == "/d/root.pem", "it adds to the roots of Node"
    assert made(NODE_EXTRA_CA_CERTS="/other.pem")[NODE] == "/d/bundle.pem", "which has the other ones too"


def test_options_are_added_to_what_is_there() -> None:
    found = made(NODE_OPTIONS="--no-warnings", JAVA_TOOL_OPTIONS="-Xmx1g", PYTHONPATH="/lib/one:/lib/two")
    assert found["NODE_OPTIONS"] == f"--no-warnings --require {PRELOADS / 'node.js'}"
    assert found["JAVA_TOOL_OPTIONS"].startswith("-Xmx1g -Djavax.net.ssl.trustStore=/d/truststore.p12 ")
    assert "-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=4430" in found["JAVA_TOOL_OPTIONS"]
    assert found["PYTHONPATH"] == f"{PRELOADS / 'python'}:/lib/one:/lib/two"
    again = environment_of(found, WAY, "local")
    assert {name: again[name] for name in found if name != NODE} == {
        name: value for name, value in found.items() if name != NODE
    }, "nothing is added twice"


def test_paths_with_spaces_are_quoted() -> None:
    way = Way(WAY.api_url, WAY.front, WAY.hosts, TrustFiles(Path("/a b/r"), Path("/a b/b"), Path("/a b/t")))
    assert '-Djavax.net.ssl.trustStore="/a b/t"' in environment_of({}, way, "t")["JAVA_TOOL_OPTIONS"]


def test_the_options_of_hubot_are_kept() -> None:
    name = "HUBOT_SLACK_RTM_CLIENT_OPTS"
    assert json.loads(made()[name]) == {"slackAPIUrl": "http://127.0.0.1:8066/api/", "useRtmConnect": True}
    assert json.loads(made(**{name: '{"retryConfig": 1}'})[name])["retryConfig"] == 1
    assert made(**{name: "not JSON"})[name] == "not JSON"
    assert made(**{name: "[1]"})[name] == "[1]"


def test_a_shell_gets_the_same_by_the_lines(tmp_path: Path) -> None:
    given = {"NODE_OPTIONS": "--no-warnings", "PATH": "/usr/bin:/bin"}
    script = "\n".join([*exports(WAY), "env -0"])
    done = subprocess.run(["/bin/sh", "-c", script], env=given, capture_output=True, check=True, timeout=30)
    found = dict(line.split("=", 1) for line in done.stdout.decode().rstrip("\0").split("\0"))
    wanted = environment_of(given, WAY, "local")
    assert {name: found.get(name) for name in wanted if name not in TOKENS} == {
        name: value for name, value in wanted.items() if name not in TOKENS
    }
    assert "local" not in script.replace("localhost", "")


def test_a_front_for_all_addresses_is_dialled_on_this_machine() -> None:
    assert AttachSettings(attach_host="0.0.0.0").dialled == "127.0.0.1"
    assert AttachSettings(attach_host="::").dialled == "::1"
    assert AttachSettings(attach_host="192.0.2.7").dialled == "192.0.2.7"
    with pytest.raises(ConfigError, match="attach_host must be an address"):
        AttachSettings(attach_host="http://x")
