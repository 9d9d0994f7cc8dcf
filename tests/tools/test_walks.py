"""The count of calls and moves on a way through the package."""

from tools.walks import CLIENT, WALKS, Call, Walk, found, moves


def call(function: str, file: str = "a.py", thread: str = CLIENT) -> Call:
    return Call(thread, file, function)


def test_a_walk_begins_at_its_last_beginning_before_its_end() -> None:
    calls = [call("begin"), call("begin"), call("other", thread="server"), call("middle"), call("X.end"), call("after")]
    walk = Walk("w", CLIENT, "begin", ("end",))
    assert [each.function for each in found(walk, calls)] == ["begin", "middle", "X.end"]


def test_moves_are_changes_of_the_file() -> None:
    assert moves([call("f", "a.py"), call("g", "a.py"), call("h", "b.py"), call("i", "a.py")]) == 2


def test_each_walk_has_a_name_of_its_own() -> None:
    assert len({each.name for each in WALKS}) == len(WALKS)
