"""The paths of the web page: its files, its links and sessions, and who may use them."""

import json
import re
from typing import Any, NamedTuple

import aiohttp
import pytest

from scene import OpenScene, Scene, TurnedClock
from tautwire.protocol.errors import ConfigError
from tautwire.server.config import Settings
from tautwire.server.page.files import Files
from tautwire.server.page.preload import joined, modules
from tautwire.server.page.sessions import LIFETIME, MAX_SESSIONS, Sessions


class Reply(NamedTuple):
    status: int
    headers: Any
    text: str


def root(scene: Scene) -> str:
    return scene.server.api_url.removesuffix("/api/")


async def ask(scene: Scene, verb: str, path: str, body: str = "", **headers: str) -> Reply:
    """Make a request as the page does; what is given goes on top, an empty value takes a header away."""
    given = {"Origin": root(scene), "Sec-Fetch-Site": "same-origin"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    given = {name: value for name, value in given.items() if value}
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
        http.request(verb, root(scene) + path, data=body or None, headers=given) as response,
    ):
        return Reply(response.status, response.headers, await response.text())


async def link(scene: Scene) -> str:
    found = (await scene.server.directory()).page
    assert found is not None
    return found


async def session(scene: Scene) -> str:
    """Open a session; return its cookie as a browser sends it."""
    reply = await opened(scene, await link(scene))
    assert reply.status == 200, reply
    return str(reply.headers["Set-Cookie"]).partition(";")[0]


async def opened(scene: Scene, link: str, **headers: str) -> Reply:
    key = link.partition("#key=")[2]
    return await ask(scene, "POST", "/_page/session", **{"Authorization": f"Bearer {key}", **headers})


@pytest.fixture
async def paged(open_scene: OpenScene) -> Scene:
    return await open_scene(page=True)


async def test_the_files_are_served_under_a_strict_policy(paged: Scene) -> None:
    page = await ask(paged, "GET", "/_page/")

    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "connect-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    again = await ask(paged, "GET", "/_page/", If_None_Match=page.headers["ETag"])
    assert (again.status, again.text) == (304, "")
    script = await ask(paged, "GET", "/_page/js/main.js")
    assert script.headers["Content-Type"] == "text/javascript; charset=utf-8"


def test_the_files_name_no_other_host_and_have_nothing_inline() -> None:
    for path, file in Files():
        text = file.data.decode()
        if path.endswith(".html"):
            assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=|<style", text), path
        if path.endswith(".js"):
            assert not re.search(
                r"\.innerHTML|\.outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text
            ), path
        hosts = set(re.findall(r"https?://([\w.-]+)", text)) - {"www.w3.org", "github.com"}
        assert not hosts, (path, hosts)


def test_the_page_asks_for_all_modules_of_its_script_and_for_one_style_sheet() -> None:
    texts = {path: file.data.decode() for path, file in Files()}
    page = re.sub(r"v-[0-9a-f]{16}/", "", texts[""])
    preloaded = re.findall(r'rel="modulepreload" href="([^"]+)"', page)

    assert preloaded == modules("js/main.js", texts)
    assert {"js/dom.js", "js/chat/pane.js", "js/blocks/act.js"} <= set(preloaded)
    assert "js/apps/page.js" not in preloaded  # it is imported when it is first shown
    assert re.findall(r'rel="stylesheet" href="([^"]+)"', page) == ["style.css"]
    sheets = [text for path, text in texts.items() if path.startswith("css/")]
    assert sheets
    assert all(text in texts["style.css"] for text in sheets)


async def test_what_the_page_names_is_kept_for_good_and_the_page_itself_is_not(paged: Scene) -> None:
    page = await ask(paged, "GET", "/_page/")
    (script,) = re.findall(r'<script type="module" src="([^"]+)"', page.text)
    version = script.partition("/")[0]

    assert page.headers["Cache-Control"] == "no-cache"
    kept = await ask(paged, "GET", f"/_page/{script}")
    assert (kept.status, kept.headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
    # A page that was opened before the server became another one goes on with the files that there are.
    for path in (f"v-{'0' * 16}/js/main.js", "js/main.js"):
        other = await ask(paged, "GET", f"/_page/{path}")
        assert (other.status, other.text, other.headers["Cache-Control"]) == (200, kept.text, "no-cache")
    for path in ("nothing.js", script, "session", "", "index.html", "control/status"):
        assert (await ask(paged, "GET", f"/_page/{version}/{path}")).status == 404
    assert (await ask(paged, "GET", "/_page/v-x/js/main.js")).status == 404


def test_the_modules_of_a_script_are_found_however_they_are_imported() -> None:
    files = {
        "js/main.js": 'import "./a.js";\nimport { b } from "./in/b.js";\nimport { b as again } from "./in/b.js";\n',
        "js/a.js": 'export { c } from "../c.js";\nexport const late = () => import("./late.js");\n',
        "js/in/b.js": 'import {\n  one,\n  two,\n} from "../a.js"; // a circle is no harm\nimport "../main.js";\n',
        "c.js": '// import "./no.js"\nconst text = "./no.js";\n',
    }

    assert modules("js/main.js", files) == ["js/a.js", "js/in/b.js", "c.js"]


def test_a_page_without_its_script_is_refused() -> None:
    with pytest.raises(ValueError, match=r"index.html must have a line with its script"):
        joined("<title>x</title>", {})


@pytest.mark.parametrize(
    "path", ["../sessions.py", "%2e%2e/door.py", "js", "js/", "nothing.js", "index.html%00", "//etc/passwd"]
)
async def test_what_is_no_file_of_the_page_is_not_found(paged: Scene, path: str) -> None:
    assert (await ask(paged, "GET", "/_page/x/../" + path)).status in (403, 404)
    assert (await ask(paged, "POST", "/_page/index.html")).status == 405


async def test_a_link_opens_one_session_and_the_next_one_is_in_the_file(paged: Scene) -> None:
    first = await link(paged)
    file = paged.server.settings.data / "page.txt"
    assert file.read_text() == first + "\n"
    assert file.stat().st_mode & 0o777 == 0o600

    reply = await opened(paged, first)
    cookie = reply.headers["Set-Cookie"]
    assert re.fullmatch(r"tautwire-page-\d+=[\w-]{43}; Path=/_page/; HttpOnly; SameSite=Strict", cookie)
    assert (await opened(paged, first)).status == 401
    second = await link(paged)
    assert file.read_text() == second + "\n"
    assert second != first
    assert (await opened(paged, second)).status == 200


async def test_a_session_uses_the_control_api_and_ends(paged: Scene) -> None:
    cookie = await session(paged)
    found = await ask(paged, "GET", "/_page/session", Cookie=cookie)
    assert found.status == 200
    assert json.loads(found.text)["parts"] == ["control"]

    said = await ask(
        paged, "POST", "/_page/control/say", '{"user": "alice", "channel": "general", "text": "x"}', Cookie=cookie
    )
    assert said.status == 200, said
    assert "default-src 'none'" in said.headers["Content-Security-Policy"]
    refused = await ask(paged, "POST", "/_page/control/nothing", "{}", Cookie=cookie)
    assert "unknown_operation" in refused.text

    ended = await ask(paged, "DELETE", "/_page/session", Cookie=cookie)
    assert "Max-Age=0" in ended.headers["Set-Cookie"]
    assert (await ask(paged, "GET", "/_page/session", Cookie=cookie)).status == 401


async def test_what_the_page_looks_at_is_not_in_the_journal_and_what_it_does_is(paged: Scene) -> None:
    cookie = await session(paged)
    controls = paged.server.workspace.controls
    assert controls is not None
    control = (await paged.server.directory()).control
    assert control is not None

    for name in ("status", "connections", "faults.list", "user.list", "faults.clear"):
        assert (await ask(paged, "POST", f"/_page/control/{name}", "{}", Cookie=cookie)).status == 200
    of_program = await ask(paged, "POST", "/_control/v1/status", "{}", Origin="", Sec_Fetch_Site="",
                           Authorization=f"Bearer {control.secret}", **{"tautwire.page": "1"})  # fmt: skip
    assert of_program.status == 200

    noted = [entry.details["method"] for entry in controls.journal.read(0).entries if entry.kind == "control"]
    assert noted == ["faults.clear", "status"]


@pytest.mark.parametrize("cookie", ["", "tautwire-page-1=x", "a;b=c;;="])
async def test_without_a_session_nothing_is_done(paged: Scene, cookie: str) -> None:
    for verb, path in (("POST", "/_page/control/say"), ("GET", "/_page/control/watch"), ("GET", "/_page/session")):
        reply = await ask(paged, verb, path, Cookie=cookie)
        assert (reply.status, "not_authorized" in reply.text) == (401, True), path


async def test_requests_of_other_pages_are_refused_also_with_the_cookie(paged: Scene) -> None:
    cookie = await session(paged)
    port = paged.server.port
    for headers in (
        {"Origin": "http://127.0.0.1:1", "Sec_Fetch_Site": "same-site"},
        {"Origin": "https://evil.test", "Sec_Fetch_Site": "cross-site"},
        {"Origin": "null", "Sec_Fetch_Site": ""},
        {"Origin": "", "Sec_Fetch_Site": ""},
        {"Origin": f"https://127.0.0.1:{port}"},
        {"Origin": f"http://localhost:{port}"},
        {"Sec_Fetch_Site": "none"},
    ):
        reply = await ask(paged, "POST", "/_page/control/say", "{}", **{"Cookie": cookie, **headers})
        assert (reply.status, "origin_refused" in reply.text) == (403, True), headers
    for site in ("same-site", "cross-site", "none"):
        watch = await ask(paged, "GET", "/_page/control/watch", Cookie=cookie, Origin="", Sec_Fetch_Site=site)
        assert watch.status == 403
    opening = await opened(paged, await link(paged), Origin="https://evil.test")
    assert opening.status == 403


@pytest.mark.parametrize(
    "host", ["evil.test", "evil.test:80", "127.0.0.1.evil.test", "localhost.evil.test", "[", "a@b:c:d"]
)
async def test_a_name_that_leads_here_from_elsewhere_is_refused(paged: Scene, host: str) -> None:
    for path in ("/_page/", "/_page/session", "/_page/control/watch"):
        reply = await ask(paged, "GET", path, Host=host, Origin=f"http://{host}")
        assert reply.status in (400, 403), (path, reply)


async def test_the_public_name_is_served_and_other_names_are_not(open_scene: OpenScene) -> None:
    scene = await open_scene(page=True, public_url="https://chat.example.test")
    key = await link(scene)
    assert key.startswith("https://chat.example.test/_page/#key=")

    public = {"Host": "chat.example.test", "Origin": "https://chat.example.test"}
    assert (await ask(scene, "GET", "/_page/", **public)).status == 200
    reply = await opened(scene, key, X_Forwarded_Proto="https", **public)
    assert reply.status == 200
    assert "; Secure" in reply.headers["Set-Cookie"]
    assert (await ask(scene, "GET", "/_page/", Host="other.example.test")).status == 403


async def test_the_control_api_itself_still_refuses_the_page(paged: Scene) -> None:
    cookie = await session(paged)

    direct = await ask(paged, "POST", "/_control/v1/say", "{}", Cookie=cookie)
    assert direct.status == 403
    assert (await ask(paged, "POST", "/_control/v1/say", "{}", Cookie=cookie, Origin="")).status == 401


async def test_too_many_wrong_keys_have_to_wait(open_scene: OpenScene) -> None:
    scene = await open_scene(page=True, rate_limits=True)

    for tries in range(1_000):  # noqa: B007 - a slow machine wins some back meanwhile
        reply = await opened(scene, "#key=wrong")
        if reply.status != 401:
            break
    assert reply.status == 429
    assert tries >= 50
    assert int(reply.headers["Retry-After"]) >= 1
    assert (await opened(scene, await link(scene))).status == 200


async def test_the_page_is_off_where_it_is_not_asked_for(open_scene: OpenScene) -> None:
    scene = await open_scene(control=True)

    assert (await ask(scene, "GET", "/_page/")).status == 404
    assert (await scene.server.directory()).page is None


def test_the_page_without_the_control_api_is_refused() -> None:
    with pytest.raises(ConfigError, match="the page needs the control API"):
        Settings(data="x", page=True, control=False)  # type: ignore[arg-type]


def test_sessions_end_and_are_bounded() -> None:
    clock = TurnedClock()
    sessions = Sessions(clock)

    def begin() -> str:
        opened = sessions.open(sessions.new_key("T1"))
        assert opened is not None
        return opened[1]

    kept = begin()
    clock.offset += LIFETIME - 1
    assert sessions.find(kept) == "T1"
    clock.offset += LIFETIME - 1
    assert sessions.find(kept) == "T1", "its last use counts"
    oldest = begin()
    for _ in range(MAX_SESSIONS - 2):
        begin()
    assert sessions.find(kept) == "T1"
    begin()
    assert sessions.find(oldest) is None
    assert sessions.find(kept) == "T1"
    clock.offset += LIFETIME + 1
    assert sessions.find(kept) is None


def test_a_new_key_takes_the_place_of_the_one_before() -> None:
    sessions = Sessions(TurnedClock())
    old, other = sessions.new_key("T1"), sessions.new_key("T2")
    new = sessions.new_key("T1")

    assert sessions.open(old) is None
    assert sessions.open(other) is not None
    assert sessions.open(new) is not None
    assert sessions.open("") is None
