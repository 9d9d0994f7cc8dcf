"""SQL is in the server's store only, and the modules of the tables write it in words that every database has."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "tautwire"
STORE = PACKAGE / "server" / "store"
ADAPTERS = {"sqlite.py", "postgres", "engine.py", "engines.py", "migrations.py"}
ELSEWHERE: set[str] = set()

STATEMENT = re.compile(r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH|CREATE|ALTER|DROP|PRAGMA)\s")
OWN_WORDS = re.compile(
    r"""\browid\b|\?\d|\$\d|\buser\b|::|=\ *[01]\b|\b(max|min)\([^()]*,|\b(instr|ifnull)\(
    |\bOR\ (IGNORE|REPLACE)\b|\b(GLOB|ILIKE|RETURNING)\b""",
    re.VERBOSE,
)
"""Words and forms that SQLite or PostgreSQL has alone, or that the two read differently."""


def texts(source: str) -> Iterator[str]:
    """Yield the text literals of a module that are not docstrings; of a formatted one, what is written there."""
    tree = ast.parse(source)
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(node.value)  # a docstring
        elif isinstance(node, ast.JoinedStr):
            parts = [each for each in node.values if isinstance(each, ast.Constant)]
            skipped.update(parts)
            yield "".join(str(each.value) if isinstance(each, ast.Constant) else "{}" for each in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in skipped:
            yield node.value


def statements(source: str) -> list[str]:
    """Return the text literals of a module that begin as a statement of SQL."""
    return [text for text in texts(source) if STATEMENT.match(text)]


@pytest.mark.parametrize(
    "source",
    [
        "query.one('SELECT 1 FROM users')",
        "tx.execute('DELETE ' 'FROM log WHERE position <= ?', 1)",
        "tx.execute(f'UPDATE {table} SET a = 1')",
        "x = '''\n  WITH n AS (SELECT 1) SELECT * FROM n'''",
        "INSERT = 'INSERT INTO t VALUES (?)'",
    ],
)
def test_a_statement_is_found(source: str) -> None:
    assert len(statements(source)) == 1


def test_a_docstring_and_other_text_are_no_statement() -> None:
    assert (
        statements('"""SELECT what?"""\ndef f():\n    """UPDATE it."""\n    return "UPDATED", "with x", "A SELECT x"')
        == []
    )


def test_only_the_store_has_sql() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix(): statements(path.read_text())
        for path in PACKAGE.rglob("*.py")
        if STORE not in path.parents
    }
    assert len(found) > 100
    assert {file: sql for file, sql in found.items() if sql and file not in ELSEWHERE} == {}
    assert {file for file in ELSEWHERE if not found[file]} == set(), "has no SQL any more: take it off the list"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT rowid FROM message",
        "SELECT max(ts, ?) FROM message",
        "SELECT user FROM membership",
        "INSERT OR IGNORE INTO epoch VALUES (?)",
        "UPDATE users SET away = 1",
        "SELECT 1 FROM users WHERE id = ?1",
    ],
)
def test_words_of_one_database_are_found(sql: str) -> None:
    assert OWN_WORDS.search(sql)


def test_the_modules_of_the_tables_use_no_words_of_one_database() -> None:
    written = {
        path.name: [text for text in texts(path.read_text()) if re.search(r"[A-Z]{2}| \? ", text)]
        for path in STORE.rglob("*.py")
        if path.name not in ADAPTERS and path.parent.name not in ADAPTERS
    }
    assert sum(map(len, written.values())) > 40
    assert {name: [each for each in sql if OWN_WORDS.search(each)] for name, sql in written.items()} == {
        name: [] for name in written
    }
