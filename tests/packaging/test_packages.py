"""The wheel and the source distribution as ``python -m build`` makes them, and each extra in a fresh environment."""

import re
import subprocess
import sys
import tarfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import pytest

import tautwire
from environments import Environment, install
from tools.release import MOST_BYTES

ROOT = Path(__file__).parents[2]
COMMAND_ADVICE = 'pip install "tautwire[server] @ git+'


class Packages(NamedTuple):
    wheel: Path
    sdist: Path

    @property
    def metadata(self) -> Message:
        with ZipFile(self.wheel) as wheel:
            (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
            return message_from_bytes(wheel.read(name))


def build(source: Path, target: Path, *kinds: str) -> None:
    arguments = [sys.executable, "-m", "hatchling", "build", "-d", str(target)]
    subprocess.run(
        [*arguments, *(word for kind in kinds for word in ("-t", kind))],
        cwd=source,
        capture_output=True,
        timeout=100,
        check=True,
    )


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    target = tmp_path_factory.mktemp("dist")
    build(ROOT, target, "wheel", "sdist")
    (wheel,), (sdist,) = target.glob("*.whl"), target.glob("*.tar.gz")
    return Packages(wheel, sdist)


@pytest.fixture(scope="module")
def bare(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """What ``pip install tautwire`` makes; the tests only read it."""
    return install(packages.wheel, "", tmp_path_factory.mktemp("bare") / "venv")


def files_of(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


# --- what is in them ---


def test_the_wheel_has_the_package_and_nothing_else(packages: Packages) -> None:
    files = {name for name in files_of(packages.wheel) if ".dist-info/" not in name}
    sources = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "src/tautwire"], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode()

    assert files == {name.removeprefix("src/") for name in sources.split() if (ROOT / name).exists()}
    assert "tautwire/py.typed" in files
    assert any(name.endswith(".sql") for name in files)
    assert packages.wheel.stat().st_size < MOST_BYTES[".whl"], "what else came in?"


def test_the_source_distribution_has_what_the_wheel_is_built_from(packages: Packages) -> None:
    with tarfile.open(packages.sdist) as archive:
        files = {name.partition("/")[2] for name in archive.getnames()}

    assert {name for name in files if not name.startswith("src/tautwire/")} == {
        ".gitignore",
        "CHANGELOG.md",
        "LICENSE",
        "PKG-INFO",
        "README.md",
        "hatch_build.py",
        "pyproject.toml",
    }
    assert packages.sdist.stat().st_size < MOST_BYTES[".gz"]


def test_the_source_distribution_builds_the_same_wheel(packages: Packages, tmp_path: Path) -> None:
    with tarfile.open(packages.sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    build(source, tmp_path / "dist", "wheel")
    (again,) = (tmp_path / "dist").glob("*.whl")

    assert again.read_bytes() == packages.wheel.read_bytes()


# --- what they say ---


def test_the_versions_agree(packages: Packages) -> None:
    assert packages.metadata["Version"] == tautwire.__version__


def test_the_extras_are_those_that_the_documents_name(packages: Packages) -> None:
    page = (ROOT / "docs" / "how-to" / "install.md").read_text()

    extras = packages.metadata.get_all("Provides-Extra")

    assert sorted(extras or []) == ["all", "client", "postgres", "server", "speed", "testing", "traces"]
    assert sorted(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == sorted(extras or [])


def test_the_readme_leads_somewhere_outside_a_checkout(packages: Packages) -> None:
    text = str(packages.metadata.get_payload())
    targets = re.findall(r"\]\(([^)\s]+)\)", text)

    assert len(targets) > 10
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []
    for kind, path in re.findall(r"/OWNER/tautwire/(blob|raw)/HEAD/([^)#\s]+)", text):
        assert (ROOT / path).exists(), (kind, path)
    assert "/raw/HEAD/docs/pictures/demo.svg)" in text


def test_the_address_of_the_repository_is_the_same_everywhere(packages: Packages) -> None:
    (_, url) = str(packages.metadata["Project-URL"]).split(", ")
    for page in ("README.md", "docs/how-to/install.md"):
        named = re.findall(r"git\+(https://[\w./-]+?)(?=[@\"'\s]|$)", (ROOT / page).read_text(), re.MULTILINE)
        assert set(named) == {url}, page


# --- fresh environments ---


def test_the_bare_package_is_the_client(packages: Packages, bare: Environment, tmp_path: Path) -> None:
    named = install(packages.wheel, "client", tmp_path / "venv")
    program = "from tautwire import BlockingRTMClient, RTMClient\nRTMClient('xoxb-1', 'http://127.0.0.1:9/api/')"

    assert named.requirements == bare.requirements
    assert bare.requirements.isdisjoint({"typer", "uvicorn", "starlette", "uvloop", "pytest"})
    for environment in (bare, named):
        finished = environment.run("python", "-c", program)
        assert (finished.returncode, finished.stderr) == (0, "")


def test_importing_loads_nothing_but_the_standard_library(bare: Environment) -> None:
    program = "import sys, tautwire; print(*(m.__file__ for m in sys.modules.values() if getattr(m, '__file__', None)))"

    loaded = bare.run("python", "-c", program)

    assert loaded.returncode == 0, loaded.stderr
    ours = [file for file in loaded.stdout.split() if "site-packages" in file]
    assert ours == [str(bare.site / "tautwire" / "__init__.py")]


def test_the_command_of_the_bare_package_helps_and_says_what_to_install(bare: Environment) -> None:
    version = bare.run("tautwire", "--version")
    assert (version.returncode, version.stdout, version.stderr) == (0, f"{tautwire.__version__}\n", "")
    assistance = bare.run("tautwire", "--help")
    assert (assistance.returncode, assistance.stderr) == (0, "")
    assert COMMAND_ADVICE in assistance.stdout
    assert "Usage:" in assistance.stdout
    for arguments in (["serve", "--port", "0"], ["demo"], []):
        refused = bare.run("tautwire", *arguments)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert COMMAND_ADVICE in refused.stderr
        assert "typer is not installed" in refused.stderr
        assert "Traceback" not in refused.stderr
    module = bare.run("python", "-m", "tautwire", "--version")
    assert (module.returncode, module.stdout) == (0, version.stdout)


def test_speed_adds_uvloop_to_the_client(packages: Packages, bare: Environment, tmp_path: Path) -> None:
    environment = install(packages.wheel, "speed", tmp_path / "venv")

    assert environment.requirements == bare.requirements | {"uvloop"}
    finished = environment.run("python", "-c", "import uvloop; from tautwire import RTMClient")
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("extra", ["server", "all"])
def test_the_server_comes_with_its_extra(packages: Packages, tmp_path: Path, extra: str) -> None:
    environment = install(packages.wheel, extra, tmp_path / "venv")

    assert ("pytest" in environment.requirements) is (extra == "all")
    demo = environment.run("tautwire", "demo")
    assert demo.returncode == 0, demo.stderr
    assert '"type":"goodbye"' in demo.stdout


def test_the_fixtures_come_with_testing(packages: Packages, tmp_path: Path) -> None:
    environment = install(packages.wheel, "testing", tmp_path / "venv")
    (tmp_path / "test_bot.py").write_text(
        "async def test_it(workspace):\n"
        "    await workspace.person('alice').say('#general', 'hello')\n"
        "    await workspace.channel('#general').wait_for(text='hello')\n"
    )

    finished = environment.run(
        "python", "-m", "pytest", "-o", "asyncio_mode=auto", "-p", "no:cacheprovider", cwd=tmp_path
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "1 passed" in finished.stdout
