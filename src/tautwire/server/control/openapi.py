"""The OpenAPI document of the control API, made from the table of operations."""

from importlib.metadata import version
from typing import Any, Final

import msgspec
from msgspec.structs import fields

from tautwire.server.control.operation import OPERATIONS, Operation
from tautwire.server.control.watching import PARAMETERS

NAME: Final = "openapi.json"
PATH: Final = "/_control/v1/"
"""The path of the door, before the name of an operation."""
_REF: Final = "#/components/schemas/{name}"

STREAMS: Final = {
    "watch": ("Send entries of the journal as they come, as server-sent events.", "text/event-stream"),
    "journal": ("Send the entries of the journal that are kept, as lines of JSON.", "application/jsonl"),
}
"""What GET returns without an end, or in pieces."""

STATUSES: Final = {
    400: "The arguments are not valid, or a rule refuses the operation; nothing was changed.",
    401: "The secret is missing or wrong.",
    403: "The request has an Origin header: web pages are refused.",
    404: "A user, a channel, another name or the operation itself is unknown.",
    405: "Operations are called by POST, `openapi.json` and the streams by GET.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    429: "Too many wrong secrets came from the address; Retry-After says when to try again.",
    500: "The server failed; its log says why.",
    503: "The change could not be stored.",
}


def control_url(api_url: str) -> str:
    """Return the URL of the door, with a slash at the end, on the server of a Web API."""
    return api_url.removesuffix("/api/") + PATH


class Fault(msgspec.Struct):
    """What is wrong: a code for programs, and a sentence for people."""

    code: str
    message: str


class Failed(msgspec.Struct):
    """The answer of an operation that was not carried out."""

    error: Fault


def document() -> dict[str, Any]:
    """Return the document: OpenAPI 3.1, whose schemas are JSON Schema."""
    operations = [OPERATIONS[name] for name in sorted(OPERATIONS)]
    wanted: list[type] = [Failed]
    for each in operations:
        wanted += filter(None, (each.arguments, each.answer))
    schemas, components = msgspec.json.schema_components(wanted, ref_template=_REF)
    refs = dict(zip(wanted, schemas, strict=True))
    failures = {str(status): {"description": text, "content": _json(refs[Failed])} for status, text in STATUSES.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "tautwire control API", "version": version("tautwire")},
        "servers": [{"url": "/"}],
        "security": [{"secret": []}],
        "paths": {
            **{PATH + each.name: {"post": _operation(each, refs, failures)} for each in operations},
            **{PATH + name: {"get": _stream(name, failures)} for name in STREAMS},
        },
        "components": {
            "schemas": components,
            "securitySchemes": {"secret": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(each: Operation, refs: dict[type, Any], failures: dict[str, Any]) -> dict[str, Any]:
    answer = {"type": "object"} if each.answer is None else refs[each.answer]
    return {
        "operationId": each.name,
        "summary": each.summary,
        "requestBody": {"required": bool(required(each)), "content": _json(refs[each.arguments])},
        "responses": {"200": {"description": each.summary, "content": _json(answer)}, **failures},
    }


def _stream(name: str, failures: dict[str, Any]) -> dict[str, Any]:
    summary, kind = STREAMS[name]
    parameters = [
        {"name": each, "in": "query", "required": False, "description": text, "schema": {"type": "string"}}
        for each, text in PARAMETERS.items()
    ]
    content = {kind: {"schema": {"type": "string"}}}
    answers = {"200": {"description": summary, "content": content}, **failures}
    return {"operationId": name, "summary": summary, "parameters": parameters, "responses": answers}


def required(each: Operation) -> list[str]:
    """Return the arguments that an operation needs."""
    return [field.name for field in fields(each.arguments) if field.required]


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
