"""What the tests do to make and install apps: as the operator, as a person with a configuration token, as an app."""

from base64 import b64encode
from typing import Any

import msgspec

from scene import SEED, Scene, form
from tautwire.server.services.access import tokens
from tautwire.server.services.access.consents import Consent, Wish, consent
from tautwire.server.services.access.tokens import APP_SCOPES
from tautwire.server.services.manifests.installing import Made, create
from tautwire.server.services.manifests.reading import describe
from tautwire.server.store.queries.users import find_user_by_name

URL = "https://desk.example.test/slack/oauth"

MANIFEST: dict[str, Any] = {
    "display_information": {"name": "Desk"},
    "features": {"bot_user": {"display_name": "deskbot"}},
    "oauth_config": {
        "redirect_urls": [URL],
        "scopes": {
            "bot": ["app_mentions:read", "channels:history", "chat:write", "im:history", "reactions:read"],
            "user": ["channels:history", "im:history", "reactions:read"],
        },
    },
    "settings": {
        "socket_mode_enabled": True,
        "event_subscriptions": {
            "bot_events": ["app_mention", "message.channels", "tokens_revoked", "app_uninstalled"],
            "user_events": ["message.channels", "message.im", "reaction_added"],
        },
    },
}


def manifest(**settings: Any) -> dict[str, Any]:
    """Return the manifest with other settings."""
    tree: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(MANIFEST))
    tree["settings"] |= settings
    return tree


async def configurator(scene: Scene, name: str = "alice") -> str:
    """Give a person a configuration token; return the name under which the scene has it."""

    def unit(tx: Any) -> tokens.Issued:
        user = find_user_by_name(tx, name)
        assert user is not None
        return tokens.issue_for_configuration(tx, user, None)

    key = f"{name} configures"
    scene.tokens[key] = (await scene.server.workspace.writer.write(unit)).text
    return key


class Desk:
    """The app of the manifest: made by the operator, and not installed."""

    def __init__(self, scene: Scene, made: Made) -> None:
        self.scene = scene
        self.made = made
        self.id = made.app.record.id
        self.bot = made.app.bot.id

    @classmethod
    async def made_in(cls, scene: Scene, tree: dict[str, Any] | None = None) -> "Desk":
        described, team = describe(tree or MANIFEST), scene.server.workspace.team

        def unit(tx: Any) -> tuple[Made, tokens.Issued]:
            made = create(tx, team, described)
            return made, tokens.issue_for_app(tx, made.app.record, APP_SCOPES)

        made, issued = await scene.server.workspace.writer.write(unit)
        scene.tokens["desk app"] = issued.text
        return cls(scene, made)

    async def consented(self, name: str = "alice", wish: Wish | None = None) -> Consent:
        """Let a person consent."""
        wish = wish or Wish(["chat:write", "channels:history", "app_mentions:read"], [])

        def unit(tx: Any) -> Consent:
            user = find_user_by_name(tx, name)
            assert user is not None
            return consent(tx, self.made.app.record, user, wish, [URL])

        return await self.scene.server.workspace.writer.write(unit)

    async def exchange(self, code: str, *, in_header: bool = True, **arguments: Any) -> dict[str, Any]:
        """Exchange a code, as an app does; return the answer."""
        secrets = self.made.secrets
        given = {"client_id": secrets.client_id, "client_secret": secrets.client_secret, "code": code, **arguments}
        headers = {}
        if in_header:
            text = f"{given.pop('client_id')}:{given.pop('client_secret')}"
            headers = {"Authorization": f"Basic {b64encode(text.encode()).decode()}"}
        return (await self.scene.request("POST", "oauth.v2.access", data=form(given), headers=headers)).body

    async def installed(self, name: str = "alice", wish: Wish | None = None) -> dict[str, Any]:
        """Install the app for a person; the scene then has the tokens as ``deskbot`` and ``NAME for desk``."""
        answer = await self.exchange((await self.consented(name, wish)).code)
        assert answer["ok"], answer
        if "access_token" in answer:
            self.scene.tokens["deskbot"] = answer["access_token"]
        if "access_token" in answer["authed_user"]:
            self.scene.tokens[f"{name} for desk"] = answer["authed_user"]["access_token"]
        return answer


DESK_SEED = f"{SEED}  - {{name: lounge, members: [alice, bob, carol]}}\n"
