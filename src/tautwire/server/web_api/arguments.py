"""From an HTTP request to the typed arguments of a method. Source: wire/web-api.md#requests.

Arguments come as query, form, multipart or JSON, in every mixture that clients were observed to send. Forms have only
text, so text is converted to the numbers, booleans, lists and JSON that the method declares.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser

from tautwire.server.forms import read_form
from tautwire.server.services import nesting
from tautwire.server.services.errors import MethodError
from tautwire.server.web_api.method import Arguments

Given = dict[str, Any]

MAX_ARGUMENTS: Final = 200
FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
JSON: Final = "application/json"

Json = Annotated[Any, "json"]
"""Marks an argument that is an object or array: JSON text in forms, native in JSON bodies."""

_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([\w.-]+)", re.IGNORECASE)
_CHARSETS: Final = ("utf-8", "utf8", "us-ascii")
_NAME: Final = re.compile(r"[\w.:-]{0,100}", re.ASCII)


async def read_arguments(
    query: bytes, headers: Mapping[str, str], read_body: Callable[[], Awaitable[bytes]]
) -> tuple[Given, list[str]]:
    """Return the arguments of a request by name, and the warnings to attach to the answer.

    Args:
        headers: by name in lower case.
        read_body: called when the query is valid.
    """
    given = read_pairs(query)
    body = await read_body()
    if not body:
        return given, []  # also with a JSON content type: slack_sdk sends that
    kind, _, options = headers.get("content-type", "").partition(";")
    kind = kind.strip().lower()
    charset = _CHARSET.search(options)
    if charset is not None and charset[1].lower() not in _CHARSETS:
        raise MethodError("invalid_charset")
    if kind == JSON:
        given |= _json_object(body)
    elif kind == FORM:
        given |= read_pairs(body)
    elif kind == MULTIPART:
        given |= await _multipart(headers["content-type"], body)
    elif not kind:
        raise MethodError("missing_post_type")
    else:
        raise MethodError("invalid_post_type")
    check_names(given)
    return given, ["missing_charset"] if kind == JSON and charset is None else []


def convert(given: Mapping[str, Any], arguments: type[Arguments]) -> Arguments:
    """Return the typed arguments; raise ``MethodError`` (invalid_arguments) with the reason."""
    shapes = _shapes(arguments)
    known = {
        name: _shape(name, value, shapes[name], arguments.MALFORMED) for name, value in given.items() if name in shapes
    }
    known = {name: value for name, value in known.items() if value is not None}
    try:
        return msgspec.convert(known, arguments, strict=False)
    except ValueError as error:  # msgspec's own, or a lone surrogate where a number is expected
        raise MethodError("invalid_arguments", response_metadata={"messages": [f"[ERROR] {error}"]}) from None


def read_pairs(data: bytes) -> Given:
    """Return the arguments in a query or a form."""
    try:
        given: Given = {**read_form(data, MAX_ARGUMENTS)}
    except ValueError:
        raise MethodError("invalid_form_data") from None
    check_names(given)
    return given


def check_names(names: Iterable[str]) -> None:
    """Raise ``MethodError`` if a name cannot be that of an argument."""
    for name in names:
        if "[" in name:
            raise MethodError("invalid_array_arg")
        if not _NAME.fullmatch(name):
            raise MethodError("invalid_arg_name")


def _json_object(body: bytes) -> Given:
    try:
        data = nesting.decode(body)
    except ValueError:
        raise MethodError("invalid_json") from None
    if not isinstance(data, dict):
        raise MethodError("json_not_object")
    return data


async def _multipart(content_type: str, body: bytes) -> Given:
    async def once() -> Any:
        yield body

    try:
        headers = Headers({"content-type": content_type})
        form = await MultiPartParser(headers, once(), max_fields=MAX_ARGUMENTS, max_files=10).parse()
    except (MultiPartException, KeyError, ValueError):
        raise MethodError("invalid_form_data") from None
    try:
        return {name: value for name, value in form.items() if isinstance(value, str)}
    finally:
        await form.close()


def _shape(name: str, value: Any, shape: str, malformed: Mapping[str, str]) -> Any:
    """Convert a value that its encoding could not express, text mostly, to the shape that the method declares."""
    if isinstance(value, str) and shape == "list":
        if value.startswith("["):  # Node's client writes arrays into forms this way
            return _json_value(name, value, malformed)
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, str) and shape == "json":
        return _json_value(name, value, malformed) if value.strip() else None
    if isinstance(value, str) and shape == "bool":
        return {"1": True, "true": True, "0": False, "false": False, "": None}.get(value.strip().lower(), value)
    if shape == "number" and value == "":
        return None
    if shape == "text" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


def _json_value(name: str, text: str, malformed: Mapping[str, str]) -> Any:
    try:
        return nesting.decode(text)
    except ValueError:
        raise MethodError(malformed.get(name, "invalid_arguments")) from None


@cache
def _shapes(arguments: type[Arguments]) -> dict[str, str]:
    hints = get_type_hints(arguments, include_extras=True)
    return {field: _shape_of(hints[field]) for field in arguments.__struct_fields__}


def _shape_of(hint: Any) -> str:
    if get_origin(hint) is Annotated and "json" in get_args(hint):
        return "json"
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    for option in options:
        if get_origin(option) is Annotated and "json" in get_args(option):
            return "json"
        if get_origin(option) in (list, tuple):
            return "list"
        if option is bool:
            return "bool"
        if option in (int, float):
            return "number"
    return "text"
