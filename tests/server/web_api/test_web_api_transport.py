"""The Web API door: every way clients are known to call it, and the outcomes that are no method's."""

import io
import json
import re
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from catalogue import COMMON_ERRORS, METHODS
from scene import Answer, OpenScene, Scene
from tautwire.server.services.access.limits import Limits
from tautwire.server.web_api.method import METHODS as SERVED
from tautwire.server.web_api.method import Arguments, Call
from tautwire.session.ratelimit import Rate

JSON = "application/json; charset=utf-8"


async def echo(scene: Scene, verb: str = "POST", **options: Any) -> dict[str, Any]:
    """Call api.test and return the arguments as the server read them."""
    answer = await scene.request(verb, "api.test", **options)
    assert answer.status == 200
    assert answer.body["ok"], answer.body
    return dict(answer.body.get("args", {}))


async def refused(scene: Scene, **options: Any) -> str:
    """Make a malformed request and return the error."""
    answer = await scene.request("POST", "api.test", **options)
    assert answer.status == 200
    assert answer.body["error"] in COMMON_ERRORS
    return str(answer.body["error"])


async def whoami(scene: Scene, verb: str = "POST", **options: Any) -> str:
    """Return the user that auth.test recognises, or the error."""
    answer = await scene.request(verb, "auth.test", **options)
    assert answer.status == 200
    return str(answer.body["user"] if answer.body["ok"] else answer.body["error"])


# --- encodings ---


@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_arguments_can_stand_in_the_query(scene: Scene, verb: str) -> None:
    assert await echo(scene, verb, params={"a": "1", "b": "x y&z"}) == {"a": "1", "b": "x y&z"}


async def test_arguments_can_stand_in_a_form(scene: Scene) -> None:
    assert await echo(scene, data={"a": "1", "b": "ä €"}) == {"a": "1", "b": "ä €"}


async def test_arguments_can_stand_in_a_multipart_form(scene: Scene) -> None:
    data = aiohttp.FormData(default_to_multipart=True)
    data.add_field("a", "1")
    data.add_field("b", "ä €")
    data.add_field("file", b"\x00\xff", filename="f.bin")

    assert await echo(scene, data=data) == {"a": "1", "b": "ä €"}


async def test_arguments_can_stand_in_a_json_object(scene: Scene) -> None:
    arguments = {"a": 1, "b": ["x", {"y": None}], "c": "ä €"}

    assert await echo(scene, data=json.dumps(arguments), headers={"Content-Type": JSON}) == arguments


async def test_a_body_wins_over_the_query(scene: Scene) -> None:
    assert await echo(scene, params={"a": "query", "b": "1"}, data={"a": "form"}) == {"a": "form", "b": "1"}


async def test_an_empty_body_with_a_json_content_type_means_no_arguments(scene: Scene) -> None:
    assert await whoami(scene, headers={"Content-Type": JSON, **scene.bearer("alice")}) == "alice"


async def test_a_post_without_a_body_and_without_a_type_means_no_arguments(scene: Scene) -> None:
    assert await whoami(scene, headers=scene.bearer("alice"), skip_auto_headers=["Content-Type"]) == "alice"


@pytest.mark.parametrize(
    ("body", "kind", "error"),
    [
        (b'{"a":', JSON, "invalid_json"),
        (b"\xff\xfe", JSON, "invalid_json"),
        (b'{"a": "\xed\xa0\x80"}', JSON, "invalid_json"),
        (b"[1]", JSON, "json_not_object"),
        (b'"text"', JSON, "json_not_object"),
        (b"null", JSON, "json_not_object"),
        (b"<a/>", "text/xml", "invalid_post_type"),
        (b"a=1", "text/plain", "invalid_post_type"),
        (b"a[]=1", "application/x-www-form-urlencoded", "invalid_array_arg"),
        (b"a%5B%5D=1", "application/x-www-form-urlencoded", "invalid_array_arg"),
        (b"a[b]=1", "application/x-www-form-urlencoded", "invalid_array_arg"),
        (b"a%00b=1", "application/x-www-form-urlencoded", "invalid_arg_name"),
        (b"a" * 200 + b"=1", "application/x-www-form-urlencoded", "invalid_arg_name"),
        (b"\xff=1", "application/x-www-form-urlencoded", "invalid_form_data"),
        (b"&".join(b"a%d=1" % n for n in range(2_000)), "application/x-www-form-urlencoded", "invalid_form_data"),
        (b"--x\r\n", "multipart/form-data; boundary=y", "invalid_form_data"),
        (b"a=1", "multipart/form-data", "invalid_form_data"),
        (b"{}", "application/json; charset=klingon", "invalid_charset"),
        (b"a=1", "application/x-www-form-urlencoded; charset=klingon", "invalid_charset"),
    ],
)
async def test_a_malformed_body_has_an_error_of_its_own(scene: Scene, body: bytes, kind: str, error: str) -> None:
    assert await refused(scene, data=body, headers={"Content-Type": kind}) == error


async def test_a_body_without_a_type_is_refused(scene: Scene) -> None:
    assert await refused(scene, data=b"a=1", skip_auto_headers=["Content-Type"]) == "missing_post_type"


async def test_an_array_style_name_is_refused_in_the_query_too(scene: Scene) -> None:
    assert await refused(scene, params={"a[]": "1"}) == "invalid_array_arg"


async def test_a_json_body_without_a_charset_gets_a_warning(scene: Scene) -> None:
    answer = await scene.request("POST", "api.test", data=b"{}", headers={"Content-Type": "application/json"})

    assert answer.body["ok"]
    assert answer.body["warning"] == "missing_charset"
    assert answer.body["response_metadata"]["warnings"] == ["missing_charset"]


async def test_a_json_body_with_a_charset_gets_no_warning(scene: Scene) -> None:
    for kind in ("application/json; charset=utf-8", "application/json;charset=UTF-8"):
        answer = await scene.request("POST", "api.test", data=b"{}", headers={"Content-Type": kind})
        assert answer.body == {"ok": True}


async def test_a_warning_stands_beside_an_error_too(scene: Scene) -> None:
    answer = await scene.request(
        "POST", "users.info", data=b"{}", headers={"Content-Type": "application/json", **scene.bearer("alice")}
    )

    assert answer.body["error"] == "user_not_found"
    assert answer.body["response_metadata"]["warnings"] == ["missing_charset"]


async def test_a_body_over_the_limit_is_413_and_the_connection_goes_on(open_scene: OpenScene) -> None:
    scene = await open_scene(body_limit=10_000)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as scene.http:
        answer = await scene.request("POST", "api.test", data=io.BytesIO(b"a=" + b"x" * 3_000_000), headers=form)
        assert answer.status == 413
        assert answer.body == {"ok": False, "error": "request_too_large"}
        assert await echo(scene, data={"a": "x" * 9_000}) == {"a": "x" * 9_000}


# --- the token ---


async def test_the_token_is_taken_from_the_header_the_body_or_the_query(scene: Scene) -> None:
    token = scene.tokens["alice"]
    assert await whoami(scene, headers={"Authorization": f"Bearer {token}"}) == "alice"
    assert await whoami(scene, headers={"Authorization": f"bearer  {token} "}) == "alice"
    assert await whoami(scene, data={"token": token}) == "alice"
    assert await whoami(scene, params={"token": token}) == "alice"
    assert await whoami(scene, "GET", params={"token": token}) == "alice"
    assert await whoami(scene, data=json.dumps({"token": token}), headers={"Content-Type": JSON}) == "alice"


async def test_the_header_wins_over_other_places(scene: Scene) -> None:
    options: Any = {"data": {"token": scene.tokens["bob"]}, "params": {"token": scene.tokens["carol"]}}
    assert await whoami(scene, headers=scene.bearer("alice"), **options) == "alice"
    assert await whoami(scene, **options) == "bob"


@pytest.mark.parametrize(
    ("token", "error"),
    [
        ("", "not_authed"),
        ("xoxb-nobody", "invalid_auth"),
        ("xoxb-" + "9" * 4_000, "invalid_auth"),
        ("ä €", "invalid_auth"),
    ],
)
async def test_without_a_good_token_nothing_is_told(scene: Scene, token: str, error: str) -> None:
    assert await whoami(scene, data={"token": token}) == error


async def test_a_token_of_a_strange_type_is_no_token(scene: Scene) -> None:
    for token in (1, None, ["x"], {"x": 1}, True):
        body = json.dumps({"token": token})
        assert await whoami(scene, data=body, headers={"Content-Type": JSON}) == "not_authed"


async def test_a_call_without_a_token_is_told_so_before_its_arguments_are_looked_at(scene: Scene) -> None:
    for name, method in SERVED.items():
        answer = await scene.request("POST", name, data={"limit": "many"})
        if method.needs_token:
            assert answer.body == {"ok": False, "error": "not_authed"}, name
        else:
            assert answer.body.get("error") != "not_authed", name


async def test_the_scopes_of_the_token_are_in_a_header(scene: Scene) -> None:
    for method in ("auth.test", "users.info"):
        answer = await scene.request("POST", method, headers=scene.bearer("relaybot"))
        assert answer.headers["X-OAuth-Scopes"] == "identify,bot:basic"
    answer = await scene.request("POST", "auth.test")
    assert "X-OAuth-Scopes" not in answer.headers


# --- argument types ---


async def num_members(scene: Scene, **options: Any) -> bool | str:
    """Tell whether the boolean argument of conversations.info was read as true, or the error."""
    options["headers"] = options.get("headers", {}) | scene.bearer("alice")
    answer = await scene.request("POST", "conversations.info", **options)
    return "num_members" in answer.body["channel"] if answer.body["ok"] else str(answer.body["error"])


@pytest.mark.parametrize("text", ["1", "true", "True", "TRUE"])
async def test_true_has_many_forms(scene: Scene, text: str) -> None:
    assert await num_members(scene, data={"channel": scene.general, "include_num_members": text}) is True


@pytest.mark.parametrize("text", ["0", "false", "False", ""])
async def test_so_has_false(scene: Scene, text: str) -> None:
    assert await num_members(scene, data={"channel": scene.general, "include_num_members": text}) is False


@pytest.mark.parametrize(
    ("value", "is_true"),
    [(True, True), (False, False), (1, True), (0, False), ("1", True), ("false", False), (None, False)],
)
async def test_booleans_in_json(scene: Scene, value: object, is_true: bool) -> None:
    body = json.dumps({"channel": scene.general, "include_num_members": value})
    assert await num_members(scene, data=body, headers={"Content-Type": JSON}) is is_true


async def test_what_is_no_boolean_is_refused(scene: Scene) -> None:
    data = {"channel": scene.general, "include_num_members": "perhaps"}
    assert await num_members(scene, data=data) == "invalid_arguments"


async def test_null_stands_for_the_default(scene: Scene) -> None:
    body = {"channel": scene.general, "cursor": None, "limit": None, "oldest": None, "inclusive": None}
    answer = await scene.request(
        "POST", "conversations.history", data=json.dumps(body), headers={"Content-Type": JSON, **scene.bearer("alice")}
    )
    assert answer.body["ok"], answer.body


@pytest.mark.parametrize("types", ["private_channel,im", "private_channel, im,", ["private_channel", "im"]])
async def test_lists_are_comma_lists_or_arrays(scene: Scene, types: object) -> None:
    if isinstance(types, str):
        answer = await scene.request(
            "GET", "conversations.list", params={"types": types}, headers=scene.bearer("alice")
        )
    else:
        answer = await scene.request(
            "POST",
            "conversations.list",
            data=json.dumps({"types": types}),
            headers={"Content-Type": JSON, **scene.bearer("alice")},
        )
    assert [channel["name"] for channel in answer.body["channels"]] == ["ops"]


async def test_an_array_may_be_json_text(scene: Scene) -> None:
    """Some clients put the array that they have into a form as it is."""
    answer = await scene.ok("alice", "conversations.list", types='["private_channel","im"]')
    assert [channel["name"] for channel in answer["channels"]] == ["ops"]


BLOCKS = [{"type": "section", "block_id": "b", "text": {"type": "mrkdwn", "text": "hi <@U1>", "verbatim": False}}]


@pytest.mark.parametrize("as_text", [True, False])
async def test_structures_are_native_or_text_in_json(scene: Scene, as_text: bool) -> None:
    blocks = json.dumps(BLOCKS) if as_text else BLOCKS
    answer = await scene.request(
        "POST",
        "chat.postMessage",
        data=json.dumps({"channel": scene.general, "blocks": blocks}),
        headers={"Content-Type": JSON, **scene.bearer("alice")},
    )
    assert answer.body["message"]["blocks"] == BLOCKS


async def test_structures_are_text_in_forms(scene: Scene) -> None:
    answer = await scene.ok("alice", "chat.postMessage", channel=scene.general, blocks=BLOCKS, metadata={"a": [1]})
    assert answer["message"]["blocks"] == BLOCKS
    assert answer["message"]["metadata"] == {"a": [1]}


@pytest.mark.parametrize(
    ("argument", "value", "error"),
    [
        ("blocks", "[{", "invalid_blocks_format"),
        ("blocks", "{}", "invalid_blocks_format"),
        ("blocks", "7", "invalid_blocks_format"),
        ("blocks", "[[]]", "invalid_blocks_format"),
        ("attachments", "[{", "invalid_attachments"),
        ("attachments", "true", "invalid_attachments"),
        ("metadata", "[{", "invalid_metadata_format"),
        ("metadata", "[]", "invalid_metadata_format"),
    ],
)
async def test_a_broken_structure_has_an_error_of_its_own(scene: Scene, argument: str, value: str, error: str) -> None:
    arguments = {"channel": scene.general, "text": "x", argument: value}
    assert await scene.error("alice", "chat.postMessage", **arguments) == error


async def test_structures_that_are_nested_too_deeply_are_refused(scene: Scene) -> None:
    def nested(depth: int) -> str:
        return "[" * depth + "]" * depth

    await scene.ok("alice", "chat.postMessage", channel=scene.general, text="x", attachments=nested(50))
    for depth in (101, 900, 100_000):
        arguments = {"channel": scene.general, "text": "x", "attachments": nested(depth)}
        assert await scene.error("alice", "chat.postMessage", **arguments) == "invalid_attachments"
        body = '{"a":' + nested(depth) + "}"
        assert await refused(scene, data=body, headers={"Content-Type": JSON}) == "invalid_json"
    assert (await scene.history("bob", scene.general))[0]["attachments"] == json.loads(nested(50))


async def test_numbers_are_decimal_text_or_numbers(scene: Scene) -> None:
    for limit in ("1", 1):
        answer = await scene.request(
            "POST",
            "users.list",
            data=json.dumps({"limit": limit}),
            headers={"Content-Type": JSON, **scene.bearer("alice")},
        )
        assert len(answer.body["members"]) == 1
    assert await scene.error("alice", "users.list", limit="few") in ("invalid_arguments", "invalid_limit")


async def test_an_argument_of_the_wrong_type_is_named(scene: Scene) -> None:
    body = {"channel": {"id": scene.general}}
    answer = await scene.request(
        "POST", "conversations.info", data=json.dumps(body), headers={"Content-Type": JSON, **scene.bearer("alice")}
    )
    assert answer.body["error"] == "invalid_arguments"
    assert "channel" in answer.body["response_metadata"]["messages"][0]


async def test_unknown_arguments_are_ignored(scene: Scene) -> None:
    await scene.ok("alice", "auth.test", pretty="1", nonsense="x")


# --- unknown methods ---


async def test_no_method_of_the_catalogue_is_404(scene: Scene) -> None:
    """The 174 methods we know, served or not, answer like methods: SDKs take 404 for the end of the world."""
    assert len(METHODS) == 174
    for name in METHODS:
        answer = await scene.request("POST", name, headers=scene.bearer("alice"))
        assert answer.status == 200, name
        if name not in SERVED:
            assert answer.body["error"] in ("unknown_method", "method_deprecated"), name
            assert answer.body["req_method"] == name


@pytest.mark.parametrize(
    "name", ["admin.x.y", "foo.bar", "nonsense", "a/b", "chat.postMessage.", "CHAT.POSTMESSAGE", "%00", "x" * 3_000]
)
@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_what_is_no_method_is_not_404_either(scene: Scene, verb: str, name: str) -> None:
    answer = await scene.request(verb, name, headers=scene.bearer("alice"), allow_redirects=False)
    assert (answer.status, answer.body["error"]) == (200, "unknown_method")


@pytest.mark.parametrize("path", ["api/", "api//chat.postMessage"])
async def test_a_base_url_that_is_put_together_wrongly_is_no_404_nor_a_redirect(scene: Scene, path: str) -> None:
    url = scene.server.api_url.removesuffix("api/") + path
    async with scene.http.get(url, allow_redirects=False) as response:
        assert response.status == 200
        assert not (await response.json())["ok"]


async def test_retired_methods_that_are_not_served_name_their_successor(scene: Scene) -> None:
    answer = await scene.call("alice", "groups.createChild")
    assert answer["error"] == "method_deprecated"
    assert "conversations" in answer["detail"]


async def test_every_served_method_is_in_the_catalogue() -> None:
    assert set(SERVED) <= set(METHODS)


async def test_the_issues_methods_are_served() -> None:
    tier_one = {name for name, method in METHODS.items() if method["tier"] == 1}
    others = (
        "api.test rtm.start users.getPresence users.setPresence conversations.create conversations.join"
        " conversations.leave conversations.invite conversations.history conversations.replies conversations.mark"
        " chat.delete chat.meMessage reactions.remove"
    )
    assert len(tier_one) == 13
    assert tier_one | set(others.split()) <= set(SERVED)


# --- api.test ---


async def test_api_test_fails_with_the_error_that_was_asked_for(scene: Scene) -> None:
    for error in ("my_error", "ratelimited", "internal_error"):
        answer = await scene.request("POST", "api.test", data={"error": error, "foo": "bar"})
        assert answer.body == {"ok": False, "error": error, "args": {"error": error, "foo": "bar"}}


async def test_api_test_does_not_echo_the_token(scene: Scene) -> None:
    assert await echo(scene, data={"token": scene.tokens["alice"], "a": "1"}) == {"a": "1"}


async def test_a_method_that_breaks_is_an_internal_error_and_logged_and_the_next_call_works(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(call: Call, args: Arguments) -> dict[str, Any]:
        raise RuntimeError("a defect")

    monkeypatch.setitem(SERVED, "auth.test", replace(SERVED["auth.test"], function=broken))
    answer = await scene.request("POST", "auth.test", headers=scene.bearer("alice"))

    assert (answer.status, answer.body) == (200, {"ok": False, "error": "internal_error"})
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.getMessage() == "auth.test failed"
    assert record.exc_info is not None
    assert scene.tokens["alice"] not in caplog.text
    caplog.clear()
    await scene.ok("alice", "users.info", user=scene.users["bob"])


# --- rate limits ---


async def flooded(scene: Scene, method: str, **options: Any) -> list[Answer]:
    answers = [await scene.request("POST", method, headers=scene.bearer("alice"), **options)]
    while answers[-1].status == 200:
        assert len(answers) < 1_000
        answers.append(await scene.request("POST", method, headers=scene.bearer("alice"), **options))
    return answers


async def test_a_caller_that_is_too_fast_gets_429_and_is_told_when_to_come_back(open_scene: OpenScene) -> None:
    scene = await open_scene(rate_limits=True)
    answers = await flooded(scene, "rtm.connect")

    assert len(answers) > 5, "a short burst passes"
    last = answers[-1]
    assert last.status == 429
    assert last.body == {"ok": False, "error": "ratelimited"}
    assert re.fullmatch(r"[1-9]\d*", last.headers["Retry-After"])
    assert int(last.headers["Retry-After"]) <= 60


async def test_after_the_time_it_was_told_the_caller_is_let_in(open_scene: OpenScene) -> None:
    scene = await open_scene(rate_limits=True)
    last = (await flooded(scene, "rtm.connect"))[-1]

    scene.clock.offset += int(last.headers["Retry-After"]) - 0.5
    assert (await scene.request("POST", "rtm.connect", headers=scene.bearer("alice"))).status == 429
    scene.clock.offset += 0.5
    assert (await scene.request("POST", "rtm.connect", headers=scene.bearer("alice"))).status == 200


async def test_limits_are_per_user_and_method(open_scene: OpenScene) -> None:
    scene = await open_scene(rate_limits=True)
    await flooded(scene, "rtm.connect")

    assert (await scene.request("POST", "rtm.connect", headers=scene.bearer("bob"))).status == 200
    assert (await scene.request("POST", "auth.test", headers=scene.bearer("alice"))).status == 200


async def test_posting_is_limited_per_channel(open_scene: OpenScene) -> None:
    scene = await open_scene(rate_limits=True)
    answers = await flooded(scene, "chat.postMessage", data={"channel": scene.general, "text": "x"})

    assert answers[-1].headers["Retry-After"] == "1"
    other = {"channel": scene.ops, "text": "x"}
    assert (await scene.request("POST", "chat.postMessage", data=other, headers=scene.bearer("alice"))).status == 200


async def test_a_channel_has_one_limit_however_it_is_named(open_scene: OpenScene) -> None:
    scene = await open_scene(rate_limits=True)
    answers = await flooded(scene, "chat.postMessage", data={"channel": scene.general, "text": "x"})
    assert len(answers) < 30

    for name in ("#general", "general", scene.general):
        given = {"channel": name, "text": "x"}
        answer = await scene.request("POST", "chat.postMessage", data=given, headers=scene.bearer("alice"))
        assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
    texts = [message["text"] for message in await scene.history("bob", scene.general)]
    assert texts == ["x"] * (len(answers) - 1)


async def test_a_direct_message_has_one_limit_however_it_is_named(open_scene: OpenScene) -> None:
    scene = await open_scene(rate_limits=True)
    await flooded(scene, "chat.postMessage", data={"channel": scene.users["bob"], "text": "x"})

    direct = (await scene.ok("alice", "conversations.open", users=scene.users["bob"]))["channel"]["id"]
    for name in ("@bob", scene.users["bob"], direct):
        assert await scene.error("alice", "chat.postMessage", channel=name, text="x") == "ratelimited"


async def test_channels_that_are_not_there_take_no_memory(open_scene: OpenScene) -> None:
    scene = await open_scene(rate_limits=True)
    taken: list[tuple[str, ...]] = []
    take = Limits.take

    def noted(limits: Limits, rate: Rate, *key: str) -> None:
        taken.append(key)
        take(limits, rate, *key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Limits, "take", noted)
        for channel in ("C_NOPE", "#nope", "nope", "U_NOPE", "@nope", scene.ops, ""):
            assert await scene.error("bob", "chat.postMessage", channel=channel, text="x") == "channel_not_found"
        for method in ("chat.postMessage", "conversations.history", "reactions.add"):
            arguments = {"channel": "x" * 101, "text": "x", "timestamp": "1", "name": "x"}
            answer = await scene.call("bob", method, **arguments)
            assert answer["error"] == "invalid_arguments"
            assert "channel" in answer["response_metadata"]["messages"][0]
    assert sorted(taken) == sorted((scene.users["bob"], name) for name in ("conversations.history", "reactions.add"))


async def test_without_rate_limits_nobody_is_too_fast(scene: Scene) -> None:
    for _ in range(100):
        await scene.ok("alice", "rtm.connect")
