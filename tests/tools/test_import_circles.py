"""No two modules of the package import each other, by whatever way round. Imports for types alone count."""

import ast
from collections.abc import Mapping, Set
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"


def imports(source: Path) -> dict[str, set[str]]:
    """Return which modules each module below a folder imports, those of the folder only."""
    files = {_name(path.relative_to(source)): path for path in source.rglob("*.py")}
    found: dict[str, set[str]] = {}
    for module, path in files.items():
        found[module] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [each.name for each in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{each.name}" for each in node.names]
            else:
                continue
            for name in names:  # a module, or else something in one
                target = name if name in files else name.rpartition(".")[0]
                if target in files and target != module:
                    found[module].add(target)
    return found


def _name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def circle(graph: Mapping[str, Set[str]]) -> list[str]:
    """Return one circle of a graph, [] if it has none."""
    done: set[str] = set()

    def look(module: str, way: list[str]) -> list[str]:
        if module in way:
            return [*way[way.index(module) :], module]
        if module in done:
            return []
        for target in sorted(graph.get(module, ())):
            if found := look(target, [*way, module]):
                return found
        done.add(module)
        return []

    return next((found for module in sorted(graph) if (found := look(module, []))), [])


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}}, ["b", "c", "b"]),
        ({"a": {"c"}, "b": {"a"}, "c": {"b"}}, ["a", "c", "b", "a"]),
    ],
)
def test_circles_are_found(graph: dict[str, set[str]], expected: list[str]) -> None:
    assert circle(graph) == expected


def test_imports_for_types_are_seen(tmp_path: Path) -> None:
    (tmp_path / "first.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from second import Two\n"
    )
    (tmp_path / "second.py").write_text("def late():\n    import first\n")
    assert imports(tmp_path) == {"first": {"second"}, "second": {"first"}}


def test_the_package_has_no_circle_of_imports() -> None:
    graph = imports(SOURCE)
    graph.pop("tautwire")  # names its public classes for type checkers, and loads them when they are asked for
    assert len(graph) > 100
    assert circle(graph) == []
