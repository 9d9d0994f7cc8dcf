"""Installing an app by OAuth, and losing it again: codes, tokens, and what the app is told."""

import asyncio
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.web.async_client import AsyncWebClient

from installing import URL, Desk, manifest
from scene import Scene, eventually
from tautwire.server.services.access.apps import uninstall_app
from tautwire.server.services.access.consents import LIFETIME, Wish
from tautwire.server.services.access.identity import hash_token
from tautwire.server.services.access.tokens import KEEP, token_id
from tautwire.server.services.errors import MethodError
from tautwire.server.services.people.accounts import deactivate
from tautwire.server.store.queries.tokens import find_token


@pytest.fixture
async def desk(scene: Scene) -> Desk:
    return await Desk.made_in(scene)


async def test_a_code_is_exchanged_for_the_tokens_of_the_bot(scene: Scene, desk: Desk) -> None:
    given = await desk.consented()
    answer = await desk.exchange(given.code)
    token = answer.pop("access_token")
    team = scene.directory.team
    assert answer == {
        "ok": True, "app_id": desk.id, "token_type": "bot", "scope": "app_mentions:read,channels:history,chat:write",
        "bot_user_id": desk.bot, "team": {"id": team["id"], "name": team["name"]}, "enterprise": None,
        "is_enterprise_install": False, "authed_user": {"id": scene.users["alice"]},
    }  # fmt: skip
    scene.tokens["deskbot"] = token
    assert (await scene.ok("deskbot", "auth.test"))["user_id"] == desk.bot
    assert await scene.error("deskbot", "users.list") == "missing_scope"


async def test_a_person_alone_may_authorise(scene: Scene, desk: Desk) -> None:
    answer = await desk.installed("bob", Wish([], ["reactions:read"]))
    assert not {"access_token", "bot_user_id", "scope"} & set(answer)
    assert answer["authed_user"]["scope"] == "reactions:read"
    assert (await scene.ok("bob for desk", "auth.test"))["user_id"] == scene.users["bob"]


async def test_scopes_of_installations_add_up(scene: Scene, desk: Desk) -> None:
    await desk.installed(wish=Wish(["chat:write"], []))
    first = scene.tokens["deskbot"]
    answer = await desk.installed(wish=Wish(["reactions:read"], []))
    assert answer["scope"] == "chat:write,reactions:read"
    scene.tokens["first"] = first
    await scene.ok("first", "auth.test")


async def test_a_code_works_once(desk: Desk) -> None:
    given = await desk.consented()
    assert (await desk.exchange(given.code))["ok"]
    assert (await desk.exchange(given.code))["error"] == "invalid_code"


async def test_of_two_exchanges_at_once_one_succeeds(desk: Desk) -> None:
    given = await desk.consented()
    answers = await asyncio.gather(*(desk.exchange(given.code) for _ in range(8)))
    assert sorted(answer.get("error", "") for answer in answers) == ["", *["invalid_code"] * 7]


async def test_a_code_expires(scene: Scene, desk: Desk) -> None:
    given = await desk.consented()
    scene.clock.offset += LIFETIME
    assert (await desk.exchange(given.code))["error"] == "invalid_code"


async def test_a_code_is_of_one_app(scene: Scene, desk: Desk) -> None:
    other = manifest()
    other["display_information"] = {"name": "Other"}
    other["features"] = {"bot_user": {"display_name": "otherbot"}}
    stranger = await Desk.made_in(scene, other)
    given = await desk.consented()
    assert (await stranger.exchange(given.code))["error"] == "invalid_code"
    assert (await desk.exchange(given.code))["ok"], "the code of another app is not used up"


@pytest.mark.parametrize(("asked", "sent"), [(URL, ""), ("", URL), (URL, f"{URL}/more")])
async def test_the_redirect_uri_is_the_one_of_the_consent(desk: Desk, asked: str, sent: str) -> None:
    given = await desk.consented(wish=Wish(["chat:write"], [], asked))
    assert (await desk.exchange(given.code, redirect_uri=sent))["error"] == "bad_redirect_uri"
    assert (await desk.exchange(given.code, redirect_uri=asked))["ok"]


@pytest.mark.parametrize(
    ("url", "is_good"),
    [
        (URL, True),
        (f"{URL}/below", True),
        (f"{URL}?a=1", True),
        (f"{URL}ish", False),
        ("http://desk.example.test/slack/oauth", False),
        ("https://desk.example.test:444/slack/oauth", False),
        ("https://desk.example.test.evil.test/slack/oauth", False),
        ("https://desk.example.test@evil.test/slack/oauth", False),
        (f"{URL}/../../evil", False),
        (f"{URL}/%2E%2e/evil", False),
        (f"{URL}/\\evil", False),
        (f"{URL}/#evil", False),
        ("/slack/oauth", False),
        ("https://[", False),
    ],
)
async def test_people_are_sent_only_below_a_configured_url(desk: Desk, url: str, is_good: bool) -> None:
    if is_good:
        given = await desk.consented(wish=Wish(["chat:write"], [], url))
        mark = "&" if "?" in url else "?"
        assert given.location("a b") == f"{url}{mark}code={given.code}&state=a+b"
        return
    with pytest.raises(MethodError, match="bad_redirect_uri"):
        await desk.consented(wish=Wish(["chat:write"], [], url))


async def test_without_a_redirect_uri_the_first_url_is_taken(desk: Desk) -> None:
    assert (await desk.consented()).redirect_uri == URL


async def test_a_client_has_to_prove_itself(desk: Desk) -> None:
    code = (await desk.consented()).code
    for in_header in (True, False):
        wrong = await desk.exchange(code, in_header=in_header, client_secret="0" * 32)
        assert wrong == {"ok": False, "error": "bad_client_secret"}
        unknown = await desk.exchange(code, in_header=in_header, client_id="1.2")
        assert unknown == {"ok": False, "error": "invalid_client_id"}
    assert (await desk.exchange(code, grant_type="refresh_token"))["error"] == "invalid_grant_type"
    assert (await desk.exchange(code, in_header=False))["ok"]


async def test_a_person_who_was_deactivated_meanwhile_installs_nothing(scene: Scene, desk: Desk) -> None:
    given = await desk.consented("carol")
    team = scene.server.workspace.team
    await scene.server.workspace.writer.write(lambda tx: deactivate(tx, team, scene.users["carol"]))
    assert (await desk.exchange(given.code))["error"] == "invalid_code"


async def test_secrets_are_not_in_a_repr(desk: Desk) -> None:
    assert desk.made.secrets.client_secret not in repr(desk.made)


@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")  # slack_sdk uses it
async def test_slack_sdk_installs_an_app(scene: Scene, desk: Desk) -> None:
    """The calls of slack_sdk's clients and Bolt's OAuth flow, and what their installation store reads of the answer."""
    secrets = desk.made.secrets
    base = scene.server.api_url
    first, second = [await desk.consented(wish=Wish(["chat:write"], ["reactions:read"], URL)) for _ in range(2)]
    given = {"client_id": secrets.client_id, "client_secret": secrets.client_secret, "redirect_uri": URL}
    answers: list[Any] = [
        await AsyncWebClient(base_url=base).oauth_v2_access(code=first.code, **given),
        await asyncio.to_thread(WebClient(base_url=base).oauth_v2_access, code=second.code, **given),
    ]
    for answer in answers:
        installation = Installation(
            app_id=answer["app_id"], team_id=answer["team"]["id"], user_id=answer["authed_user"]["id"],
            bot_token=answer["access_token"], bot_scopes=answer["scope"], bot_user_id=answer["bot_user_id"],
            user_token=answer["authed_user"]["access_token"], user_scopes=answer["authed_user"]["scope"],
        )  # fmt: skip
        assert (installation.bot_scopes, installation.user_scopes) == (["chat:write"], ["reactions:read"])
        client = AsyncWebClient(installation.bot_token, base)
        assert (await client.auth_test())["user_id"] == desk.bot
    with pytest.raises(SlackApiError, match="invalid_code"):
        await AsyncWebClient(base_url=base).oauth_v2_access(code=first.code, **given)


# --- losing tokens ---


async def uninstalled(scene: Scene, desk: Desk, how: str) -> None:
    if how == "operator":
        await scene.server.workspace.writer.write(lambda tx: uninstall_app(tx, desk.id))
        return
    secrets = desk.made.secrets
    client = AsyncWebClient(scene.tokens["deskbot"], scene.server.api_url)
    with pytest.raises(SlackApiError, match="bad_client_secret"):
        await client.apps_uninstall(client_id=secrets.client_id, client_secret="0" * 32)
    answer = await client.apps_uninstall(client_id=secrets.client_id, client_secret=secrets.client_secret)
    assert answer["ok"]


@pytest.mark.parametrize("how", ["operator", "app"])
async def test_an_app_that_is_uninstalled_loses_its_tokens_at_once(scene: Scene, desk: Desk, how: str) -> None:
    await desk.installed(wish=Wish(["chat:write"], ["reactions:read"]))
    waiting = await desk.consented()
    rtm = await scene.connect("deskbot")
    await uninstalled(scene, desk, how)
    assert await rtm.ended() == 1008
    assert [await scene.error(who, "auth.test") for who in ("deskbot", "alice for desk")] == ["token_revoked"] * 2
    await scene.ok("desk app", "auth.test")
    await scene.ok("alice", "auth.test")
    assert (await desk.exchange(waiting.code))["error"] == "invalid_code", "a consent from before is void"
    await desk.installed()
    await scene.ok("deskbot", "auth.test")


async def test_a_token_of_another_app_uninstalls_nothing(scene: Scene, desk: Desk) -> None:
    secrets = desk.made.secrets
    answer = await scene.call(
        "relaybot", "apps.uninstall", client_id=secrets.client_id, client_secret=secrets.client_secret
    )
    assert answer["error"] == "client_id_token_mismatch"


async def test_old_tokens_are_deleted(scene: Scene, desk: Desk) -> None:
    await desk.installed()
    token = scene.tokens["deskbot"]
    identities = scene.server.workspace.identities

    def fault() -> str:
        # Not over HTTP: a connection that was idle for 30 days may be closed at any moment.
        with pytest.raises(MethodError) as caught:
            identities.authenticate(token)
        return caught.value.code

    await scene.ok("deskbot", "auth.revoke")
    scene.clock.offset += KEEP - 60
    await scene.server_swept()
    assert fault() == "token_revoked"
    scene.clock.offset += 120
    await eventually(lambda: fault() == "invalid_auth")
    found = await scene.server.workspace.reader.read(lambda query: find_token(query, token_id(hash_token(token))))
    assert found is None
    assert identities.find(hash_token(token)) is None
    assert identities.find(hash_token(scene.tokens["alice"])) is not None
