"""The examples run, against our server, as their readers would start them."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from needs import need

from tautwire.testing import BlockingWorkspace

HERE = Path(__file__).parents[2] / "examples"

QUICK_STARTS = sorted(HERE.glob("quickstart*.py"))


@pytest.mark.parametrize("example", QUICK_STARTS, ids=lambda path: path.name)
def test_the_example_runs_to_its_end(example: Path, blocking_workspace: BlockingWorkspace) -> None:
    environment = os.environ | {
        "SLACK_API_URL": blocking_workspace.api_url,
        "SLACK_BOT_TOKEN": blocking_workspace.person("bot").token,
    }

    finished = subprocess.run(
        [sys.executable, str(example)], env=environment, capture_output=True, text=True, timeout=60, check=False
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stderr == ""
    assert "error:" not in finished.stdout
    for shown in (
        "connected as bot",
        '"type":"hello"',
        "stored at",
        "active",
        "closed: closed by us\n",
    ):
        assert shown in finished.stdout
    # The replaced connection ends by itself or, where disconnect() is quicker, with the other one.
    assert re.search("closed: (replaced|closed by us, another is there)", finished.stdout), finished.stdout
    assert blocking_workspace.channel("general").wait_for("Hello from RTM", user="bot")


def test_prometheus_sees_the_life_of_a_bot(blocking_workspace: BlockingWorkspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | {
        "SLACK_API_URL": blocking_workspace.api_url,
        "SLACK_BOT_TOKEN": blocking_workspace.person("bot").token,
        "METRICS_PORT": str(port),
    }
    bot = subprocess.Popen([sys.executable, str(HERE / "prometheus_metrics.py")], env=environment)
    try:
        scraped(port, 'rtm_client_state{rtm_client_state="ready"} 1.0')
        blocking_workspace.person("alice").say("general", "ping")
        assert blocking_workspace.channel("general").wait_for("pong", user="bot")
        text = scraped(port, 'rtm_reply_seconds_count{kind="message",outcome="delivered"} 1.0')
        assert re.search(r'rtm_handler_seconds_count\{handler="[^"]*answer"\} [12]\.0', text)
        assert re.search(r'rtm_queue_depth\{handler="[^"]*answer"\} 0\.0', text)
        assert 'rtm_events_total{type="MessageEvent"}' in text
        blocking_workspace.faults.links[-1].rst()
        scraped(port, 'rtm_connections_ended_total{cause="dropped"} 1.0')
        bot.send_signal(signal.SIGINT)
        assert bot.wait(20) == 0
    finally:
        bot.kill()
        bot.wait(20)


def scraped(port: int, wanted: str) -> str:
    """Return the metrics as soon as they hold a line."""
    deadline = time.monotonic() + 30
    text = ""
    while wanted not in text:
        assert time.monotonic() < deadline, text
        time.sleep(0.05)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                text = answer.read().decode()
        except OSError:  # not there yet
            continue
    return text


def test_a_bot_of_forty_lines_does_its_work_and_ends_in_order(blocking_workspace: BlockingWorkspace) -> None:
    example = HERE / "todo_bot.py"
    assert len([line for line in example.read_text().splitlines() if line.strip()]) <= 40
    general, alice = blocking_workspace.channel("#general"), blocking_workspace.person("alice")
    environment = os.environ | {
        "SLACK_API_URL": blocking_workspace.api_url,
        "SLACK_BOT_TOKEN": blocking_workspace.person("bot").token,
        "PYTHONUNBUFFERED": "1",
    }
    with subprocess.Popen(
        [sys.executable, str(example)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as bot:
        try:
            blocking_workspace.wait_for_connection("bot", within=20)
            milk = alice.say("#general", "@bot buy milk")
            general.wait_for_reaction("memo", to=milk, within=20)
            asked = alice.say("#general", "@bot list")
            assert general.wait_for("• buy milk", user="bot", within=20).event["thread_ts"] == asked.ts
            alice.react(milk, "white_check_mark")
            assert general.wait_for("done: buy milk", user="bot", within=20).event["thread_ts"] == milk.ts
            alice.say("#general", "@bot list")
            assert general.wait_for("nothing to do", user="bot", within=20)
            bot.send_signal(signal.SIGTERM)
            printed, _ = bot.communicate(timeout=20)
        finally:
            bot.kill()
    assert bot.returncode == 0, printed
    assert "stopped with 0 to do" in printed
    assert "Traceback" not in printed, printed


def test_a_test_in_node_speaks_as_a_user_and_waits_for_the_answer(tmp_path: Path) -> None:
    node = need("node", "Node.js 20 or newer")
    command = [sys.executable, "-m", "tautwire", "serve", "--json", "--port", "0", "--data", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            printed = json.loads(server.stdout.readline())
            environment = os.environ | {
                "CONTROL_URL": printed["control"]["url"],
                "CONTROL_SECRET": printed["control"]["secret"],
                "SLACK_API_URL": printed["api_url"],
            }
            finished = subprocess.run(
                [str(node), "--test", str(HERE / "control_api.test.mjs")],
                env=environment, capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
        finally:
            server.kill()

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "pass 3" in finished.stdout
