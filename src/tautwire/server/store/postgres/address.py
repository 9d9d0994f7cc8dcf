"""Where a workspace is in PostgreSQL: a URL and a schema, named to people without secrets."""

import re
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

import psycopg

from tautwire.protocol.errors import ConfigError

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}", re.ASCII)


class Address(NamedTuple):
    """Where a workspace is: a database, and a schema in it."""

    url: str
    schema: str

    @property
    def name(self) -> str:
        """The address for people, without user and password."""
        parts = urlsplit(self.url)
        host = parts.hostname or dict(parse_qsl(parts.query)).get("host", "localhost")
        port = f":{parts.port}" if parts.port else ""
        return f"PostgreSQL at {host}{port}, database {parts.path.strip('/')}, schema {self.schema}"

    @property
    def quoted(self) -> str:
        """The schema as SQL has it: a name may be a word of SQL, such as ``full``. It has no quotation mark."""
        return f'"{self.schema}"'


def read_address(url: str) -> Address:
    """Return the address in a URL; the parameter ``schema`` is ours, ``tautwire`` without it.

    Raises:
        ConfigError: it is no URL of PostgreSQL. The text does not repeat it, since it may hold a password.
    """
    try:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        schema = query.pop("schema", "tautwire")
        plain = f"{parts.scheme}://{parts.netloc}{parts.path}" + (f"?{urlencode(query)}" if query else "")
        psycopg.conninfo.conninfo_to_dict(plain)
        _ = parts.port  # raises if it is no number
    except (ValueError, psycopg.Error):
        raise ConfigError(
            "the URL of the database cannot be read: it must look like postgresql://NAME@HOST:5432/DATABASE"
        ) from None
    if not _NAME.fullmatch(schema):
        raise ConfigError(
            f"the schema of the database must be lower-case letters, digits and underscores, got {schema[:80]!r}"
        )
    return Address(plain, schema)
