"""Which way a program is said to take: read from its command, its files and its packages."""

import json
import sys
import zipfile
from pathlib import Path

import pytest

from tautwire.attach.explain.explanation import Explanation, explain
from tautwire.attach.explain.ways import ROWS, Row, row_of
from tautwire.protocol.errors import ConfigError


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def npm_package(folder: Path, name: str, version: str) -> None:
    about = folder / "node_modules" / name / "package.json"
    about.parent.mkdir(parents=True)
    about.write_text(json.dumps({"name": name, "version": version}))


def python_package(folder: Path, name: str, version: str) -> None:
    about = folder / f"{name}-{version}.dist-info" / "METADATA"
    about.parent.mkdir(parents=True)
    about.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A Python whose packages are in a folder of the test."""
    paths = json.dumps(["", str(tmp_path / "packages")])
    return script(tmp_path / "bin" / "python3.11", f"#!/bin/sh\necho '{paths}'\n")


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that is all of the PATH, with a Node, a Ruby and a Java that nobody runs."""
    for name in ("node", "ruby", "java", "bundle"):
        script(tmp_path / "path" / name, "#!/bin/false\n")
    return tmp_path / "path"


def explained(folder: Path, *command: str) -> Explanation:
    return explain(command, {"PATH": str(folder / "path")}, folder)


def libraries(explanation: Explanation) -> list[tuple[str, str]]:
    return [(found.library, found.version) for found in explanation.libraries]


@pytest.mark.parametrize(("version", "setting"), [("1.3.2", False), ("2.9.3", True)])
def test_a_python_script_is_told_by_the_packages_of_its_interpreter(
    tmp_path: Path, python: Path, version: str, setting: bool
) -> None:
    python_package(tmp_path / "packages", "slackclient", version)
    python_package(tmp_path / "packages", "requests", "2.34.2")
    script(tmp_path / "bot.py", f"#!{python}\n")
    explanation = explained(tmp_path, "./bot.py")
    assert (explanation.runtime, explanation.way) == ("Python", "preload")
    assert libraries(explanation) == [("slackclient", version)]
    assert bool(explanation.libraries[0].setting) is setting


def test_names_of_python_packages_are_compared_in_their_normal_form(tmp_path: Path, python: Path) -> None:
    python_package(tmp_path / "packages", "slack_sdk", "3.40.0")
    assert libraries(explained(tmp_path, str(python), "bot.py")) == [("slack-sdk", "3.40.0")]


@pytest.mark.parametrize("option", ["-I", "-E", "-S", "-uE"])
def test_python_that_ignores_its_environment_is_led_by_names(tmp_path: Path, python: Path, option: str) -> None:
    explanation = explained(tmp_path, str(python), option, "bot.py")
    assert explanation.way == "names"
    assert explanation.warnings


@pytest.mark.parametrize("option", [("-u",), ("-W", "error"), ("-Werror::ImportWarning",), ("-X", "dev"), ("-m", "ES")])
def test_other_options_of_python_change_nothing(tmp_path: Path, python: Path, option: tuple[str, ...]) -> None:
    assert explained(tmp_path, str(python), *option, "bot.py").way == "preload"


def test_a_hubot_is_found_behind_its_shell_script(tmp_path: Path, path: Path) -> None:
    script(tmp_path / "bin/hubot", '#!/bin/sh\nset -e\nexec node_modules/.bin/hubot --name "bot" "$@"\n')
    script(tmp_path / "node_modules/.bin/hubot", "#!/usr/bin/env coffee\n")  # a coffee that only the script's PATH has
    npm_package(tmp_path, "hubot-slack", "4.10.0")
    npm_package(tmp_path, "@slack/client", "3.16.1-sec.2")
    explanation = explained(tmp_path, "env", "HUBOT_LOG_LEVEL=debug", "bin/hubot", "-a", "slack")
    assert (explanation.runtime, explanation.way) == ("Node.js", "preload")
    assert libraries(explanation) == [("@slack/client", "3.16.1-sec.2"), ("hubot-slack", "4.10.0")]


def test_packages_of_node_are_looked_for_in_the_folders_above_the_script(tmp_path: Path, path: Path) -> None:
    npm_package(tmp_path, "@slack/rtm-api", "7.0.4")
    script(tmp_path / "src/lib/bot.js", "")
    (tmp_path / "src/node_modules/@slack/client").mkdir(parents=True)
    explanation = explained(tmp_path / "src", str(path / "node"), "-r", "dotenv/config", "lib/bot.js")
    assert libraries(explanation) == [("@slack/rtm-api", "7.0.4")]


def test_gems_are_read_from_the_lock_file(tmp_path: Path, path: Path) -> None:
    (tmp_path / "Gemfile.lock").write_text(
        "GEM\n  specs:\n    eventmachine (1.2.7)\n    slack-ruby-client (0.14.0)\n      faraday (>= 0.9)\n"
    )
    explanation = explained(tmp_path, "bundle", "exec", "ruby", "bot.rb")
    assert libraries(explanation) == [("eventmachine", "1.2.7"), ("slack-ruby-client", "0.14.0")]
    assert explanation.way == "names"  # what asks for more decides


def test_java_is_told_by_the_jars_of_its_class_path(tmp_path: Path, path: Path) -> None:
    for name in ("simpleslackapi-1.4.0.jar", "gson-2.8.0.jar"):
        with zipfile.ZipFile(tmp_path / name, "w"):
            pass
    explanation = explained(tmp_path, "java", "-Xmx64m", "-cp", "classes:*", "bot.Program")
    assert (explanation.way, libraries(explanation)) == ("names", [("simpleslackapi", "1.4.0")])


def test_java_is_told_by_what_is_packed_into_a_jar(tmp_path: Path, path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bot.jar", "w") as jar:
        jar.writestr("META-INF/maven/com.slack.api/slack-api-client/pom.properties", "version=1.45.0\n")
    explanation = explained(tmp_path, "java", "-jar", "bot.jar", "--verbose")
    assert (explanation.way, libraries(explanation)) == ("proxy", [("slack-api-client", "1.45.0")])


def test_a_program_of_go_is_told_by_the_modules_in_it(tmp_path: Path) -> None:
    modules = (
        b"\xff Go buildinf:\x08\x02path\tbot\nmod\tbot\t(devel)\t\ndep\tgithub.com/slack-go/slack\tv0.35.0\th1:x=\n"
    )
    (tmp_path / "bot").write_bytes(b"\x7fELF" + bytes(5000) + modules)
    explanation = explained(tmp_path, "./bot")
    assert (explanation.runtime, explanation.way) == ("Go", "proxy")
    assert libraries(explanation) == [("github.com/slack-go/slack", "v0.35.0")]


def test_another_program_is_led_by_names(tmp_path: Path) -> None:
    (tmp_path / "bot").write_bytes(b"\x7fELF" + bytes(5000))
    assert explained(tmp_path, "./bot").way == "names"


@pytest.mark.parametrize(
    ("text", "seen"),
    [("#!/bin/sh\nbot &\n", "not found"), ("#!/bin/sh\nexec $BOT\n", "not found"), ("\0\0", "neither")],
)
def test_what_cannot_be_told_is_said(tmp_path: Path, text: str, seen: str) -> None:
    script(tmp_path / "bot", text)
    explanation = explained(tmp_path, "./bot")
    assert explanation.runtime == "other"
    assert seen in explanation.seen[-1]


def test_a_command_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nosuch was not found"):
        explained(tmp_path, "nosuch")


def test_scripts_that_start_each_other_end_in_an_error(tmp_path: Path) -> None:
    script(tmp_path / "bot", f"#!{tmp_path}/bot\n")
    with pytest.raises(ConfigError, match="name the program itself"):
        explained(tmp_path, "./bot")


def test_the_lines_for_people_end_with_the_command_to_run(tmp_path: Path) -> None:
    (tmp_path / "bot").write_bytes(b"\x7fELF")
    *_, last = explained(tmp_path, "./bot", "a b").lines()
    assert last == "run: tautwire gateway run --attach-by names -- ./bot 'a b'"


def test_the_real_python_says_what_it_has() -> None:
    explanation = explain([sys.executable, "bot.py"], {}, Path.cwd())
    assert "slack-sdk" in dict(libraries(explanation))


@pytest.mark.parametrize("row", [row for row in ROWS if row.package], ids=lambda row: f"{row.runtime}: {row.title}")
def test_each_row_is_found_by_its_oldest_version(row: Row) -> None:
    assert row_of(row.runtime, row.package, f"v{row.since}.9") is row


def test_nothing_is_known_of_a_runtime_whose_library_is_not() -> None:
    assert {row.known for row in ROWS if not row.package} == {"assumed"}
    assert "assumed" not in {row.known for row in ROWS if row.package}


def test_what_was_not_run_is_said(tmp_path: Path) -> None:
    npm_package(tmp_path, "botkit", "0.7.4")
    (tmp_path / "bot.js").touch()
    lines = "\n".join(explained(tmp_path, "node", "bot.js").lines())
    assert "Known from the source of the library" in lines


def test_a_library_that_was_run_has_no_such_line(tmp_path: Path) -> None:
    npm_package(tmp_path, "@slack/rtm-api", "7.0.4")
    (tmp_path / "bot.js").touch()
    assert "Known" not in "\n".join(explained(tmp_path, "node", "bot.js").lines())
