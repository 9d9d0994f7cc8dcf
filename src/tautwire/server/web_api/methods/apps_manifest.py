"""The methods ``apps.manifest.*``: people make and change apps of their own with a configuration token.

Source: wire/apps.md#manifest-methods (documented). That a token reaches the apps of its person only is ours: there are
no collaborators.
"""

import re
from collections.abc import Sequence
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

import msgspec

from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.apps import delete_app
from tautwire.server.services.access.identity import join_scopes
from tautwire.server.services.access.tokens import APP_SCOPES, issue_for_app
from tautwire.server.services.errors import MethodError
from tautwire.server.services.interactivity.payloads import VERIFICATION_TOKEN
from tautwire.server.services.manifests import installing
from tautwire.server.services.manifests.reading import Described, ManifestError, describe
from tautwire.server.services.manifests.rules import Finding
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.apps import AppRecord, find_app
from tautwire.server.store.queries.manifests import count_owned, find_origin
from tautwire.server.web_api.access import access
from tautwire.server.web_api.arguments import Json
from tautwire.server.web_api.method import Answer, Arguments, Call, Tier, method

MAX_OWNED: Final = 100
"""Apps that a person can make."""
_APP: Final = re.compile(r"A[A-Z0-9]{1,40}")
_WRITE: Final = access(configuration=["app_configurations:write"])
_READ: Final = access(configuration=["app_configurations:read"])
_ONE: Final = ["app_not_found", "invalid_app_id", "no_permission"]


class AppsManifestCreate(Arguments, frozen=True, kw_only=True):
    """Arguments of apps.manifest.create."""

    REQUIRED = ("manifest",)
    MALFORMED: ClassVar = {"manifest": "invalid_manifest"}

    manifest: Json = None
    team_id: str = ""


class AppsManifestValidate(Arguments, frozen=True, kw_only=True):
    """Arguments of apps.manifest.validate."""

    REQUIRED = ("manifest",)
    MALFORMED: ClassVar = {"manifest": "invalid_manifest"}

    manifest: Json = None
    app_id: str = ""


class AppsManifestUpdate(Arguments, frozen=True, kw_only=True):
    """Arguments of apps.manifest.update."""

    REQUIRED = ("app_id", "manifest")
    MALFORMED: ClassVar = {"manifest": "invalid_manifest"}

    app_id: str = ""
    manifest: Json = None


class AppsManifestExport(Arguments, frozen=True, kw_only=True):
    """Arguments of apps.manifest.export."""

    REQUIRED = ("app_id",)

    app_id: str = ""


class AppsManifestDelete(AppsManifestExport, frozen=True, kw_only=True):
    """Arguments of apps.manifest.delete."""


@method(
    "apps.manifest.create", AppsManifestCreate, Tier.ONE, _WRITE,
    errors=["invalid_manifest", "invalid_team_id", "managed_app_limit_reached"],
)  # fmt: skip
async def create(call: Call, args: AppsManifestCreate) -> Answer:
    """Create an app from its manifest; it gets tokens when it is installed."""
    described = _described(args.manifest)
    if args.team_id and args.team_id != call.team.id:
        raise MethodError("invalid_team_id")
    is_socket_mode = described.manifest.settings.socket_mode_enabled

    def unit(tx: Transaction) -> dict[str, Any]:
        if count_owned(tx, call.who.user) >= MAX_OWNED:
            raise MethodError("managed_app_limit_reached")
        try:
            made = installing.create(tx, call.team, described, owner=call.who.user)
        except MethodError as error:
            raise _named(error) from None
        record = made.app.record
        answer: dict[str, Any] = {
            "app_id": record.id,
            "credentials": {
                "client_id": made.secrets.client_id,
                "client_secret": made.secrets.client_secret,
                "verification_token": VERIFICATION_TOKEN,
                "signing_secret": made.secrets.signing_secret,
            },
            "oauth_authorize_url": _authorize_url(call, made.secrets.client_id, described),
        }
        if is_socket_mode:
            answer["app_token"] = issue_for_app(tx, record, APP_SCOPES).text
        return answer

    return await call.write(unit)


@method(
    "apps.manifest.validate", AppsManifestValidate, Tier.THREE, _WRITE, errors=["invalid_manifest", *_ONE],
)  # fmt: skip
async def validate(call: Call, args: AppsManifestValidate) -> Answer:
    """Say what is wrong with a manifest, or what this server does not do of it."""
    if args.app_id:
        await call.read(lambda query: _own(query, call, args.app_id))
    described = _described(args.manifest)
    return {"errors": [], "warnings": [{"code": "not_done", **each} for each in _plain(described.warnings)]}


@method(
    "apps.manifest.update", AppsManifestUpdate, Tier.ONE, _WRITE, errors=["invalid_manifest", *_ONE],
)  # fmt: skip
async def update(call: Call, args: AppsManifestUpdate) -> Answer:
    """Replace the manifest of an app; what is left out is reset."""
    described = _described(args.manifest)

    def unit(tx: Transaction) -> bool:
        record = _own(tx, call, args.app_id)
        try:
            return installing.update(tx, record, described)
        except MethodError as error:
            raise _named(error) from None

    return {"app_id": args.app_id, "permissions_updated": await call.write(unit)}


@method("apps.manifest.export", AppsManifestExport, Tier.THREE, _READ, errors=_ONE)
async def export(call: Call, args: AppsManifestExport) -> Answer:
    """Return the manifest of an app as the app is now."""
    return {"manifest": await call.read(lambda query: installing.export(query, _own(query, call, args.app_id)))}


@method("apps.manifest.delete", AppsManifestDelete, Tier.ONE, _WRITE, errors=_ONE)
async def delete(call: Call, args: AppsManifestDelete) -> Answer:
    """Delete an app: its tokens are revoked, and its bot is deactivated."""

    def unit(tx: Transaction) -> None:
        delete_app(tx, call.team, _own(tx, call, args.app_id).id)

    await call.write(unit)
    return {}


def _described(tree: Any) -> Described:
    try:
        return describe(tree)
    except ManifestError as error:
        raise MethodError("invalid_manifest", errors=_plain(error.errors)) from None


def _named(error: MethodError) -> MethodError:
    """Return the error of a name that is taken as one of the manifest."""
    if error.code != "name_taken":
        return error
    pointer = "/display_information/name"
    return MethodError(
        "invalid_manifest",
        errors=[{"message": "the name of the app or of its bot is taken: choose another", "pointer": pointer}],
    )


def _plain(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(each) for each in findings]


def _own(query: Query, call: Call, app: str) -> AppRecord:
    """Return an app that the caller has made."""
    if not _APP.fullmatch(app):
        raise MethodError("invalid_app_id")
    record = find_app(query, app)
    if record is None or record.deleted is not None:
        raise MethodError("app_not_found")
    if find_origin(query, app).owner != call.who.user:
        raise MethodError("no_permission")
    return record


def _authorize_url(call: Call, client_id: str, described: Described) -> str:
    manifest = described.manifest
    wanted = {"client_id": client_id, "scope": join_scopes(manifest.bot_scopes)}
    if manifest.user_scopes:
        wanted["user_scope"] = join_scopes(manifest.user_scopes)
    return f"{call.base_url}/oauth/v2/authorize?{urlencode(wanted)}"
