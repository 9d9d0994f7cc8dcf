"""The table ``token``: hashes of tokens, and where each token comes from."""

from tautwire.server.store.engine import Query


def has_tokens(query: Query, origin: str) -> bool:
    """Whether there is a token of this origin."""
    return query.one("SELECT 1 FROM token WHERE origin = ? LIMIT 1", origin) is not None
