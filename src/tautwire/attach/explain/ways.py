"""The table: for each library of the RTM era, what carries its two legs to us, and why.

The legs are the calls of the Web API and the WebSocket whose URL they return. They can differ: many libraries know a
proxy for calls and none for the WebSocket. ``known`` says how a row is known: most libraries were run that way; of some
the source was read alone, and the rows of runtimes follow from what their preloads and proxies reach.
The table is also a page of the documentation, docs/reference/attach-ways.md.
"""

from dataclasses import dataclass
from typing import Final, Literal

Runtime = Literal["Python", "Node.js", "Ruby", "Java", "Go", "other"]
Way = Literal["preload", "proxy", "names"]

Known = Literal["run", "read", "assumed"]

KNOWN: Final[dict[Known, str]] = {
    "run": "a program with the library ran that way, calls and WebSocket",
    "read": "from the source of the library; no program with it was run that way",
    "assumed": "from what the way reaches; the library is not known",
}

WAYS: Final[dict[Way, str]] = {
    "preload": "a few lines that its runtime loads first; they lead connections for slack.com to the front",
    "proxy": "the variables HTTPS_PROXY and https_proxy, or the properties of a JVM",
    "names": "a hosts file in a mount namespace of its own: add --attach-by names",
}


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of one library, or of a runtime where no such library is found.

    Args:
        package: the name under which the runtime's packages know it; "" for the runtime itself.
        below: the first major version for which the row does not hold; None if it holds for all from ``since``.
        way: what carries both legs.
        known: how that is known; see ``KNOWN``. Of a runtime itself it is assumed.
        setting: how the program could be given another address instead, which needs a change of it; "" if it cannot.
    """

    runtime: Runtime
    package: str
    way: Way
    known: Known
    why: str
    setting: str = ""
    since: int = 0
    below: int | None = None

    @property
    def title(self) -> str:
        """The library with its versions, for people."""
        if not self.package:
            return f"{self.runtime} with another library" if self.runtime != "other" else "anything else"
        if self.below is None:
            return f"{self.package} {self.since} and newer" if self.since else self.package
        last = self.below - 1
        return f"{self.package} {last}" if self.since >= last else f"{self.package} up to {last}"

    def holds_for(self, version: str) -> bool:
        """Whether the row is about that version; one that cannot be read is taken as the oldest."""
        head = version.lstrip("v").split(".")[0]
        major = int(head) if head.isdecimal() else 0
        return self.since <= major and (self.below is None or major < self.below)


ROWS: Final = (
    Row(
        "Python", "slackclient", "preload", "run",
        "slack.com is written into it. Its old websocket-client reads only the lower-case https_proxy",
        below=2,
    ),
    Row(
        "Python", "slackclient", "preload", "run",
        "its WebSocket (aiohttp) takes no proxy",
        'slack.RTMClient(token=…, base_url=os.environ["SLACK_API_URL"])', since=2, below=3,
    ),
    Row("Python", "slacker", "preload", "run", "slack.com is written into it"),
    Row("Python", "slackbot", "preload", "run", "it calls through slacker, into which slack.com is written"),
    Row("Python", "errbot", "preload", "run", "its Slack backends use slackclient, without a setting for the address"),
    Row(
        "Python", "slack-sdk", "preload", "run",
        "the preload works below all of its clients; the proxy carries most of them",
        'RTMClient(token=…, base_url=os.environ["SLACK_API_URL"])',
    ),
    Row("Python", "", "preload", "assumed", "the preload works below the library, in socket.getaddrinfo"),
    Row(
        "Node.js", "hubot-slack", "preload", "run", "it uses @slack/client 3, without a setting for the address",
        below=5,
    ),
    Row(
        "Node.js", "@slack/client", "preload", "run",
        "slack.com is written into it where the program does not give it slackAPIUrl. "
        "It reads only the lower-case https_proxy for its WebSocket",
        below=4,
    ),
    Row(
        "Node.js", "@slack/client", "preload", "run", "it reads no variables of proxies",
        "new RTMClient(token, { slackApiUrl: process.env.SLACK_API_URL })", since=4, below=5,
    ),
    Row(
        "Node.js", "@slack/rtm-api", "preload", "run", "it reads no variables of proxies",
        "new RTMClient(token, { slackApiUrl: process.env.SLACK_API_URL })",
    ),
    Row(
        "Node.js", "@slack/socket-mode", "preload", "run", "it reads no variables of proxies",
        "new SocketModeClient({ appToken, clientOptions: { slackApiUrl: process.env.SLACK_API_URL } })",
    ),
    Row("Node.js", "slackbots", "preload", "run", "slack.com is written into it, and its WebSocket takes no proxy"),
    Row("Node.js", "botkit", "preload", "read", "slack.com is written into it"),
    Row("Node.js", "", "preload", "assumed", "the preload works below the library, in net.Socket"),
    Row(
        "Ruby", "eventmachine", "names", "read",
        "it opens its connections in C, below what a preload can change, and takes no proxy",
    ),
    Row(
        "Ruby", "slack-ruby-client", "preload", "run",
        "its WebSocket takes no proxy and knows no port but 443, so the setting is for its calls only",
        'Slack::Web::Config.endpoint = ENV["SLACK_API_URL"]',
    ),
    Row("Ruby", "", "preload", "assumed", "the preload works below the library, in TCPSocket and Addrinfo"),
    Row("Java", "simpleslackapi", "names", "run", "slack.com is written into it, and its calls take no proxy"),
    Row(
        "Java", "slack-api-client", "proxy", "run",
        "both its legs take the proxy of the JVM's properties",
        'SlackConfig.setMethodsEndpointUrlPrefix(System.getenv("SLACK_API_URL"))',
    ),
    Row("Java", "", "names", "assumed", "not every library of Java takes the proxy of the JVM's properties"),
    Row(
        "Go", "github.com/slack-go/slack", "proxy", "run",
        "both its legs take the proxy of the environment, as net/http does",
        'slack.New(token, slack.OptionAPIURL(os.Getenv("SLACK_API_URL")))',
    ),
    Row(
        "Go", "github.com/nlopes/slack", "proxy", "run",
        "both its legs take the proxy of the environment, as net/http does",
        'slack.New(token, slack.OptionAPIURL(os.Getenv("SLACK_API_URL")))',
    ),
    Row("Go", "", "proxy", "assumed", "net/http takes the proxy of the environment, unless the program says otherwise"),
    Row("other", "", "names", "assumed", "what it does with variables is not known"),
)  # fmt: skip


def row_of(runtime: Runtime, package: str, version: str) -> Row | None:
    """Return the row of a library; None if there is none."""
    return next(
        (row for row in ROWS if row.runtime == runtime and row.package == package and row.holds_for(version)), None
    )


def default_of(runtime: Runtime) -> Row:
    """Return the row of a runtime whose library is not known."""
    return next(row for row in ROWS if row.runtime == runtime and not row.package)


def packages_of(runtime: Runtime) -> frozenset[str]:
    """Return the libraries of a runtime that the table has."""
    return frozenset(row.package for row in ROWS if row.runtime == runtime and row.package)
