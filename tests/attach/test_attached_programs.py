"""Programs with slack.com written into them, run by ``tautwire serve -- CMD`` and ``tautwire gateway run -- CMD``."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from needs import need

from fronts import PATIENCE
from gateway_process import TAUTWIRE, GatewayProcess
from scene import Scene, TurnedClock
from stage import BOT, SEED
from tautwire.attach.environment import PRELOADS, SWITCH, Way, environment_of
from tautwire.attach.hosts import NAMES
from tautwire.attach.trust import TrustFiles
from tautwire.cli.serve import _tokens
from tautwire.protocol.errors import ConfigError
from tautwire.server.directory import Directory

LONG = 6 * PATIENCE
"""Seconds for a command with a program in it, on a busy machine."""

PYTHON = """
import asyncio, json, os, sys, urllib.parse, urllib.request
import aiohttp
if "direct" in sys.argv:  # as libraries that know no proxies
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
token = os.environ["SLACK_BOT_TOKEN"]
def call(host, method):
    data = urllib.parse.urlencode({"token": token}).encode()
    with urllib.request.urlopen(f"https://{host}/api/{method}", data, timeout=30) as response:
        return json.load(response)
who = call("www.slack.com", "auth.test")
url = call("slack.com", "rtm.connect")["url"]
async def main():
    async with aiohttp.ClientSession(trust_env="direct" not in sys.argv) as http:
        async with http.post("https://slack.com/api/auth.test", data={"token": token}) as response:
            again = await response.json()
        async with http.ws_connect(url) as ws:
            first = await ws.receive_json()
    print(json.dumps({"user": who["user"], "again": again["user"], "url": url, "first": first}), flush=True)
asyncio.run(main())
"""

NODE = """
const https = require('https')
for (const name of Object.keys(process.env)) if (/_proxy$/i.test(name)) delete process.env[name]
const body = 'token=' + process.env.SLACK_BOT_TOKEN
const call = (host, method) => new Promise((resolve, reject) => {
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': body.length }
  const request = https.request({ host, path: '/api/' + method, method: 'POST', headers }, response => {
    let text = ''
    response.on('data', data => { text += data }).on('end', () => resolve(JSON.parse(text)))
  })
  request.on('error', reject).end(body)
})
const open = url => new Promise((resolve, reject) => {
  const headers = {
    Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': 13,
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ=='
  }
  const request = https.get(url.replace('wss:', 'https:'), { headers })
  request.on('error', reject).on('response', response => reject(new Error(response.statusCode)))
  request.on('upgrade', (_, socket, head) => {
    const frame = data => { resolve(JSON.parse(data.subarray(2).toString())); socket.destroy() }
    head.length ? frame(head) : socket.once('data', frame)
  })
})
async function main () {
  const who = await call('slack.com', 'auth.test')
  const { url } = await call('WWW.slack.com', 'rtm.connect')
  console.log(JSON.stringify({ user: who.user, again: who.user, url, first: await open(url) }))
}
main().catch(error => { console.log(String(error)); process.exit(1) })
"""


async def serve(
    directory: Path, *command: str, options: tuple[str, ...] = (), **variables: str
) -> tuple[int, str, str]:
    """Run ``tautwire serve -- CMD``; return exit code, output and log."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("TAUTWIRE_", "SLACK_"))}
    process = await asyncio.create_subprocess_exec(
        TAUTWIRE, "serve", "--data", str(directory / "data"), "--port", "0", "--", *command,
        env=kept, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), LONG)
    return process.returncode or 0, out.decode(), err.decode()


def check(out: str, log: str) -> None:
    """See that both legs of a program have arrived."""
    said = json.loads(out.splitlines()[-1])
    assert said.pop("url").startswith("wss://wss-primary.slack.com/rtm/")
    assert said == {"user": "relaybot", "again": "relaybot", "first": {"type": "hello"}}
    assert "opened" in log


@pytest.mark.parametrize("way", ["proxied", "direct"])
async def test_a_python_program_is_attached(tmp_path: Path, way: str) -> None:
    code, out, log = await serve(tmp_path, sys.executable, "-c", PYTHON, way)
    assert code == 0, out + log
    check(out, log)


async def test_a_node_program_is_attached(tmp_path: Path) -> None:
    code, out, log = await serve(tmp_path, str(need("node", "Node 20 or newer")), "-e", NODE)
    assert code == 0, out + log
    check(out, log)


def test_a_sitecustomize_of_the_operator_runs_too(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import builtins; builtins.own_was_here = __name__\n")
    files = TrustFiles(tmp_path / "root.pem", tmp_path / "bundle.pem", tmp_path / "store.p12")
    way = Way("http://localhost:1/api/", "127.0.0.1:1", "slack.com", files)
    environment = environment_of({"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}, way, "token")
    program = "import sitecustomize, socket; print(own_was_here, sitecustomize.__file__, socket.getaddrinfo.__module__)"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=LONG
    )
    assert done.stdout.split() == ["sitecustomize", str(tmp_path / "sitecustomize.py"), "sitecustomize"]
    environment.pop("ATTACHED_FRONT")
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=LONG
    )
    assert done.stdout.split()[2] == "socket", "without its variable a preload does nothing"


def test_a_program_gets_the_token_of_the_only_bot_or_of_the_one_that_is_named() -> None:
    secrets = {"bot_token": "xoxb-1", "app_token": "xapp-1"}
    users = {"desk": {"id": "U1", "token": "xoxb-1"}, "alice": {"id": "U2", "token": "xoxp-2"}}
    one = {Path("a"): Directory("", {}, users, {}, {"desk": secrets})}
    assert _tokens(one, None) == ("xoxb-1", "xapp-1")
    assert _tokens(one, "alice") == ("xoxp-2", None)
    with pytest.raises(ConfigError, match="no token of 'nobody' is known"):
        _tokens(one, "nobody")
    two = {Path("a"): Directory("", {}, users, {}, {"desk": secrets, "other": secrets})}
    with pytest.raises(ConfigError, match="with --as: desk, other"):
        _tokens(two, None)


async def test_a_gateway_attaches_programs_that_others_start(tmp_path: Path) -> None:
    async with Scene.opened(tmp_path / "upstream", TurnedClock(), seed=SEED) as upstream:
        secrets = upstream.directory.apps[BOT]
        gateway = GatewayProcess(tmp_path, upstream.server.api_url, secrets, "--attach", "on")
        try:
            await gateway.start()
            attach = gateway.about["attach"]
            assert attach["hosts"] == [*NAMES, "acme.slack.com"]
            assert Path(attach["root"]).parent == tmp_path / "gateway" / "attach"
            assert attach["front"] == attach["proxy"].removeprefix("http://")
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", PYTHON,
                env={
                    "PATH": os.environ["PATH"], "SLACK_BOT_TOKEN": gateway.token, "SSL_CERT_FILE": attach["bundle"],
                    "HTTPS_PROXY": attach["proxy"], "PYTHONPATH": str(PRELOADS / "python"),
                    SWITCH: f"{attach['front']} {','.join(attach['hosts'])}",
                },
                stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            out, _ = await asyncio.wait_for(process.communicate(), LONG)
            said = json.loads(out)
            assert (said["user"], said["first"]["type"]) == (BOT, "hello")

            headers = {"Authorization": f"Bearer {gateway.token}"}
            async with upstream.http.post(gateway.api_url + "rtm.connect", headers=headers) as response:
                url = json.loads(await response.read())["url"]
            plain = gateway.api_url.replace("http:", "ws:").removesuffix("api/")
            assert url.startswith(f"{plain}rtm/"), "who calls by the base URL stays there"
        finally:
            await gateway.end()
