"""The environment by which a program is attached: every way at once, since each library reads another variable.

Library by library, calls go by a proxy variable, by a preload of the runtime or by the base URL, and so does the
WebSocket, not always by the same way. What the operator has set is added to and not replaced, where both can be.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tautwire.attach.hosts import NEAR, ZONE
from tautwire.attach.trust import NODE, PASSWORD, VARIABLES, TrustFiles

TOKENS: Final = ("SLACK_BOT_TOKEN", "SLACK_API_TOKEN", "SLACK_TOKEN", "SLACKBOT_API_TOKEN", "HUBOT_SLACK_TOKEN")
"""Variables by which bots are given their token."""
APP_TOKEN: Final = "SLACK_APP_TOKEN"  # noqa: S105 - a name
SECRETS: Final = (APP_TOKEN, "SLACK_SIGNING_SECRET")
"""Those of the upstream's app: the program cannot pass on what it does not have."""
OURS: Final = "TAUTWIRE_"
"""Variables of this name are settings of ours, some of them secrets: the program does not get them."""
SWITCH: Final = "ATTACHED_FRONT"
"""The variable without which the preloads do nothing."""
PROXIES: Final = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
"""Old websocket-client reads lower case only, the Java SDK upper case only."""
NO_PROXIES: Final = ("NO_PROXY", "no_proxy")
HUBOT: Final = "HUBOT_SLACK_RTM_CLIENT_OPTS"
PRELOADS: Final = Path(__file__).with_name("preloads")


@dataclass(frozen=True, slots=True)
class Way:
    """How a program reaches us."""

    api_url: str
    front: str
    """Host and port of front and proxy."""
    hosts: str
    """The intercepted names, separated by commas."""
    trust: TrustFiles


def environment_of(
    given: Mapping[str, str], way: Way, token: str, app_token: str | None = None
) -> dict[str, str]:  # fmt: skip
    """Return the environment of a program.

    Args:
        given: that of the operator.
        token: what the program presents to us.
        app_token: for programs that use Socket Mode; the operator's own is taken out in any case.
    """
    kept = {name: value for name, value in given.items() if not name.startswith(OURS) and name not in SECRETS}
    found = kept | attached(kept, way) | dict.fromkeys(TOKENS, token)
    return found if app_token is None else found | {APP_TOKEN: app_token}


def attached(given: Mapping[str, str], way: Way) -> dict[str, str]:
    """Return the variables that attach a program, without tokens."""
    return {
        SWITCH: f"{way.front} {way.hosts}",
        "SLACK_API_URL": way.api_url,
        HUBOT: _hubot(given.get(HUBOT, ""), way),
        **dict.fromkeys(PROXIES, f"http://{way.front}"),
        **{name: _no_proxy(given.get(name, "")) for name in NO_PROXIES},
        **dict.fromkeys(VARIABLES, str(way.trust.bundle)),
        NODE: str(way.trust.bundle if given.get(NODE) else way.trust.root),
        **{name: _joined(name, part, given.get(name, "")) for name, part in added(way).items()},
    }


def added(way: Way) -> dict[str, str]:
    """Return what is added to variables that may have other parts."""
    ruby = str(PRELOADS / "ruby.rb")
    return {
        "PYTHONPATH": str(PRELOADS / "python"),
        "NODE_OPTIONS": f"--require {_quoted(PRELOADS / 'node.js')}",
        "JAVA_TOOL_OPTIONS": " ".join(_java(way)),
        # Ruby splits it at spaces, whatever quotes there are.
        **({} if re.search(r"\s", ruby) else {"RUBYOPT": f"-r{ruby}"}),
    }


def exports(way: Way) -> list[str]:
    """Return the lines by which a shell attaches its programs; tokens are not in them."""
    parts = added(way)
    lines = []
    for name, value in attached({}, way).items():
        if name == "PYTHONPATH":
            lines.append(f"export {name}={shlex.quote(value)}${{{name}:+:${name}}}")
        elif name in parts:
            lines.append(f'export {name}="${{{name}:+${name} }}"{shlex.quote(value)}')
        else:
            lines.append(f"export {name}={shlex.quote(value)}")
    return lines


def _joined(name: str, part: str, old: str) -> str:
    if not old or part in old:
        return old or part
    # Ours comes first in PYTHONPATH, and runs the sitecustomize that it hides.
    return f"{part}:{old}" if name == "PYTHONPATH" else f"{old} {part}"


def _no_proxy(old: str) -> str:
    """Return a list of hosts without a proxy: the old one, without the intercepted ones, and this machine."""
    kept = [each.strip() for each in old.split(",") if each.strip() and not _is_zone(each.strip())]
    return ",".join([*kept, *(each for each in NEAR if each not in kept)])


def _is_zone(entry: str) -> bool:
    """Whether an entry covers intercepted hosts."""
    name = entry.lower().partition(":")[0].lstrip("*.")
    return name == "" or name == ZONE or name.endswith(f".{ZONE}") or name == ZONE.partition(".")[2]


def _java(way: Way) -> Iterator[str]:
    """Yield the options of a JVM: the trust store, and the proxy for the libraries that look at properties."""
    host, _, port = way.front.rpartition(":")
    yield f"-Djavax.net.ssl.trustStore={_quoted(way.trust.java)}"
    yield "-Djavax.net.ssl.trustStoreType=PKCS12"
    yield f"-Djavax.net.ssl.trustStorePassword={PASSWORD}"
    for scheme in ("http", "https"):
        yield f"-D{scheme}.proxyHost={host.strip('[]')}"
        yield f"-D{scheme}.proxyPort={port}"


def _hubot(old: str, way: Way) -> str:
    """Return hubot-slack's options of its RTM client: the base URL, beside those that the operator has."""
    try:
        options = json.loads(old or "{}")
    except ValueError:
        return old
    if not isinstance(options, dict):
        return old
    # By address: Node 17 to 19 dial ::1 for localhost, where nothing listens.
    base_url = way.api_url.replace("//localhost:", "//127.0.0.1:")
    return json.dumps(options | {"slackAPIUrl": base_url, "useRtmConnect": True})


def _quoted(path: Path) -> str:
    """Return a path as Node and Java read it in their variables."""
    text = str(path)
    if not re.search(r"[\s\"\\]", text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
