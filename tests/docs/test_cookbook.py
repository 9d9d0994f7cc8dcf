"""The recipes of docs/how-to/bots/cookbook.md do what they say."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from slack_sdk import WebClient

from tautwire.testing import BlockingWorkspace
from tests.docs.bot import Bot

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "bots" / "cookbook.md"
RECIPES = dict(re.findall(r"^## (.+?)\n.*?^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL))
PATIENCE = 30.0


@pytest.fixture
def cook(blocking_workspace: BlockingWorkspace, tmp_path: Path) -> Any:
    """Start a recipe's bot; it is connected when this returns."""
    bots: list[Bot] = []

    def start(title: str) -> Bot:
        program = tmp_path / "bot.py"
        program.write_text(f"{RECIPES[title]}\n\nimport asyncio\n\nasyncio.run(client.run())\n")
        bots.append(Bot(program, blocking_workspace))
        return bots[-1]

    yield start
    for bot in bots:
        bot.close()


Cook = Callable[[str], Bot]


@pytest.mark.parametrize(
    ("title", "said", "answered"),
    [
        ("Mentions and links", "report", re.compile(r"^<@U\w+>: <https://ci.example.com/42\|build &lt;42&gt;> in <#C")),
        ("Long texts", "log", re.compile(r"^step 1 of 1000\n")),
        ("Files", "minutes", "<https://files.example.com/minutes.pdf|minutes.pdf>"),
        ("Many channels", "announce", "maintenance at six"),
        ("Channel names", "relay hello", "from general: hello"),
        ("Catch a failed send", "post to C0NOSUCH", re.compile("^refused: invalid channel id")),
    ],
)
def test_a_recipe_answers(
    title: str, said: str, answered: str | re.Pattern[str], cook: Cook, blocking_workspace: BlockingWorkspace
) -> None:
    cook(title)

    blocking_workspace.person("alice").say("general", said)

    blocking_workspace.channel("general").wait_for(answered, user="bot", within=PATIENCE)


def test_a_reply_is_in_the_thread(cook: Cook, blocking_workspace: BlockingWorkspace) -> None:
    alice, general = blocking_workspace.person("alice"), blocking_workspace.channel("general")
    cook("Reply in a thread")

    first = alice.say("general", "help")
    assert general.wait_for(user="bot", within=PATIENCE).event["thread_ts"] == first.ts
    alice.say("general", "help", thread_ts=first.ts)
    assert general.wait_for(user="bot", within=PATIENCE).event["thread_ts"] == first.ts


def test_reactions_are_made_and_heard(cook: Cook, blocking_workspace: BlockingWorkspace) -> None:
    alice, general = blocking_workspace.person("alice"), blocking_workspace.channel("general")
    cook("Reactions")
    line = alice.say("general", "deploy prod")

    web = WebClient(alice.token, base_url=blocking_workspace.api_url)
    web.reactions_add(channel=general.id, timestamp=line.ts, name="white_check_mark")

    assert general.wait_for("approved", user="bot", within=PATIENCE).event["thread_ts"] == line.ts


def test_blocks_are_read(cook: Cook, blocking_workspace: BlockingWorkspace) -> None:
    alice, general = blocking_workspace.person("alice"), blocking_workspace.channel("general")
    bot = cook("Blocks")

    web = WebClient(alice.token, base_url=blocking_workspace.api_url)
    web.chat_postMessage(channel=general.id, text="x", blocks=[{"type": "divider"}])

    assert bot.wait_for("block:") == "block: divider"


def test_presence_is_watched(cook: Cook, blocking_workspace: BlockingWorkspace) -> None:
    alice = blocking_workspace.person("alice")
    bot = cook("Presence")

    alice.say("general", "watch me")

    assert bot.wait_for("presence:").split()[1] == alice.id


def test_karma_outlives_the_bot(
    cook: Cook, blocking_workspace: BlockingWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, general = blocking_workspace.person("alice"), blocking_workspace.channel("general")
    monkeypatch.setenv("KARMA", str(tmp_path / "karma.sqlite"))

    for total in (1, 2):
        bot = cook("Keep state in SQLite")
        alice.say("general", "bob++")
        general.wait_for(f"bob has {total}", user="bot", within=PATIENCE)
        bot.close()


def test_every_recipe_is_tried() -> None:
    tried = Path(__file__).read_text()

    assert [title for title in RECIPES if f'"{title}"' not in tried] == []
