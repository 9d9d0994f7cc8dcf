"""The examples in Node.js, Go and Java: an app of each language, and tests that start a workspace and drive it."""

import os
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest
from needs import skip_for

from conformance.programs import BUILD, GO, JAVA, MAVEN, NODE, NPM, NPM_CI, Client

EXAMPLES = Path(__file__).parents[2] / "examples"

CASES = [
    Client(
        "node",
        "the example with Bolt for JavaScript",
        "Node.js",
        ("node", "--test"),
        tools=(NODE, NPM),
        build=NPM_CI,
        home=EXAMPLES,
    ),
    Client(
        "go",
        "the example with slack-go",
        "Go",
        ("go", "test", "-count=1", "-v", "./..."),
        tools=(GO,),
        build=(("go", "vet", "./..."),),
        home=EXAMPLES,
    ),
    Client(
        "java",
        "the example with Bolt for Java",
        "Java",
        ("mvn", "--batch-mode", f"-Dmaven.repo.local={BUILD / 'm2'}", "test"),
        tools=(JAVA, MAVEN),
        home=EXAMPLES,
    ),
]

PASSED = {
    "node": "pass 2",
    "go": "--- PASS: TestTheAppFilesATicketAndClosesIt",
    "java": "Tests run: 2, Failures: 0, Errors: 0",
}


@pytest.mark.timeout(900)  # the first build downloads packages
@pytest.mark.parametrize("example", CASES, ids=lambda example: example.name)
def test_the_tests_of_an_app_start_a_workspace_and_pass(example: Client) -> None:
    lack = example.lack()
    skip_for(f"{example.title}: {lack}" if lack is not None else None)
    example.prepare()
    environment = os.environ | {
        "TAUTWIRE": f"{sysconfig.get_path('scripts')}/tautwire",
        "GOTOOLCHAIN": "local",
    }

    finished = subprocess.run(
        example.command, cwd=example.directory, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, check=False,
    )  # fmt: skip

    assert finished.returncode == 0, finished.stdout
    assert PASSED[example.name] in finished.stdout, finished.stdout


def test_the_page_shows_the_examples_as_they_are() -> None:
    page = (EXAMPLES.parent / "docs" / "how-to" / "testing" / "test-an-app.md").read_text()
    shown = re.findall(r"^```(js|go|java)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    tests = {
        "js": "node/desk.test.mjs",
        "go": "go/desk_test.go",
        "java": "java/src/test/java/example/DeskTest.java",
    }

    assert [kind for kind, _ in shown] == [*tests]
    for kind, code in shown:
        assert code in (EXAMPLES / tests[kind]).read_text(), code
