"""Programs that do not know another address than slack.com: a bot on each framework of the RTM era.

Each is the framework's own example with one answer in it. They are built like those of ``conformance.programs``, and
``tautwire gateway run -- CMD`` leads them to the gateway.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from conformance.programs import BUILD, GO, JAVA, MAVEN, NODE, NPM, NPM_CI, Client, Tool

HERE = Path(__file__).resolve().parent

RUBY = Tool(
    ("ruby", "-e", 'require "async/io"; require "faraday"; require "websocket/driver"; puts RUBY_VERSION'),
    (3, 1),
    "Ruby 3.1 with async-io, faraday and websocket-driver (Debian: ruby-async-io, ruby-faraday, ruby-websocket-driver)",
)

PYTHON_BUILD = (
    (sys.executable, "-m", "venv", "."),
    ("bin/python", "-m", "pip", "install", "--quiet", "--require-hashes", "-r", "requirements.txt"),
)
MAVEN_BUILD = (("mvn", "--quiet", "--batch-mode", f"-Dmaven.repo.local={BUILD / 'm2'}", "package"),)
JAVA_COMMAND = ("java", "-cp", "target/program.jar:target/lib/*", "bot.Program")


@dataclass(frozen=True)
class Old:
    """A program, and how it is led to us.

    Args:
        says: how the framework is named in its answer: "hello from …".
        by_names: whether it needs ``--attach-by names``.
        ends_without: whether it ends when the gateway is away: its library raises what the first try to connect again
            raises (slackclient 2), or has another defect there (@slack/rtm-api, after a send).
    """

    client: Client
    says: str
    by_names: bool = False
    ends_without: bool = False


def _python(name: str, title: str, *command: str) -> Client:
    return Client(name, title, "Python", command, build=PYTHON_BUILD, home=HERE)


def _node(name: str, title: str, *command: str) -> Client:
    return Client(name, title, "Node.js", command, tools=(NODE, NPM), build=NPM_CI, home=HERE)


def _java(name: str, title: str) -> Client:
    return Client(name, title, "Java", JAVA_COMMAND, tools=(JAVA, MAVEN), build=MAVEN_BUILD, home=HERE)


OLD = (
    Old(_node("hubot", "hubot 3.3 with hubot-slack 4.10", "bin/hubot", "-a", "slack", "-d"), "hubot"),
    Old(_python("slackclient_1", "slackclient 1.3", "bin/python", "program.py"), "slackclient"),
    Old(_python("slackbot", "slackbot 1.0", "bin/python", "run.py"), "slackbot"),
    Old(_python("errbot", "errbot 6.1", "bin/errbot", "-c", "config.py"), "errbot", ends_without=True),
    Old(Client("ruby_async", "Ruby", "Ruby", ("ruby", "program.rb"), tools=(RUBY,), home=HERE), "Ruby"),
    Old(_java("java_simple", "simple-slack-api"), "simple-slack-api", by_names=True),
    Old(_java("java_default", "slack-api-client"), "slack-api-client"),
    Old(_node("node_default", "@slack/rtm-api", "node", "program.js"), "@slack/rtm-api", ends_without=True),
    Old(
        Client("python_default", "slack_sdk rtm_v2", "Python", (sys.executable, "program.py"), home=HERE), "slack_sdk"
    ),
    Old(
        Client(
            "go_default", "slack-go/slack", "Go", ("./program",), tools=(GO,),
            build=(("go", "build", "-buildvcs=false", "-o", "program", "."),), home=HERE,
        ),
        "slack-go",
    ),
)  # fmt: skip
