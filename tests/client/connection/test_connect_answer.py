"""What an answer of rtm.connect has to hold, and what its refusals mean."""

from types import SimpleNamespace
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from tautwire import ConnectError, ConnectRefused, RateLimited, Resume
from tautwire.client.connection.rtm_connect import ask
from tautwire.client.net.api_errors import DEFAULT_RETRY_AFTER
from tautwire.session.client import MAX_POSITION

GOOD = {"ok": True, "url": "ws://127.0.0.1:1/rtm/t", "self": {"id": "U1"}, "team": {"id": "T1"}}


class Web:
    """An API that answers one call, or refuses it."""

    def __init__(self, answer: Any = None, *, base_url: str = "http://127.0.0.1/api/", proxy: str = "") -> None:
        self.base_url = base_url
        self.proxy = proxy or None
        self._answer = answer

    async def api_call(self, method: str, **_: Any) -> Any:
        if isinstance(self._answer, Exception):
            raise self._answer
        return SimpleNamespace(data=self._answer, headers={})


def refusal(status: int, error: str = "", **headers: str) -> SlackApiError:
    data = {"ok": False, "error": error} if error else {}
    return SlackApiError("no", SimpleNamespace(status_code=status, data=data, headers=headers))


async def refused(web: Any) -> ConnectError:
    with pytest.raises(ConnectError) as caught:
        await ask(web, None, 10)
    return caught.value


@pytest.mark.parametrize("member", ["url", "self", "team"])
@pytest.mark.parametrize("odd", ["absent", None, 5, [], {"id": 5}])
async def test_an_answer_that_lacks_a_member_is_refused_by_its_name(member: str, odd: object) -> None:
    answer = {name: value for name, value in GOOD.items() if name != member}
    if odd != "absent":
        answer[member] = odd
    error = await refused(Web(answer))
    assert f"the answer of rtm.connect has {'no' if odd == 'absent' else 'a wrong'} {member!r}" in str(error)


async def test_a_name_that_is_null_is_no_name() -> None:
    web: Any = Web(GOOD | {"self": {"id": "U1", "name": None}, "team": {"id": "T1", "domain": None}})
    identity = (await ask(web, None, 10)).identity
    assert (identity.user.name, identity.team.domain) == ("", "")


@pytest.mark.parametrize("answer", [None, "ok", []])
async def test_an_answer_that_is_no_object_is_told_as_that(answer: object) -> None:
    assert "not a JSON object" in str(await refused(Web(answer)))


async def test_what_is_not_known_of_a_good_answer_is_left_out() -> None:
    for odd in ([], {}, 5, None):
        assert (await ask(Web(GOOD | {"resume": odd}), None, 10)).resume is None  # type: ignore[arg-type]
    too_long = "9" * (MAX_POSITION + 1)  # the next rtm.connect would be refused for its length, and each one after it
    assert (await ask(Web(GOOD | {"position": too_long}), None, 10)).position is None  # type: ignore[arg-type]
    web: Any = Web(GOOD | {"resume": "perhaps", "position": ["17"]})
    grant = await ask(web, None, 10)
    assert (grant.resume, grant.position, grant.clock_ahead, grant.identity.user.name) == (None, None, None, "")
    web = Web(GOOD | {"resume": "resumed", "position": 17})
    grant = await ask(web, None, 10)
    assert (grant.resume, grant.position) == (Resume.RESUMED, "17")


@pytest.mark.parametrize(
    ("status", "base_url", "proxy", "blamed"),
    [
        (407, "http://slack.test/api/", "http://p:1", True),
        (401, "http://slack.test/api/", "http://p:1", True),
        (403, "http://slack.test/api/", "http://p:1", False),
        (407, "https://slack.test/api/", "http://p:1", False),
        (407, "http://slack.test/api/", "", False),
        (401, "https://slack.test/api/", "", False),
        (500, "http://slack.test/api/", "http://p:1", False),
    ],
)
async def test_a_proxy_is_blamed_only_for_what_it_may_have_said(
    status: int, base_url: str, proxy: str, blamed: bool
) -> None:
    """By TLS an answer is the API's own: the proxy cannot have written it."""
    text = str(await refused(Web(refusal(status), base_url=base_url, proxy=proxy)))
    assert ("the proxy wants other credentials" in text) is blamed
    assert (text == f"rtm.connect failed: HTTP status {status}") is not blamed


async def test_a_refusal_tells_by_its_kind_what_to_do() -> None:
    error = await refused(Web(refusal(200, "invalid_auth")))
    assert isinstance(error, ConnectRefused)
    error = await refused(Web(refusal(200, "fatal_error")))
    assert (type(error), str(error)) == (ConnectError, "rtm.connect failed: fatal_error")


@pytest.mark.parametrize(
    ("wish", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("-1", DEFAULT_RETRY_AFTER),
        ("inf", DEFAULT_RETRY_AFTER),
        ("nan", DEFAULT_RETRY_AFTER),
        ("soon", DEFAULT_RETRY_AFTER),
        ("", DEFAULT_RETRY_AFTER),
    ],
)
async def test_a_rate_limit_says_how_long_to_wait(wish: str, seconds: float) -> None:
    headers = {"Retry-After": wish} if wish else {}
    for answer in (refusal(429, **headers), refusal(200, "ratelimited", **headers)):
        error = await refused(Web(answer))
        assert isinstance(error, RateLimited)
        assert error.retry_after == seconds
