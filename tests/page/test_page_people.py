"""The view People of the web page: a person is added and deactivated, a token issued and revoked."""

from typing import Any

import pytest
from playwright.async_api import expect

from looking import Place

pytestmark = pytest.mark.asyncio(loop_scope="module")

WIDE: dict[str, Any] = {
    "viewport": {"width": 1440, "height": 900},
    "permissions": ["clipboard-read", "clipboard-write"],
}


async def works(place: Place, token: str) -> bool:
    """Whether a token is accepted."""
    headers = {"Authorization": f"Bearer {token}"}
    async with place.http.post(place.server.api_url + "auth.test", headers=headers) as answer:
        return bool((await answer.json())["ok"])


def forgive_refusals(place: Place) -> None:
    """Forget that the browser logged answers with status 400: the test had them made."""
    place.trouble[:] = [said for said in place.trouble if "status of 400" not in said]


async def test_a_person_is_added_deactivated_and_active_again(place: Place) -> None:
    page = await place.look(at="people", **WIDE)
    table = page.get_by_role("region", name="Table of people")
    await page.get_by_role("button", name="Add person").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox", name="Name", exact=True).fill("alice")
    await dialog.get_by_role("button", name="Add person").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("Nothing was changed")
    await dialog.get_by_role("textbox", name="Name", exact=True).fill("mira")
    await dialog.get_by_role("textbox", name="Channels").fill("general, lounge")
    await dialog.get_by_role("button", name="Add person").click()

    once = page.get_by_role("region", name="Token for mira")
    token = await once.locator(".secret code").inner_text()
    assert await works(place, token)
    await once.get_by_role("button", name="Copy lines").click()
    await expect(page.get_by_role("status")).to_have_text("Lines copied")
    assert f"export SLACK_BOT_TOKEN={token}" in await page.evaluate("navigator.clipboard.readText()")
    await once.get_by_role("button", name="Done, hide it").click()
    assert token not in await page.content()
    assert (await place.operate("user.show", user="mira"))["user"]["channels"] == ["general", "lounge"]

    mira = table.get_by_role("row", name="mira")
    await mira.get_by_role("button", name="Deactivate mira").click()
    await expect(mira).to_contain_text("Deactivated")
    assert not await works(place, token)
    await mira.get_by_role("button", name="Reactivate mira").click()
    await expect(mira.get_by_role("button", name="Deactivate mira")).to_be_enabled()
    await expect(table.get_by_role("button", name="Deactivate alice")).to_be_disabled()
    forgive_refusals(place)


async def test_a_token_is_issued_and_revoked(place: Place) -> None:
    page = await place.look(at="people", **WIDE)
    await page.get_by_role("button", name="Tokens of bob").click()
    tokens = page.get_by_role("region", name="Tokens of bob")
    rows = tokens.get_by_role("button", name="Revoke token")
    await expect(rows).to_have_count(1)

    await page.get_by_role("button", name="Issue token for bob").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox", name="Scopes").fill("chat;write")
    await dialog.get_by_role("button", name="Issue token").click()
    await expect(dialog.get_by_role("alert")).to_be_visible()
    await dialog.get_by_role("textbox", name="Scopes").fill("chat:write")
    await dialog.get_by_role("combobox", name="Ends").select_option("after 1 hour")
    await dialog.get_by_role("button", name="Issue token").click()
    token = await page.get_by_role("region", name="Token for bob").locator(".secret code").inner_text()
    assert await works(place, token)

    await expect(rows).to_have_count(2)
    issued = tokens.get_by_role("row").filter(has_text="chat:write").filter(has_not_text="never")
    await issued.get_by_role("button", name="Revoke token").click()
    await page.get_by_role("dialog").get_by_role("button", name="Revoke token").click()
    await expect(rows).to_have_count(1)
    assert not await works(place, token)
    forgive_refusals(place)
