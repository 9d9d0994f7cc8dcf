"""The test that the page on watching and breaking shows passes against a server."""

import json
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "testing" / "watch-and-break.md"


def test_the_test_on_the_page_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"^```py\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    command = [sys.executable, "-m", "tautwire", "serve", "--json", "--port", "0", "--data", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            printed = json.loads(server.stdout.readline())
            monkeypatch.setenv("CONTROL_URL", printed["control"]["url"])
            monkeypatch.setenv("CONTROL_SECRET", printed["control"]["secret"])
            page: dict[str, Any] = {}
            exec(code, page)  # noqa: S102 - code of our own page
            page["control"]("user.add", name="zoe")
            token = page["control"]("token.issue", user="zoe")["token"]
            page["control"]("channel.add", name="lab", members=["zoe"])

            def post(text: str) -> None:
                """Post as a bot does that tries again."""
                body = urllib.parse.urlencode({"channel": "lab", "text": text}).encode()
                request = urllib.request.Request(f"{printed['api_url']}chat.postMessage", body)  # noqa: S310
                request.add_header("Authorization", f"Bearer {token}")
                with pytest.raises(urllib.error.HTTPError, match="429"):
                    urllib.request.urlopen(request)  # noqa: S310 - our own server
                urllib.request.urlopen(request).close()  # noqa: S310

            threads: list[threading.Thread] = []

            def bot(text: str) -> None:
                threads.append(threading.Thread(target=post, args=[text]))
                threads[-1].start()

            page["test_the_bot_tries_again"](bot)
            threads[0].join()
        finally:
            server.terminate()


@pytest.mark.parametrize("heading", ["Watch", "Break", "Turn the time", "Wait"])
def test_every_part_shows_a_request(heading: str) -> None:
    section = PAGE.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]

    assert "curl" in section
