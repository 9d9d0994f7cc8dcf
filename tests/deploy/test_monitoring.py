"""The files of ``deploy/monitoring``: Prometheus reads them, and every name in them is one that is exported."""

import json
import re
import subprocess
from pathlib import Path

import aiohttp
import pytest
import yaml
from needs import need

from tautwire.gateway.config import GatewaySettings
from tautwire.gateway.gateway import Gateway
from tautwire.server.app import Server
from tautwire.server.config import Settings
from tools import dashboard

FILES = Path(__file__).parents[2] / "deploy" / "monitoring"
SEED = """
users: [{name: alice}]
apps: [{name: desk, socket_mode: true, bot_events: [message.channels]}]
channels: [{name: general, members: [alice, desk]}]
"""
PROMETHEUS = {"up"}
"""Names that Prometheus makes itself."""
NAME = re.compile(r"\b(?:tautwire|process)_\w+|\bup\b")


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = need("promtool", "the Debian package prometheus")
    return subprocess.run([program, *arguments], cwd=FILES, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", "alerts.yml"), ("check", "config", "prometheus.yml"), ("test", "rules", "alerts_test.yml")],
    ids=" ".join,
)
def test_prometheus_takes_the_files_and_the_rules_fire(arguments: tuple[str, ...]) -> None:
    finished = promtool(*arguments)

    assert finished.returncode == 0, finished.stdout + finished.stderr


def rules() -> list[dict[str, str]]:
    groups = yaml.safe_load((FILES / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> dict[str, str]:
    """Return every expression of rules and dashboard, by where it is."""
    found = {rule["alert"]: rule["expr"] for rule in rules()}
    for panel in dashboard.dashboard()["panels"]:
        for target in panel.get("targets", ()):
            found[f"{panel['title']} {target['refId']}"] = target["expr"]
    return found


async def exported(url: str) -> set[str]:
    """Return the names of all samples that a scrape can have."""
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        text = await answer.text()
    names: set[str] = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        names |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"} if kind == "histogram" else {name}
    return names


async def test_each_metric_in_the_files_is_exported(tmp_path: Path) -> None:
    seed = tmp_path / "seed.yaml"
    seed.write_text(SEED)
    async with Server(Settings(data=tmp_path / "data", port=0, seed=seed)) as server:
        app = (await server.directory()).apps["desk"]
        given = {"upstream_url": server.api_url, "bot_token": app["bot_token"], "app_token": app["app_token"]}
        settings = GatewaySettings(**given)  # type: ignore[arg-type]
        async with Gateway(settings, Settings(data=tmp_path / "gateway", port=0)) as gateway:
            known = await exported(f"http://127.0.0.1:{server.port}/metrics")
            known |= await exported(f"http://127.0.0.1:{gateway.port}/metrics")

    assert "tautwire_commit_seconds_bucket" in known
    assert "tautwire_upstream_connected" in known
    for place, expression in expressions().items():
        names = set(NAME.findall(expression))
        assert names, place
        assert names <= known | PROMETHEUS, (place, names - known)


def test_each_rule_says_what_happens_and_what_to_do() -> None:
    for rule in rules():
        annotations = rule["annotations"]
        assert set(annotations) == {"summary", "action"}, rule["alert"]  # type: ignore[arg-type]
        assert rule["labels"]["severity"] in ("critical", "warning")  # type: ignore[index]


def test_each_rule_is_tried() -> None:
    tried = (FILES / "alerts_test.yml").read_text()

    assert [rule["alert"] for rule in rules() if rule["alert"] not in tried] == []


def test_the_dashboard_is_what_its_table_says() -> None:
    assert dashboard.main(["--check"]) == 0
    panels = json.loads(dashboard.FILE.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= dashboard.WIDTH, panel["title"]
