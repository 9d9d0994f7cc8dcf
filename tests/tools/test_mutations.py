"""The changes that are made to a module: each kind, in its place, and nothing that no test could notice."""

import textwrap

import pytest

from tools.mutations import changes

CASES = {
    "x = a < b": {"(a >= b)", "(a <= b)"},
    "x = a is not b": {"(a is b)"},
    "x = a and b": {"((a) or (b))", "((a))", "((b))"},
    "x = not a": {"(a)"},
    "x = a + b": {"((a) - (b))"},
    "x = b if a else c": {"(b)", "(c)"},
    "x = True": {"False"},
    "x = 3": {"(3 + 1)", "(3 - 1)"},
    "x = 4_096": {"(4096 * 2)"},
    "f(a, b)": {"pass", "b, a"},
    "f(a, b=c)": {"pass", "f(a)"},
    "x = min(a, b)": {"max"},
    "x = zip(a, b, strict=c < d)": {"b, a"},
    "if a:\n    f()": {"True", "False", "pass"},
    "while a:\n    f()": {"False", "pass"},
    "self.x = a": {"pass"},
    "x += a": {"pass", "x -= a"},
    "del x[a]": {"pass"},
    "raise E('text')": {"pass"},
    "def f():\n    return a": {"return None"},
    "def f():\n    return": {"pass"},
    "for a in b:\n    break": {"continue"},
    "for a in b:\n    continue": {"pass", "break"},
    "try:\n    x = f\nexcept E:\n    x = g": {"raise", "pass"},
    "try:\n    x = f\nexcept E:\n    log.exception('text')": {"raise"},
    "try:\n    x = f\nfinally:\n    x = g": {"pass"},
    "async def f():\n    await g()": {"pass"},
}

LEFT_ALONE = [
    "import a",
    "from a import b",
    "x: int",
    "x: Literal[1] = y",
    '"""A docstring."""',
    "x = 'text'",
    "x = f'{a + 1}'",
    "log.warning('%d', a + 1, exc_info=True)",
    "T = TypeVar('T', bound=C)",
    "@dataclass(slots=True)\nclass A:\n    x: int",
    "if TYPE_CHECKING:\n    x = 1",
    "def f(a: Literal[1]) -> Literal[2]:\n    '''Text.'''",
]


@pytest.mark.parametrize("source", CASES)
def test_each_kind_of_code_has_its_changes(source: str) -> None:
    assert {change.new for change in changes(source)} == CASES[source]


@pytest.mark.parametrize("source", LEFT_ALONE)
def test_what_no_test_could_notice_is_left_alone(source: str) -> None:
    assert changes(source) == []


def test_a_change_is_made_in_its_place_and_keeps_the_lines() -> None:
    source = textwrap.dedent('''
        def f(a):
            """Says „more than one“, in bytes longer than in characters."""
            name = "ä"; return name if a > 1 else None
    ''')
    found = {str(change): change for change in changes(source)}

    change = found["a > 1 -> (a >= 1)"]
    assert change.line == 4
    assert change.apply(source) == source.replace("a > 1", "(a >= 1)")


def test_every_change_compiles() -> None:
    source = (
        "async def f():\n    return [x async for x in g() if x or 1]\n\n\nclass A:\n    def b(self):\n        pass\n"
    )
    assert changes(source)
    for change in changes(source):
        compile(change.apply(source), "mutant", "exec")
