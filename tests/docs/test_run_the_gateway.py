"""The part "Try it without Slack" of the page about the gateway works as one copies it."""

import json
import re
import subprocess
from pathlib import Path

from shells import PATIENCE, environment, running

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "gateway" / "run-the-gateway.md").read_text()
PART = PAGE.partition("## Try it without Slack")[2]
ADDRESS = "http://127.0.0.1:8065/"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PART, re.MULTILINE | re.DOTALL)


def shell(command: str, folder: Path) -> None:
    subprocess.run(["bash", "-ec", command], cwd=folder, env=environment(), timeout=PATIENCE, check=True)


def test_an_old_bot_answers_a_person_through_the_gateway(tmp_path: Path) -> None:
    manifest, serve, gateway, speak = blocks("sh")
    (tmp_path / "seed.yaml").write_text(blocks("yaml")[0])
    (tmp_path / "bot.py").write_text(blocks("py")[0])
    shell(manifest, tmp_path)
    with running(f"{serve.strip()} --port 0 --json", tmp_path) as server:
        facts = json.loads(next(line for line in server if line.startswith("{")))
        commands = gateway.replace(ADDRESS, facts["api_url"].removesuffix("api/"))
        commands = commands.replace("gateway run", "gateway run --port 0")
        with running(f"set -e\n{commands}", tmp_path) as relayed:
            lines = []
            for line in relayed:
                lines.append(line)
                if re.search(r"connection 1 of \w+ opened", line):
                    break
            assert "connection 1 of" in lines[-1], "".join(lines)
            assert not [line for line in lines if "WARNING" in line], "".join(lines)
            say, tail = speak.strip().splitlines()
            shell(say, tmp_path)
            with running(tail, tmp_path) as said:
                assert any("pong" in line for line in said)
