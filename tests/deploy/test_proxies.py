"""The files of ``deploy/proxy``, run: nginx and Caddy with TLS in front of a real server."""

import asyncio
import io
import json
import os
import subprocess
from collections.abc import Iterator

import aiohttp
import pytest
from operated import eventually
from slack_sdk import WebClient
from slack_sdk.web.async_client import AsyncWebClient

from proxied import Front, fronted
from tautwire import MessageEvent, RTMClient

PATIENCE = 60.0


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def front(request: pytest.FixtureRequest) -> Iterator[Front]:
    with fronted(request.param) as front:
        yield front


async def test_a_bot_talks_rtm_through_it(front: Front) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    client = RTMClient(token=front.server.token("bob"), base_url=front.api_url, ssl=front.trust)

    @client.on(MessageEvent)
    async def listen(event: MessageEvent) -> None:
        heard.put_nowait(event.text or "")

    general = front.server.facts["channels"]["general"]
    web = AsyncWebClient(token=front.server.token("alice"), base_url=front.api_url, ssl=front.trust)
    async with asyncio.timeout(PATIENCE), client:
        ack = await client.say(general, "over wss")
        await web.chat_postMessage(channel=general, text="over https")
        assert ack.ts
        assert await heard.get() == "over https"


async def test_an_app_gets_its_events_in_socket_mode_through_it(front: Front) -> None:
    app = front.server.facts["apps"]["desk"]
    web = AsyncWebClient(token=app["app_token"], base_url=front.api_url, ssl=front.trust)
    opened = await web.apps_connections_open(app_token=app["app_token"])
    url = str(opened["url"])
    assert url.startswith(f"wss://localhost:{front.port}/")
    alice = AsyncWebClient(token=front.server.token("alice"), base_url=front.api_url, ssl=front.trust)
    timeout, http = asyncio.timeout(PATIENCE), aiohttp.ClientSession()
    async with timeout, http, http.ws_connect(url, ssl=front.trust) as link:
        assert (await link.receive_json())["type"] == "hello"
        await alice.chat_postMessage(channel=front.server.facts["channels"]["general"], text="for the app")
        while True:
            envelope = await link.receive_json()
            await link.send_json({"envelope_id": envelope["envelope_id"]})
            if envelope["payload"]["event"]["text"] == "for the app":
                break


async def test_a_file_goes_up_and_down_through_it(front: Front) -> None:
    content = os.urandom(3 * 1_048_576)
    web = WebClient(token=front.server.token("alice"), base_url=front.api_url, ssl=front.trust, timeout=60)
    general = front.server.facts["channels"]["general"]
    uploaded = await asyncio.to_thread(web.files_upload_v2, channel=general, content=content, filename="large.bin")
    url = str(uploaded["file"]["url_private_download"])
    assert url.startswith(front.url)
    headers = {"Authorization": f"Bearer {front.server.token('alice')}"}
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers, ssl=front.trust) as answer:
        assert await answer.read() == content


async def test_what_is_for_operators_stays_on_the_machine(front: Front) -> None:
    async with aiohttp.ClientSession() as http:
        for path in ("/metrics", "/readyz", "/_control/v1/team.show"):
            async with http.get(front.url + path, ssl=front.trust) as answer:
                assert answer.status == 404, path
        async with http.get(f"{front.url}/healthz", ssl=front.trust) as answer:
            assert answer.status == 200


async def test_a_body_that_is_too_large_is_refused(front: Front) -> None:
    async with aiohttp.ClientSession() as http:
        for size, refused in ((1_000_000, False), (1_100_000, True)):
            body = io.BytesIO(b'{"text":"%b"}' % (b"x" * size))
            headers = {"Content-Type": "application/json"}
            async with http.post(f"{front.api_url}api.test", data=body, headers=headers, ssl=front.trust) as answer:
                assert (answer.status == 413) is refused


async def test_callers_without_tls_are_sent_to_it(front: Front) -> None:
    async with aiohttp.ClientSession() as http:
        url = f"http://localhost:{front.plain_port}/api/api.test"
        async with http.get(url, allow_redirects=False) as answer:
            assert 300 <= answer.status < 400
            assert answer.headers["Location"].startswith("https://localhost")


async def test_an_address_that_a_caller_writes_does_not_count(front: Front) -> None:
    headers = {"Authorization": "Bearer xoxb-1-wrong", "X-Forwarded-For": "203.0.113.7"}
    http = aiohttp.ClientSession()
    async with http, http.post(f"{front.api_url}auth.test", headers=headers, ssl=front.trust) as answer:
        assert (await answer.json())["error"] == "invalid_auth"

    eventually(lambda: "invalid_auth" in front.server.log.read_text(), "the failed login is not in the log")
    assert "203.0.113.7" not in front.server.log.read_text()


def test_the_doctor_finds_nothing_to_change(front: Front) -> None:
    finished = subprocess.run(
        front.server.command("doctor", "--json", "--public-url", front.url),
        capture_output=True, text=True, timeout=PATIENCE, check=False,
        env={**os.environ, "SSL_CERT_FILE": str(front.ca_file)},
    )  # fmt: skip

    findings = {each["check"]: each for each in json.loads(finished.stdout)["findings"]}
    assert finished.returncode == 0, findings
    assert findings["WebSockets"]["outcome"] == "ok"
    assert findings["body size"]["outcome"] == "ok"
    assert "it ends in" in findings["certificate"]["text"]
