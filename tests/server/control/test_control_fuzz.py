"""Arguments of the right types and odd values, for every operation of the control API and for its streams' filters.

``test_control_api`` sends values of any type; most are refused before a rule is reached. Here each value has the type
that the operation asks for, and names things that exist as often as not.
"""

import asyncio
import json
import re
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from msgspec import inspect

from appside import APP_SEED
from controlled import PATH, SECRET, ask, operate, root
from sandboxed import opened
from scene import PATIENCE, OpenScene, Scene
from tautwire.server.control.operation import OPERATIONS, Operation
from tautwire.server.control.watching import PARAMETERS
from tautwire.server.journal.entry import KINDS

T = TypeVar("T")
TEXTS = st.sampled_from(
    [
        *("alice", "bob", "carol", "desk", "relaybot", "general", "#ops", "{alice}", "{general}", "{ts}", "{app}"),
        *("", " ", "\0", "\U0001f600", "1.1", "9" * 40, "x" * 300, "{", "[1]", "*", "-1", "eyes", "away", "/deploy"),
        *("chat.postMessage", "message", "2026-01-01T00:00:00Z", "https://x.test/a", "http://127.0.0.1:1/", "../x"),
        *("aGVsbG8=", "workspace", "xoxb-1", "U0", "C0", "A0", "V0", "F0", "Q0", "S0"),
    ]
)
"""Names of things that are there, in braces for their ids, and of things that are not."""
ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=4,
)
REFUSALS = (200, 400, 404, 413)
"""The statuses that an answer may have."""
ENDING = {"workspaces.restore", "workspaces.reset", "workspaces.delete"}
"""Operations that end or replace the workspace in which the others are tried; ``test_sandboxes`` has them."""


def values(kind: inspect.Type) -> st.SearchStrategy[Any]:
    """Return values of a type of msgspec."""
    match kind:
        case inspect.StrType():
            return TEXTS
        case inspect.BoolType():
            return st.booleans()
        case inspect.IntType(ge=low, le=high):
            return st.integers(low if low is not None else -(2**70), high if high is not None else 2**70)
        case inspect.FloatType(ge=low, le=high):
            return st.floats(low, high, allow_nan=False, allow_infinity=False)
        case inspect.NoneType():
            return st.none()
        case inspect.LiteralType(values=known):
            return st.sampled_from(known)
        case inspect.UnionType(types=kinds):
            return st.one_of([values(each) for each in kinds])
        case (
            inspect.ListType(item_type=inner) | inspect.VarTupleType(item_type=inner) | inspect.SetType(item_type=inner)
        ):
            return st.lists(values(inner), max_size=3)
        case inspect.DictType(value_type=inner):
            return st.dictionaries(TEXTS, values(inner), max_size=3)
        case inspect.StructType():
            needed = {each.encode_name: values(each.type) for each in kind.fields if each.required}
            others = {each.encode_name: values(each.type) for each in kind.fields if not each.required}
            return st.fixed_dictionaries(needed, optional=others)
        case inspect.AnyType() | inspect.RawType():
            return ANY
    raise AssertionError(f"no values for {kind}")


def requests_of(operation: Operation) -> st.SearchStrategy[dict[str, Any]]:
    at_once = {"timeout": 0} if "timeout" in operation.arguments.__struct_fields__ else {}
    return values(inspect.type_info(operation.arguments)).map(lambda arguments: arguments | at_once)


def requests_to(names: list[str]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    return st.sampled_from(names).flatmap(lambda name: st.tuples(st.just(name), requests_of(OPERATIONS[name])))


def gathered(strategy: st.SearchStrategy[T], number: int, count: int) -> list[T]:
    """Return examples; those of a number are the same each time."""
    found: list[T] = []

    @seed(number)
    @settings(max_examples=count, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(strategy)
    def gather(example: T) -> None:
        found.append(example)

    gather()
    return found


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_scene(control=True, control_secret=SECRET, seed=APP_SEED)


def filled_in(value: Any, facts: dict[str, str]) -> Any:
    match value:
        case str():
            return facts.get(value, value)
        case list():
            return [filled_in(each, facts) for each in value]
        case dict():
            return {filled_in(name, facts): filled_in(each, facts) for name, each in value.items()}
        case _:
            return value


async def facts_of(scene: Scene) -> dict[str, str]:
    ts = await scene.post("alice", scene.general, "hello")
    app = str(scene.directory.apps["desk"]["id"])
    return {"{alice}": scene.users["alice"], "{general}": scene.general, "{ts}": ts, "{app}": app}


@pytest.mark.parametrize("part", range(4))
async def test_typed_arguments_make_no_operation_fail(scene: Scene, part: int) -> None:
    requests = gathered(requests_to(sorted(OPERATIONS.keys() - ENDING)), part, 250)
    facts = await facts_of(scene)
    reached = set()
    async with asyncio.timeout(20 * PATIENCE):
        for name, arguments in requests:
            body = json.dumps(filled_in(arguments, facts)).encode()
            reply = await ask(scene, PATH + name, body)
            assert reply.status in REFUSALS, (name, arguments, reply)
            reached.add(name)
    assert len(reached) > len(OPERATIONS) / 2
    await operate(scene, "faults.clear")
    assert (await operate(scene, "team.show"))["team"]


QUERIES = st.lists(
    st.tuples(st.sampled_from([*PARAMETERS, "x", ""]), TEXTS | st.sampled_from([*KINDS, "call,frame", "0", "7"])),
    max_size=4,
)


@pytest.mark.parametrize("name", ["journal", "watch"])
async def test_no_filter_makes_a_stream_fail(scene: Scene, name: str) -> None:
    found = gathered(QUERIES, 0, 150)
    facts = await facts_of(scene)
    headers = {"Authorization": f"Bearer {SECRET}"}
    statuses = set()
    for query in found:
        text = "&".join(f"{quote(key)}={quote(filled_in(value, facts))}" for key, value in query)
        async with scene.http.get(f"{root(scene)}{PATH}{name}?{text}", headers=headers) as response:
            statuses.add(response.status)
            if response.status != 200:
                assert (await response.json())["error"]["message"]
    assert statuses <= {200, 400, 404}
    assert 200 in statuses
    assert (await operate(scene, "team.show"))["team"]


@pytest.mark.parametrize("part", range(2))
async def test_typed_arguments_make_no_operation_on_workspaces_fail(tmp_path: Path, part: int) -> None:
    names = sorted(name for name, operation in OPERATIONS.items() if operation.is_on_hosts)
    requests = gathered(requests_to(names), part, 60)
    async with opened(tmp_path) as farm, asyncio.timeout(20 * PATIENCE):
        for name, arguments in requests:
            made = await farm.create(name="here")
            facts = {"alice": made.id, "bob": "here", "{alice}": "here"}
            body = json.dumps(filled_in(arguments, facts)).encode()
            reply = await farm.ask(name, body)
            assert reply.status in REFUSALS, (name, arguments, reply)
            body = json.dumps({"workspace": made.id}).encode()
            assert (await farm.ask("workspaces.delete", body)).status in (200, 404)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_values_have_the_type_that_is_asked_for(name: str) -> None:
    wanted = OPERATIONS[name].arguments
    for arguments in gathered(requests_of(OPERATIONS[name]), 0, 10):
        try:
            msgspec.convert(arguments, wanted)
        except msgspec.ValidationError as error:
            refusal = str(error)
        else:
            continue
        assert re.search("of length|matching regex|> 0.0", refusal)
