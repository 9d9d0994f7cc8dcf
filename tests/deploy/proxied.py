"""nginx and Caddy in front of a real server, started with the files of ``deploy/proxy``."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from needs import need
from operated import Operated, eventually, operated

sys.path.insert(0, str(Path(__file__).parents[1] / "scenarios"))

from certificates import Certificates

FILES = Path(__file__).parents[2] / "deploy" / "proxy"
SEED = """
team: {name: Acme, domain: acme}
users: [{name: alice}, {name: bob}]
apps: [{name: desk, socket_mode: true, bot_events: [app_mention, message.channels]}]
channels: [{name: general, members: [alice, bob, desk]}]
"""


@dataclass
class Front:
    """A proxy with TLS, and the server behind it."""

    server: Operated
    port: int
    plain_port: int
    ca_file: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/"

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def fronted(name: str) -> Iterator[Front]:
    """Serve behind the proxy of this name."""
    start = {"nginx": _nginx, "caddy": _caddy}[name]
    program = need(name, {"nginx": "the Debian package nginx-light", "caddy": "the Debian package caddy"}[name])
    directory = Path(tempfile.mkdtemp(prefix="tautwire-front-"))
    directory.chmod(0o755)  # nginx gives up the rights of root
    port, plain_port = free_port(), free_port()
    try:
        with operated(
            directory / "data", "--public-url", f"https://localhost:{port}", "--port", str(free_port()), seed=SEED
        ) as server:
            command, environment, ca_file = start(program, directory, server, port, plain_port)
            with (directory / "front.log").open("ab") as log:
                process = subprocess.Popen(command, cwd=directory, env=environment, stdout=log, stderr=log)
            try:
                eventually(lambda: process.poll() is not None or _answers(port), "the proxy does not listen")
                assert process.poll() is None, (directory / "front.log").read_text()
                yield Front(server, port, plain_port, ca_file)
            finally:
                process.terminate()
                process.wait(30)
                print((directory / "front.log").read_text()[-6_000:])
    finally:
        shutil.rmtree(directory)


def _nginx(
    program: Path, directory: Path, server: Operated, port: int, plain_port: int
) -> tuple[list[str], dict[str, str], Path]:
    """Write the file with other ports and certificates, and the frame that Debian's nginx.conf is elsewhere."""
    certificates = Certificates.make(directory)
    text = (FILES / "nginx.conf").read_text()
    for pattern, value in (
        (r"listen 80;", f"listen 127.0.0.1:{plain_port};"),
        (r"listen 443 ", f"listen 127.0.0.1:{port} "),
        (r" *listen \[::\].*\n", ""),
        (r"chat\.example\.com;", "localhost;"),
        (r"server 127\.0\.0\.1:8065;", f"server {server.origin.removeprefix('http://')};"),
        (r"/etc/letsencrypt/live/chat\.example\.com/fullchain\.pem", str(directory / "good.pem")),
        (r"/etc/letsencrypt/live/chat\.example\.com/privkey\.pem", str(directory / "good.key")),
    ):
        text, count = re.subn(pattern, value, text)
        assert count, pattern
    (directory / "site.conf").write_text(text)
    temporary = "".join(f"{each}_temp_path {directory}/{each};\n" for each in ("client_body", "proxy", "fastcgi",
                                                                             "uwsgi", "scgi"))  # fmt: skip
    user = "user root;" if os.getuid() == 0 else ""
    (directory / "nginx.conf").write_text(
        f"{user}\ndaemon off;\nworker_processes 1;\npid {directory}/nginx.pid;\nerror_log {directory}/front.log;\n"
        "events { worker_connections 128; }\n"
        f"http {{\n{temporary}access_log off;\ninclude {directory}/site.conf;\n}}\n"
    )
    command = [str(program), "-p", str(directory), "-e", str(directory / "front.log"), "-c",
               str(directory / "nginx.conf")]  # fmt: skip
    return command, dict(os.environ), certificates.ca_file


def _caddy(
    program: Path, directory: Path, server: Operated, port: int, plain_port: int
) -> tuple[list[str], dict[str, str], Path]:
    """Put options before the file: other ports, and certificates of Caddy's own CA in place of a public one."""
    options = (
        f"{{\n\tadmin off\n\tlocal_certs\n\tskip_install_trust\n\thttp_port {plain_port}\n\thttps_port {port}\n"
        "\tdefault_bind 127.0.0.1\n}\n"
    )
    (directory / "Caddyfile").write_text(options + (FILES / "Caddyfile").read_text())
    environment = {
        **os.environ, "XDG_DATA_HOME": str(directory), "XDG_CONFIG_HOME": str(directory),
        "TAUTWIRE_DOMAIN": "localhost", "TAUTWIRE_UPSTREAM": server.origin.removeprefix("http://"),
    }  # fmt: skip
    command = [str(program), "run", "--config", str(directory / "Caddyfile"), "--adapter", "caddyfile"]
    return command, environment, directory / "caddy" / "pki" / "authorities" / "local" / "root.crt"


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
