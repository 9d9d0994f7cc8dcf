"""Programs that are led by names: a hosts file of their own, and a network of their own where port 443 is forbidden."""

import asyncio
import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from needs import skip_for
from packaging.requirements import Requirement

import tautwire
from fronts import PATIENCE, Fronted, OpenFront
from tautwire.attach import inside, namespace
from tautwire.attach.hosts import Hosts
from tautwire.attach.namespace import Names
from tautwire.protocol.errors import ConfigError

SYSTEM_PYTHON = "/usr/bin/python3"
"""One that users without rights can start."""
NOBODY = 65_534

ASK = """
import http.client, os, socket, ssl, sys
bundle, port, *hosts = sys.argv[1:]
context = ssl.create_default_context(cafile=bundle)
for host in hosts:
    connection = http.client.HTTPSConnection(host, context=context, timeout=60)
    connection.request("GET", "/api/api.test")
    print(host, connection.getresponse().status)
socket.create_connection(("127.0.0.1", int(port)), 60).close()
print(os.environ["SLACK_API_URL"])
"""
HOSTS = ("slack.com", "www.slack.com", "wss-primary.slack.com", "api.slack.com")


def lack() -> str | None:
    if sys.platform != "linux":
        return "namespaces are there on Linux only"
    done = subprocess.run(("unshare", "-mn", "true"), capture_output=True, check=False)
    return None if os.getuid() == 0 and done.returncode == 0 else "namespaces need root here"


@pytest.fixture
async def fronted(open_front: OpenFront) -> Fronted:
    skip_for(lack())
    return await open_front()


def names(fronted: Fronted, folder: Path) -> Names:
    return Names(Hosts(), fronted.authority.root, folder, fronted.front)


async def asked(names: Names, *command: str) -> tuple[int, str]:
    """Run a program that is led by names; return its exit code and its output, which it writes to a file."""
    shell = ("sh", "-c", 'exec "$@" > "$OUTPUT" 2>&1', "sh")
    with tempfile.NamedTemporaryFile("r") as output:
        environment = {**os.environ, "SLACK_API_URL": "http://localhost:8066/api/", "OUTPUT": output.name}
        process = await names.start((*shell, *command), environment)
        code = await asyncio.wait_for(process.wait(), 3 * PATIENCE)
        return code, output.read()


@pytest.mark.parametrize("has_network", [True, False])
async def test_a_program_reaches_the_front_by_the_names_and_port_443(
    fronted: Fronted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_network: bool
) -> None:
    if not has_network:
        monkeypatch.setattr(namespace, "_listener", lambda: None)  # as for a user who may not listen on 443
    root = str(fronted.authority.root)
    code, output = await asked(names(fronted, tmp_path), sys.executable, "-c", ASK, root, str(fronted.port), *HOSTS)
    api_url = "http://localhost:8066/api/" if has_network else "https://slack.com/api/"
    assert output.split("\n") == [*(f"{host} 200" for host in HOSTS), api_url, ""], output
    assert code == 0
    assert [seen.split()[1] for seen in fronted.seen] == list(HOSTS)


def hosts_file() -> bytes:
    return namespace.HOSTS_FILE.read_bytes()


async def test_the_machine_keeps_its_own_files(fronted: Fronted, tmp_path: Path) -> None:
    before = hosts_file()
    code, output = await asked(names(fronted, tmp_path), "grep", "-c", "slack.com", "/etc/hosts")
    assert (code, output) == (0, f"{len(HOSTS)}\n")
    assert hosts_file() == before


@pytest.mark.parametrize("bundle", [path for path in namespace.SYSTEM_BUNDLES if Path(path).is_file()])
async def test_the_bundle_of_the_system_has_our_root(fronted: Fronted, tmp_path: Path, bundle: str) -> None:
    code, output = await asked(names(fronted, tmp_path), "cat", bundle)
    assert (code, output) == (0, fronted.authority.root.read_text())


def command_of(process: int) -> bytes:
    return Path(f"/proc/{process}/cmdline").read_bytes()


async def test_the_number_of_the_process_is_that_of_the_program(fronted: Fronted, tmp_path: Path) -> None:
    process = await names(fronted, tmp_path).start(("sleep", "600"), os.environ)
    assert command_of(process.pid) == b"sleep\x00600\x00"
    process.terminate()
    assert await asyncio.wait_for(process.wait(), PATIENCE) == -15


async def test_a_program_that_is_not_there_is_an_error(fronted: Fronted, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nosuch cannot be started: No such file or directory"):
        await names(fronted, tmp_path).start(("nosuch",), os.environ)


async def test_another_address_of_the_front_needs_the_network_of_the_machine(
    fronted: Fronted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(namespace, "_listener", lambda: None)
    fronted.front.host = "0.0.0.0"
    with pytest.raises(ConfigError, match=r"without 0\.0\.0\.0: leave --attach-host out"):
        await names(fronted, tmp_path).start(("true",), os.environ)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can read."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def as_nobody() -> tuple[str, ...]:
    """Return the begin of a command that a user without rights runs, with a Python that it may start."""
    skip_for(lack())
    user = ("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
    can = subprocess.run((*user, "unshare", "-Urmn", "true"), capture_output=True, check=False).returncode == 0
    skip_for(None if can and Path(SYSTEM_PYTHON).exists() else "users may make no namespaces here")
    return (*user, SYSTEM_PYTHON)


def copy_installed(folder: Path) -> None:
    """Copy tautwire and all that it needs to where each user may read it."""
    left, names = ["tautwire"], set()
    while left:
        name = left.pop()
        found = None if name in names else distribution(name)
        names.add(name)
        for file in (found and found.files) or ():
            if ".." not in file.parts and file.suffix not in (".pth", ".pyc"):
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file.locate(), folder / file)
        wanted = [Requirement(each) for each in (found and found.requires) or ()]
        left += [each.name for each in wanted if each.marker is None or each.marker.evaluate({"extra": "server"})]
    shutil.copytree(Path(tautwire.__file__).parent, folder / "tautwire", dirs_exist_ok=True)


def test_a_user_without_rights_runs_a_program_with_the_address_of_slack_written_into_it(open_folder: Path) -> None:
    """Everything without root: the server, the front, the names, port 443 and the program."""
    begin = as_nobody()
    version = subprocess.run((*begin, "-V"), capture_output=True, text=True, check=True).stdout
    if not version.startswith(f"Python {sys.version_info.major}.{sys.version_info.minor}."):
        pytest.skip(f"the packages that are installed here are not for {version.strip()}")
    copy_installed(open_folder / "packages")
    os.chown(open_folder, NOBODY, NOBODY)
    program = (
        'import os, urllib.request; print(os.getuid(), urllib.request.urlopen("https://slack.com/api/api.test").read())'
    )
    done = subprocess.run(
        (*begin, "-m", "tautwire", "serve", "--port", "0", "--data", str(open_folder / "data"), "--attach-by", "names",
         "--", SYSTEM_PYTHON, "-c", program),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(open_folder / "packages"), "HOME": str(open_folder)},
        cwd=open_folder, capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"""{NOBODY} b'{{"ok":true}}'""" in done.stdout.splitlines()


def test_a_user_without_rights_gets_the_names_and_port_443_and_stays_who_it_is(open_folder: Path) -> None:
    begin = as_nobody()
    shutil.copy(inside.__file__, open_folder / "inside.py")
    (open_folder / "hosts").write_text("127.0.0.1 slack.com\n")
    here, there = socket.socketpair()
    ask = "getent hosts slack.com; id -u"
    work: dict[str, Any] = {
        "channel": there.fileno(), "covers": [("/etc/hosts", str(open_folder / "hosts"))],
        "listen": [("127.0.0.1", 443)], "own_network": True, "command": ["sh", "-c", ask],
    }  # fmt: skip
    command = (*begin, "-I", "-S", str(open_folder / "inside.py"), json.dumps(work))
    with subprocess.Popen(command, pass_fds=[there.fileno()], stdout=subprocess.PIPE, text=True) as process:
        there.close()
        here.settimeout(PATIENCE)
        answer, descriptors, _, _ = socket.recv_fds(here, 4096, 2)
        assert json.loads(answer) == {}
        (listener,) = (socket.socket(fileno=descriptor) for descriptor in descriptors)
        with listener:
            assert listener.getsockname() == ("127.0.0.1", 443)
        here.sendall(b"1")
        output, _ = process.communicate(timeout=PATIENCE)
    here.close()
    assert output.split() == ["127.0.0.1", "slack.com", str(NOBODY)]


@pytest.mark.parametrize(
    ("file", "setting"),
    [("kernel/unprivileged_userns_clone", "0"), ("kernel/apparmor_restrict_unprivileged_userns", "1"), (None, "")],
)
def test_an_error_says_what_forbids_namespaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str | None, setting: str
) -> None:
    monkeypatch.setattr(namespace, "SETTINGS", tmp_path)
    if file is not None:
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text(f"{setting}\n")
    fault = {"step": "enter new namespaces", "errno": errno.EPERM, "error": "Operation not permitted"}
    text = namespace._explained(fault, ("bot",))
    assert "could not enter new namespaces: Operation not permitted" in text
    assert (f"{file.replace('/', '.')} = {setting} forbids it" if file else "as containers do") in text
    assert "gateway-cookbook.md" in text


@pytest.mark.parametrize(
    ("line", "is_wrong"),
    [
        ("hosts: files dns", False),
        ("hosts: mymachines resolve [!UNAVAIL=return] files dns", True),
        ("hosts: files mdns4_minimal [NOTFOUND=return] dns", False),
        ("hosts: dns", True),
        ("passwd: files", False),
    ],
)
def test_names_have_to_be_looked_up_in_the_hosts_file_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, is_wrong: bool
) -> None:
    monkeypatch.setattr(namespace, "NAME_SERVICES", tmp_path / "nsswitch.conf")
    namespace._check_name_services()  # no such file: as with musl
    (tmp_path / "nsswitch.conf").write_text(f"# hosts: dns\n{line}\n")
    if is_wrong:
        with pytest.raises(ConfigError, match="put 'files' before"):
            namespace._check_name_services()
    else:
        namespace._check_name_services()
