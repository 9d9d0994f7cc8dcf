"""Small changes to a module's source, each of which a test should notice: one operator, one constant, one statement.

Changes are made in the text, at the positions of the syntax tree, so that line numbers stay. What no test is expected
to notice is left alone: log calls, annotations, docstrings, imports, text of errors, type variables, ``slots`` and
``zip(strict=True)``.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_OPPOSITE: Final[dict[type[ast.cmpop], str]] = {
    ast.Eq: "!=", ast.NotEq: "==", ast.Lt: ">=", ast.GtE: "<", ast.Gt: "<=", ast.LtE: ">",
    ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in",
}  # fmt: skip
_BOUNDARY: Final[dict[type[ast.cmpop], str]] = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">"}
_ARITHMETIC: Final[dict[type[ast.operator], str]] = {
    ast.Add: "-", ast.Sub: "+", ast.Mult: "//", ast.Div: "*", ast.FloorDiv: "*", ast.Mod: "+",
    ast.BitOr: "&", ast.BitAnd: "|", ast.LShift: ">>", ast.RShift: "<<",
}  # fmt: skip
_TWINS: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}
_UNSEEN: Final = {("dataclass", "slots"), ("zip", "strict")}
"""Keywords of calls that save memory, or that state what holds anyway."""
_SMALL: Final = 10
"""Numbers from here on are doubled instead of moved by one, which no test has to notice."""


@dataclass(frozen=True, order=True)
class Change:
    """A piece of the source, given by offsets, and what takes its place."""

    line: int
    start: int
    end: int
    new: str
    old: str

    def apply(self, source: str) -> str:
        """Return the changed source."""
        return source[: self.start] + self.new + source[self.end :]

    def __str__(self) -> str:
        return f"{_short(self.old)} -> {_short(self.new)}"


def changes(source: str) -> list[Change]:
    """Return every change that can be made to a module, in the order of its lines; each still compiles."""
    tree = ast.parse(source)
    finder = _Finder(source)
    finder.visit(tree)
    return sorted({change for change in finder.found if _compiles(change.apply(source))})


def _compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 90 else f"{text[:60]} … {text[-27:]}"


class _Finder(ast.NodeVisitor):
    """Collects the changes of a tree."""

    def __init__(self, source: str) -> None:
        self.found: list[Change] = []
        self._source = source
        self._lines = [0]
        for line in source.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self._bytes = [line.encode() for line in source.splitlines(keepends=True)]

    # -- what is left alone -------------------------------------------------------------------------------

    def visit_Import(self, node: ast.Import) -> None:
        """Leave imports alone."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Leave imports alone."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Change the value only."""
        if node.value is not None:
            self.visit(node.value)
            if isinstance(node.target, ast.Attribute):
                self._replace(node, "pass")

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Change the body and the defaults."""
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)
        for statement in node.body:
            self.visit(statement)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        """Change the body and the defaults."""
        self.visit_FunctionDef(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        """Leave the error's text alone, but do not raise it."""
        self._replace(node, "pass")

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Leave text alone."""

    # -- expressions --------------------------------------------------------------------------------------

    def visit_Compare(self, node: ast.Compare) -> None:
        """Turn a comparison around, and move its boundary."""
        if len(node.ops) == 1:
            left, right = self._text(node.left), self._text(node.comparators[0])
            for table in (_OPPOSITE, _BOUNDARY):
                if type(node.ops[0]) in table:
                    self._replace(node, f"({left} {table[type(node.ops[0])]} {right})")
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        """Swap and and or, and leave out each operand."""
        word = "or" if isinstance(node.op, ast.And) else "and"
        same = "and" if isinstance(node.op, ast.And) else "or"
        parts = [f"({self._text(value)})" for value in node.values]
        self._replace(node, f"({f' {word} '.join(parts)})")
        for index in range(len(parts)):
            self._replace(node, f"({f' {same} '.join(parts[:index] + parts[index + 1 :])})")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        """Leave out a not or a minus."""
        if isinstance(node.op, (ast.Not, ast.USub)):
            self._replace(node, f"({self._text(node.operand)})")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        """Calculate something else."""
        if type(node.op) in _ARITHMETIC and not isinstance(node.left, (ast.Constant, ast.JoinedStr)):
            left, right = self._text(node.left), self._text(node.right)
            self._replace(node, f"(({left}) {_ARITHMETIC[type(node.op)]} ({right}))")
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        """Take one branch always."""
        self._replace(node, f"({self._text(node.body)})")
        self._replace(node, f"({self._text(node.orelse)})")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        """Flip booleans, move small numbers by one, double large ones."""
        value = node.value
        if isinstance(value, bool):
            self._replace(node, str(not value))
        elif isinstance(value, (int, float)):
            self._replace(node, f"({value} + 1)" if abs(value) < _SMALL else f"({value} * 2)")
            if 0 < abs(value) < _SMALL:
                self._replace(node, f"({value} - 1)")

    def visit_Call(self, node: ast.Call) -> None:
        """Swap the first two arguments, leave out each keyword, and call the twin of a function."""
        if _is_log(node) or _is_type(node):
            return
        arguments = node.args
        is_ordered = not (isinstance(node.func, ast.Name) and node.func.id in ("min", "max"))
        if is_ordered and len(arguments) >= 2 and not any(isinstance(each, ast.Starred) for each in arguments[:2]):
            one, two = arguments[:2]
            if self._text(one) != self._text(two):
                self._change(one.lineno, self._start(one), self._end(two), f"{self._text(two)}, {self._text(one)}")
        for index, keyword in enumerate(node.keywords):
            if keyword.arg is not None and not _is_unseen(node, keyword):
                others: list[ast.expr | ast.keyword] = [*arguments, *_without(node.keywords, index)]
                rest = [self._text(each) for each in others]
                self._replace(node, f"{self._text(node.func)}({', '.join(rest)})")
        if isinstance(node.func, ast.Name) and node.func.id in _TWINS:
            self._replace(node.func, _TWINS[node.func.id])
        self.visit(node.func)
        for each in (*arguments, *(keyword for keyword in node.keywords if not _is_unseen(node, keyword))):
            self.visit(each)

    # -- statements ---------------------------------------------------------------------------------------

    def visit_If(self, node: ast.If) -> None:
        """Take a branch always and never."""
        if not _is_for_types(node.test):
            self._replace(node.test, "True")
            self._replace(node.test, "False")
            self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        """Never begin."""
        self._replace(node.test, "False")
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        """Leave out a call; not a docstring."""
        value = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(value, ast.Call):
            if not _is_log(value):
                self._replace(node, "pass")
                self.generic_visit(node)
        elif not isinstance(value, ast.Constant):
            self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        """Leave out what changes an object; a local name that is never set would be noticed by anything."""
        if any(isinstance(target, (ast.Attribute, ast.Subscript)) for target in node.targets):
            self._replace(node, "pass")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """Leave out, and calculate something else."""
        self._replace(node, "pass")
        if type(node.op) in _ARITHMETIC:
            self._replace(node, f"{self._text(node.target)} {_ARITHMETIC[type(node.op)]}= {self._text(node.value)}")
        self.generic_visit(node)

    def visit_Delete(self, node: ast.Delete) -> None:
        """Leave out."""
        self._replace(node, "pass")

    def visit_Break(self, node: ast.Break) -> None:
        """Go on instead."""
        self._replace(node, "continue")

    def visit_Continue(self, node: ast.Continue) -> None:
        """Go on with what follows, and end the loop."""
        self._replace(node, "pass")
        self._replace(node, "break")

    def visit_Return(self, node: ast.Return) -> None:
        """Return nothing; go on where nothing was returned."""
        if node.value is None:
            self._replace(node, "pass")
        elif not (isinstance(node.value, ast.Constant) and node.value.value is None):
            self._replace(node, "return None")
            self.generic_visit(node)

    def visit_Try(self, node: ast.Try) -> None:
        """Let each handler raise on or do nothing, and leave out what comes finally."""
        for handler in node.handlers:
            self._block(handler.body, "raise")
            if not _is_log_line(handler.body):
                self._block(handler.body, "pass")
        if node.finalbody:
            self._block(node.finalbody, "pass")
        self.generic_visit(node)

    # -- positions ----------------------------------------------------------------------------------------

    def _block(self, body: Sequence[ast.stmt], new: str) -> None:
        """Put one statement in the place of several."""
        self._change(body[0].lineno, self._start(body[0]), self._end(body[-1]), new)

    def _replace(self, node: ast.expr | ast.stmt, new: str) -> None:
        self._change(node.lineno, self._start(node), self._end(node), new)

    def _change(self, line: int, start: int, end: int, new: str) -> None:
        old = self._source[start:end]
        if old != new:
            self.found.append(Change(line, start, end, new, old))

    def _text(self, node: ast.expr | ast.keyword) -> str:
        return self._source[self._start(node) : self._end(node)]

    def _start(self, node: ast.expr | ast.stmt | ast.keyword) -> int:
        return self._offset(node.lineno, node.col_offset)

    def _end(self, node: ast.expr | ast.stmt | ast.keyword) -> int:
        assert node.end_lineno is not None  # noqa: S101 - for the type checker: every parsed node has one
        assert node.end_col_offset is not None  # noqa: S101
        return self._offset(node.end_lineno, node.end_col_offset)

    def _offset(self, line: int, column: int) -> int:
        """Return the place in the text; columns of the tree count bytes."""
        return self._lines[line - 1] + len(self._bytes[line - 1][:column].decode())


def _without(keywords: Sequence[ast.keyword], index: int) -> Iterator[ast.keyword]:
    return (each for place, each in enumerate(keywords) if place != index)


def _is_log(node: ast.Call) -> bool:
    function = node.func
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id in ("log", "logger", "warnings")
    )


def _is_log_line(body: Sequence[ast.stmt]) -> bool:
    return (
        len(body) == 1
        and isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Call)
        and _is_log(body[0].value)
    )


def _is_type(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id in ("NewType", "ParamSpec", "TypeVar")


def _is_unseen(node: ast.Call, keyword: ast.keyword) -> bool:
    return isinstance(node.func, ast.Name) and (node.func.id, keyword.arg) in _UNSEEN


def _is_for_types(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"
