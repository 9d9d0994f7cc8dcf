"""Who may call a method: kinds of tokens, and scopes for each kind. Source: wire/web-api-methods.md."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from tautwire.server.services.access.identity import TokenKind

Access = Mapping[TokenKind, tuple[str, ...]]
"""The kinds of tokens that a method serves, each with its scopes: a token needs one of them, none if there are none.

Where the kind of the conversation decides which scope is needed, each of them suffices here.
"""

PUBLIC: Final[Access] = {}
"""The method needs no token. It must not read or change anything of the workspace."""

_SCOPE: Final = re.compile(r"[a-z_]+([.:][a-z_]+)*")


def access(
    *,
    user: Sequence[str] | None = None,
    bot: Sequence[str] | None = None,
    app: Sequence[str] | None = None,
    configuration: Sequence[str] | None = None,
) -> Access:
    """Return who may call a method.

    Args:
        user: the scopes of user tokens; None if the method refuses user tokens.
        bot: the same for bot tokens.
        app: the same for app-level tokens.
        configuration: the same for configuration tokens.

    Raises:
        ValueError: a scope is not valid, or no kind of token is named.
    """
    kinds = (
        (TokenKind.USER, user), (TokenKind.BOT, bot), (TokenKind.APP, app), (TokenKind.CONFIGURATION, configuration)
    )  # fmt: skip
    found = {kind: tuple(scopes) for kind, scopes in kinds if scopes is not None}
    if not found:
        raise ValueError(
            "access must name a kind of token (user, bot, app or configuration); a method without a token has PUBLIC"
        )
    for scope in (scope for scopes in found.values() for scope in scopes):
        if not _SCOPE.fullmatch(scope):
            raise ValueError(f"a scope must look like 'channels:read', got {scope!r}")
    return found


def users_and_bots(*scopes: str) -> Access:
    """Return the access of user and bot tokens with the same scopes."""
    return access(user=scopes, bot=scopes)
