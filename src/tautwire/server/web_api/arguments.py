"""From an HTTP request to the typed arguments of a method. Source: webapi.md section 2.

Arguments come as query, form, multipart or JSON, in any mixture that clients have been seen to send. Text stands for
numbers, booleans, comma lists and JSON where the method wants those.
"""

import asyncio
from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

import msgspec
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from tautwire.server.services.errors import MethodError
from tautwire.server.web_api.method import Arguments

Given = dict[str, Any]

MAX_ARGUMENTS: Final = 200
BODY_PATIENCE: Final = 30.0
"""Seconds in which a body has to arrive."""
FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
JSON: Final = "application/json"

Json = Annotated[Any, "json"]
"""Marks an argument that is an object or array: JSON text in forms, native in JSON bodies."""


class TooBig(Exception):  # noqa: N818 - an outcome of reading, not a fault
    """The body is longer than the server takes."""


async def read_arguments(query: bytes, headers: Headers, receive: Receive, limit: int) -> tuple[Given, list[str]]:
    """Return the arguments of a request by name, and the warnings to attach to the answer."""
    given = _pairs(query)
    try:
        async with asyncio.timeout(BODY_PATIENCE):
            body = await _read_body(receive, limit)
    except TimeoutError:
        raise MethodError("request_timeout") from None
    kind, _, options = headers.get("content-type", "").partition(";")
    kind = kind.strip().lower()
    warnings: list[str] = []
    if not body:
        return given, warnings  # an empty body with a JSON content type is normal: slack_sdk sends it
    if kind == JSON:
        if "charset" not in options.lower():
            warnings.append("missing_charset")
        given |= _json_object(body)
    elif kind == FORM:
        given |= _pairs(body)
    elif kind == MULTIPART:
        given |= await _multipart(headers, body)
    elif not kind:
        raise MethodError("missing_post_type")
    else:
        raise MethodError("invalid_post_type")
    return given, warnings


def convert(given: Mapping[str, Any], arguments: type[Arguments]) -> Arguments:
    """Return the typed arguments; raise ``MethodError`` (invalid_arguments) naming what is missing or wrong."""
    shapes = _shapes(arguments)
    known = {name: _shape(name, value, shapes[name]) for name, value in given.items() if name in shapes}
    known = {name: value for name, value in known.items() if value is not None}
    missing = [name for name in _required(arguments) if name not in known]
    if missing:
        messages = [f"[ERROR] missing required field: {name}" for name in missing]
        raise MethodError("invalid_arguments", response_metadata={"messages": messages})
    try:
        return msgspec.convert(known, arguments, strict=False)
    except msgspec.ValidationError as error:
        raise MethodError("invalid_arguments", response_metadata={"messages": [f"[ERROR] {error}"]}) from None


async def _read_body(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise TooBig
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


def _pairs(data: bytes) -> Given:
    try:
        pairs = parse_qsl(data.decode(), keep_blank_values=True, max_num_fields=MAX_ARGUMENTS)
    except ValueError:
        raise MethodError("invalid_form_data") from None
    if any(name.endswith("[]") for name, _ in pairs):
        raise MethodError("invalid_array_arg")
    return dict(pairs)


def _json_object(body: bytes) -> Given:
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MethodError("invalid_json") from None
    if not isinstance(data, dict):
        raise MethodError("json_not_object")
    return data


async def _multipart(headers: Headers, body: bytes) -> Given:
    async def once() -> Any:
        yield body

    try:
        form = await MultiPartParser(headers, once(), max_fields=MAX_ARGUMENTS, max_files=10).parse()
    except (MultiPartException, KeyError, ValueError):
        raise MethodError("invalid_form_data") from None
    try:
        return {name: value for name, value in form.items() if isinstance(value, str)}
    finally:
        await form.close()


def _shape(name: str, value: Any, shape: str) -> Any:
    """Bring what the encoding could not express into the shape that the method wants."""
    if shape == "list":
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value
    if shape == "json":
        if not isinstance(value, str):
            return value
        if not value.strip():
            return None
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError:
            raise MethodError(f"invalid_{name}" if name in ("blocks", "attachments") else "invalid_arguments") from None
    if isinstance(value, str) and shape == "bool":
        return {"1": True, "true": True, "0": False, "false": False, "": None}.get(value.strip().lower(), value)
    if shape == "number" and value == "":
        return None
    if shape == "text" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


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


@cache
def _required(arguments: type[Arguments]) -> tuple[str, ...]:
    return tuple(
        field.name
        for field in msgspec.structs.fields(arguments)
        if field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT
    )
