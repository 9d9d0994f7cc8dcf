"""The files of ``deploy/container``, as far as they can be tried without a container: no test here builds an image."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from operated import operated

from tautwire.cli.serve import TABLE
from tautwire.server.services.seed import read_seed
from tautwire.server.sources import read_settings

ROOT = Path(__file__).parents[2]
FILES = ROOT / "deploy" / "container"
INSTRUCTIONS = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "CMD"}


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", (FILES / "Containerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines if line]


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FILES / "compose.yaml").read_text())
    return found


def environment() -> dict[str, str]:
    """Return the variables of the server in the image and in Compose."""
    image = dict(
        part.split("=", 1) for name, rest in instructions() if name == "ENV" for part in shlex.split(rest)
    )  # fmt: skip
    return image | {name: str(value) for name, value in compose()["services"]["tautwire"]["environment"].items()}


def test_an_image_runs_as_nobody_and_is_looked_after() -> None:
    found = instructions()

    assert {name for name, _ in found} <= INSTRUCTIONS
    last = found[[name for name, _ in found].index("FROM", 1) :]
    (user,) = [rest for name, rest in last if name == "USER"]
    assert int(user.partition(":")[0]) > 0
    assert {"HEALTHCHECK", "CMD", "VOLUME"} <= {name for name, _ in last}


def test_all_that_an_image_copies_is_there_and_not_ignored() -> None:
    kept = {line[1:] for line in (FILES / "Containerfile.dockerignore").read_text().splitlines() if line[0] == "!"}
    for name, rest in instructions():
        if name == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert source in kept, source


def test_the_pins_of_an_image_are_those_of_the_tests(tmp_path: Path) -> None:
    (script,) = [
        part for name, rest in instructions() for part in rest.split(" && ") if name == "RUN" and "sed" in part
    ]
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "dev.txt").write_text((ROOT / "requirements" / "dev.txt").read_text())
    subprocess.run(["sh", "-c", script], cwd=tmp_path, check=True)

    pins = (tmp_path / "pins.txt").read_text()
    assert re.search(r"^picows==[\d.]+", pins, re.MULTILINE)
    assert re.search(r"^psycopg==[\d.]+", pins, re.MULTILINE)
    assert "--hash" not in pins
    assert "\\" not in pins


@pytest.mark.parametrize("place", ["image", "compose"])
def test_each_variable_is_a_setting(place: str) -> None:
    variables = {name: value for name, value in environment().items() if name.startswith("TAUTWIRE_")}
    given = {name: re.sub(r"\$\{(\w+)[^}]*\}", "example", value) for name, value in variables.items()}

    configuration = read_settings(TABLE, {}, given, None)

    assert configuration.unknown_variables == []
    assert configuration.chosen["host"].value == "0.0.0.0"
    assert place


def test_the_workspace_of_the_files_can_be_planted() -> None:
    assert [user.name for user in read_seed(FILES / "seed.yaml").users] == ["alice"]


def test_a_container_is_healthy_while_it_answers(tmp_path: Path) -> None:
    (check,) = [rest for name, rest in instructions() if name == "HEALTHCHECK"]
    command = yaml.safe_load(check.partition("CMD ")[2])
    assert command[0] == "python"

    def is_healthy(port: str) -> bool:
        finished = subprocess.run(
            [sys.executable, *command[1:]], env={"TAUTWIRE_PORT": port}, capture_output=True, timeout=60, check=False
        )
        return finished.returncode == 0

    with operated(tmp_path / "data") as server:
        port = server.origin.rpartition(":")[2]
        assert is_healthy(port)
    assert not is_healthy(port)


def test_services_wait_for_each_other_and_keep_their_data() -> None:
    found = compose()
    services = found["services"]

    assert services["tautwire"]["depends_on"]["postgres"]["condition"] == "service_healthy"
    assert services["tautwire"]["cap_drop"] == ["ALL"]
    assert services["tautwire"]["read_only"] is True
    assert "ports" not in services["tautwire"], "callers come through the front alone"
    named = {volume.partition(":")[0] for each in services.values() for volume in each["volumes"]}
    assert {volume for volume in named if not volume.startswith(".")} == set(found["volumes"])
    for volume in named - set(found["volumes"]):
        assert (FILES / volume).exists(), volume
    assert (ROOT / services["tautwire"]["build"]["dockerfile"]).exists()
