"""The programs under test: what each needs, how it is built, and one running copy of it.

A program is an ordinary bot on somebody else's client, in a directory beside this file. Builds go to ``.build`` and are
kept until the sources or the tool change. What a program is asked and what it prints: README.md.
"""

import asyncio
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from conformance.inbox import Inbox, Transcript

HERE = Path(__file__).resolve().parent
BUILD = HERE / ".build"
BUILD_LIMIT = 540
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
"""What Debian and others trust."""


@dataclass(frozen=True)
class Tool:
    """A command that a program needs.

    Args:
        probe: the command that prints its version.
        at_least: the version needed, compared number by number.
        advice: what to install where it is missing.
    """

    probe: tuple[str, ...]
    at_least: tuple[int, ...]
    advice: str

    def lack(self) -> str | None:
        """Return what is missing, in a sentence; None if the tool is there."""
        try:
            done = subprocess.run(self.probe, capture_output=True, text=True, check=True, timeout=30)
        except (OSError, subprocess.SubprocessError):
            return f"{self.probe[0]} was not found: install {self.advice}"
        found = re.search(r"(?<![\d\[])\d+(\.\d+)*", done.stdout + done.stderr)  # not the 1 of a colour code
        version = tuple(int(part) for part in found[0].split(".")) if found else ()
        if version < self.at_least:
            wanted = ".".join(map(str, self.at_least))
            return f"{self.probe[0]} is older than {wanted}: install {self.advice}"
        return None


@dataclass(frozen=True)
class Client:
    """Somebody else's RTM client and our program for it.

    Args:
        name: the program's directory.
        title: the client's own name.
        tools: what has to be installed.
        build: commands that make it ready, run in a copy of its directory.
        command: what starts it, in that copy.
        dies_after_send: a known defect of the client: the error with which the reconnect or disconnect after a
            send ends its process. None if there is none.
        acks_last: an app that acknowledges an event when its handler has ended, so one that is killed after its answer
            may get the event again.
        home: the folder in which the program's directory is.
    """

    name: str
    title: str
    language: str
    command: tuple[str, ...]
    tools: tuple[Tool, ...] = ()
    build: tuple[tuple[str, ...], ...] = ()
    dies_after_send: str | None = None
    acks_last: bool = False
    home: Path = HERE

    @property
    def directory(self) -> Path:
        """Where the built program is."""
        return BUILD / self.name

    def lack(self) -> str | None:
        """Return what is missing to run it, in a sentence; None if nothing is."""
        return next((lack for tool in self.tools if (lack := tool.lack())), None)

    def prepare(self) -> None:
        """Copy and build the program, unless that was done with these very sources.

        Raises:
            RuntimeError: a build command failed; the text has its output.
        """
        BUILD.mkdir(exist_ok=True)
        with (BUILD / f"{self.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            stamp = self.directory / ".stamp"
            wanted = self._stamp()
            if stamp.is_file() and stamp.read_text() == wanted:
                return
            shutil.rmtree(self.directory, ignore_errors=True)
            shutil.copytree(self.home / self.name, self.directory, ignore=shutil.ignore_patterns("__pycache__"))
            for command in self.build:
                self._run(command)
            stamp.write_text(wanted)

    def _run(self, command: tuple[str, ...]) -> None:
        done = subprocess.run(
            command,
            cwd=self.directory,
            env={**_certificates(), **os.environ, "GOTOOLCHAIN": "local"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=BUILD_LIMIT,
        )
        if done.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(command)} failed with {done.returncode}:\n{done.stdout}")

    def _stamp(self) -> str:
        digest = hashlib.sha256(repr(self.build).encode())
        for path in sorted(path for path in (self.home / self.name).rglob("*") if path.is_file()):
            if "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(self.home)}\0".encode() + path.read_bytes())
        return digest.hexdigest()


def _certificates() -> dict[str, str]:
    """Return the variable by which npm trusts what the system trusts, as the other tools do by themselves.

    Node.js has a list of its own. Behind a proxy that opens TLS, as companies have, npm fails with it alone.
    """
    return {"NODE_EXTRA_CA_CERTS": str(CERTIFICATES)} if CERTIFICATES.is_file() else {}


NODE = Tool(("node", "--version"), (18,), "Node.js 18 or newer with npm")
NPM = Tool(("npm", "--version"), (8,), "npm")
GO = Tool(("go", "version"), (1, 26), "Go 1.26 or newer")
JAVA = Tool(("javac", "-version"), (11,), "a JDK, 11 or newer")
NPM_CI = (("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"),)
"""Installs what a lock file names."""
MAVEN = Tool(("mvn", "--version"), (3, 6), "Maven 3.6 or newer")

CLIENTS = (
    Client("python_rtm_v2", "slack_sdk rtm_v2", "Python", (sys.executable, "program.py")),
    Client("python_rtm_legacy", "slack_sdk rtm (legacy)", "Python", (sys.executable, "program.py")),
    Client(
        "node_rtm_api",
        "@slack/rtm-api",
        "Node.js",
        ("node", "program.js"),
        tools=(NODE, NPM),
        build=NPM_CI,
        dies_after_send=r"TypeError: .*\(reading 'cancel'\)",
    ),
    Client(
        "go_slack",
        "slack-go/slack",
        "Go",
        ("./program",),
        tools=(GO,),
        build=(("go", "build", "-buildvcs=false", "-o", "program", "."),),
    ),
    Client(
        "java_slack_api",
        "slack-api-client with Tyrus 1.x",
        "Java",
        ("java", "-cp", "target/program.jar:target/lib/*", "conformance.Program"),
        tools=(JAVA, MAVEN),
        build=(("mvn", "--quiet", "--batch-mode", f"-Dmaven.repo.local={BUILD / 'm2'}", "package"),),
    ),
)

SLACKTEST = Client(
    "go_slacktest",
    "slack-go's slacktest",
    "Go",
    ("./program",),
    tools=(GO,),
    build=(("go", "build", "-buildvcs=false", "-o", "program", "."),),
)
"""No client but a fake server, for our client: tests/scenarios/test_slacktest.py."""


BOLT = Client(
    "python_bolt",
    "Bolt for Python",
    "Python",
    ("bin/python", "program.py"),
    build=(
        (sys.executable, "-m", "venv", "."),
        ("bin/python", "-m", "pip", "install", "--quiet", "--require-hashes", "-r", "requirements.txt"),
    ),
)

NODE_BOLT = Client(
    "node_bolt",
    "Bolt for JavaScript",
    "Node.js",
    ("node", "program.js"),
    tools=(NODE, NPM),
    build=NPM_CI,
)

APPS = (
    BOLT,
    NODE_BOLT,
    Client(
        "node_socket_mode",
        "@slack/socket-mode",
        "Node.js",
        ("node", "program.js"),
        tools=(NODE, NPM),
        build=NPM_CI,
    ),
    Client(
        "java_bolt",
        "Bolt for Java in Socket Mode",
        "Java",
        ("java", "-cp", "target/program.jar:target/lib/*", "conformance.Program"),
        tools=(JAVA, MAVEN),
        build=(("mvn", "--quiet", "--batch-mode", f"-Dmaven.repo.local={BUILD / 'm2'}", "package"),),
        acks_last=True,
    ),
    Client(
        "go_socketmode",
        "slack-go/slack socketmode",
        "Go",
        ("./program",),
        tools=(GO,),
        build=(("go", "build", "-buildvcs=false", "-o", "program", "."),),
    ),
)
"""No RTM clients but apps: tests/conformance/test_apps.py."""


class Program:
    """A running copy of a client's program; the steps that it reports are in ``inbox``."""

    def __init__(self, client: Client, process: asyncio.subprocess.Process, transcript: Transcript) -> None:
        self.inbox = Inbox(client.name, transcript)
        self._name = client.name
        self._process = process
        self._transcript = transcript
        self._errors: list[str] = []
        self._watcher = asyncio.create_task(self._watch())

    @classmethod
    async def start(cls, client: Client, *, api_url: str, token: str, transcript: Transcript, **more: str) -> "Program":
        """Start the client's program; it has the API's URL and a token, nothing else of ours.

        Args:
            more: further variables of its environment.
        """
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        process = await asyncio.create_subprocess_exec(
            *client.command,
            cwd=client.directory,
            env={**environment, "SLACK_API_URL": api_url, "SLACK_BOT_TOKEN": token, **more},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        return cls(client, process, transcript)

    @property
    def last_error(self) -> str:
        """The line of its error output that names an error, the last one of these."""
        named = [line.strip() for line in self._errors if re.match(r"\s*(\w+\.)*\w*(Error|Exception|panic)\b.*:", line)]
        return named[-1] if named else "nothing on its error output"

    async def ended(self, within: float) -> int:
        """Wait until it ends by itself; return its exit code."""
        async with asyncio.timeout(within):
            return await asyncio.shield(self._watcher)

    async def stop(self) -> None:
        """End it, if it did not do so by itself."""
        if self._process.returncode is None:
            self._process.kill()
        await self._watcher

    async def _watch(self) -> int:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        await asyncio.gather(self._read_steps(self._process.stdout), self._read_errors(self._process.stderr))
        code = await self._process.wait()
        await self.inbox.end(f"it ended with exit code {code}")
        return code

    async def _read_steps(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            text = line.decode(errors="replace").rstrip()
            try:
                record = json.loads(text)
            except ValueError:
                record = None
            if isinstance(record, dict) and "step" in record:
                await self.inbox.put(record)
            else:
                self._transcript.note(self._name, text)  # what the client itself logs

    async def _read_errors(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            self._errors.append(line.decode(errors="replace").rstrip())
            self._transcript.note(f"{self._name} !", self._errors[-1])
