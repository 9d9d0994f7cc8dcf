"""From the text of a manifest to its description, with everything that is wrong or not done here. Pure.

A manifest comes from people: its text is bounded, and YAML that can grow when it is read (aliases) is refused.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec
import yaml

from tautwire.server.services.manifests.rules import Finding, faults, gaps
from tautwire.server.services.manifests.shape import Manifest

MAX_SIZE: Final = 262_144
"""Bytes of a manifest: the largest members that are allowed, all of them, are about half of it."""
MAX_DEPTH: Final = 50
MAX_NODES: Final = 20_000
"""Values of a manifest in YAML: its reader is slow."""
MAX_ERRORS: Final = 20
"""Errors that are reported at once."""
MAX_QUOTED: Final = 300
"""Characters of a message."""

Tree = dict[str, Any]
"""A manifest as JSON: what is described, and what is not."""


class ManifestError(Exception):
    """A manifest is not valid.

    Args:
        errors: what is wrong with it, and where.
    """

    def __init__(self, errors: list[Finding]) -> None:
        super().__init__("; ".join(f"{each.pointer or '/'}: {each.message}" for each in errors))
        self.errors = errors


class Described(NamedTuple):
    """A valid manifest."""

    manifest: Manifest
    tree: Tree
    """The whole of it, for the export."""
    warnings: list[Finding]
    """What this server does not do of it."""


def read_yaml(text: bytes) -> Described:
    """Return the manifest in a file of YAML, of which JSON is a part.

    Raises:
        ManifestError: it is not valid.
    """
    _check_size(text)
    try:
        _check_growth(text)
        tree = msgspec.yaml.decode(text)
    except ManifestError:
        raise
    except (yaml.YAMLError, msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        raise _refused(f"the manifest must be YAML or JSON: {error}") from None
    return describe(tree)


def read_json(text: str | bytes) -> Described:
    """Return the manifest in JSON, as ``apps.manifest.*`` get it; raise ``ManifestError`` if it is not valid."""
    data = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    _check_size(data)
    try:
        tree = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _refused(f"the manifest must be JSON: {error}") from None
    return describe(tree)


def describe(tree: Any) -> Described:
    """Return a manifest that was read; raise ``ManifestError`` if it is not valid."""
    if not isinstance(tree, dict):
        raise _refused("the manifest must be an object")
    try:  # a date of YAML becomes text
        plain = msgspec.json.encode(tree)
    except (TypeError, ValueError, RecursionError) as error:
        raise _refused(f"the manifest must be a tree of plain values: {error}") from None
    _check_size(plain)
    whole: Tree = msgspec.json.decode(plain)
    if _depth(whole) > MAX_DEPTH:
        raise _refused(f"the manifest must have at most {MAX_DEPTH} levels")
    manifest = _convert(whole)
    found = faults(manifest)
    if found:
        raise ManifestError(found[:MAX_ERRORS])
    return Described(manifest, whole, gaps(whole, manifest))


def _check_size(text: bytes) -> None:
    if len(text) > MAX_SIZE:
        raise _refused(f"the manifest must have at most {MAX_SIZE} bytes, got {len(text)}")


def _check_growth(text: bytes) -> None:
    """Refuse aliases, with which a short text stands for a huge tree, and a tree that is too deep or too large."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
        if isinstance(event, yaml.AliasEvent):
            name = str(event.anchor)[:40]
            raise _refused(f"aliases of YAML are refused, got *{name}: write the value where it is used")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise _refused(f"the manifest must have at most {MAX_DEPTH} levels")
        if count > MAX_NODES:
            raise _refused(f"the manifest must have at most {MAX_NODES} values")


def _convert(tree: Tree) -> Manifest:
    """Return the description of a tree, or raise with all members that are not as described."""
    errors: list[Finding] = []
    rest = msgspec.json.decode(msgspec.json.encode(tree))
    while True:
        try:
            manifest = msgspec.convert(rest, Manifest)
        except msgspec.ValidationError as error:
            found = _finding(str(error))
            if any(each.pointer.startswith(found.pointer) for each in errors):
                break  # a consequence of what was taken out
            errors.append(found)
            if len(errors) == MAX_ERRORS or not _take_out(rest, found.pointer):
                break
        else:
            if not errors:
                return manifest
            break
    raise ManifestError(errors)


_PATH: Final = re.compile(r" - at `\$([^`]*)`$")
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[\.\.\.\]")


def _finding(message: str) -> Finding:
    """Return an error of msgspec with its path as a pointer."""
    path = _PATH.search(message)
    if path is None:
        return Finding(message[:MAX_QUOTED], "")
    steps = [name or number for name, number in _STEP.findall(path.group(1))]
    pointer = "".join(f"/{_escaped(step)}" for step in steps if step)
    return Finding(message[: path.start()][:MAX_QUOTED], pointer)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _take_out(tree: Any, pointer: str) -> bool:
    """Remove the value at a pointer, to look for further errors; return False if there is none."""
    *steps, last = pointer.split("/")[1:] or [""]
    for step in steps:
        tree = tree[int(step)] if isinstance(tree, list) else tree.get(step)
    if isinstance(tree, list) and last.isdigit() and int(last) < len(tree):
        tree.pop(int(last))
        return False  # the numbers of what follows would be wrong
    return isinstance(tree, dict) and tree.pop(last, tree) is not tree


def _depth(tree: Any) -> int:
    level, depth = [tree], 0
    while level and depth <= MAX_DEPTH:
        level = [part for whole in level for part in _parts(whole)]
        depth += 1
    return depth


def _parts(whole: Any) -> Iterator[Any]:
    if isinstance(whole, Mapping):
        yield from whole.values()
    elif isinstance(whole, list):
        yield from whole


def _refused(message: str) -> ManifestError:
    return ManifestError([Finding(message[:MAX_QUOTED], "")])
