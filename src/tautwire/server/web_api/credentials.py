"""Where the credentials of a call stand: in the header ``Authorization``, or among the arguments. Pure."""

from base64 import b64decode
from collections.abc import Mapping

from tautwire.server.web_api.arguments import Given


def header_token(headers: Mapping[str, str]) -> str | None:
    """Return the token of the header, which comes before the arguments. Source: wire/web-api.md#where-the-token-is."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def header_client(headers: Mapping[str, str]) -> Given:
    """Return the client id and secret of the header, which come before the arguments. Source: wire/apps.md#oauth."""
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        client, separator, secret = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        return {}
    return {"client_id": client, "client_secret": secret} if separator else {}


def take_token(given: Given) -> str | None:
    """Return the token among the arguments, and remove it: a token must not appear in an answer."""
    argument = given.pop("token", None)
    return argument if isinstance(argument, str) else None
