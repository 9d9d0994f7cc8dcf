"""From docstrings to Markdown: what the tools that write reference pages share."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

SECTION: Final = re.compile(r"^(Args|Raises|Returns|Yields):$")
ENTRY: Final = re.compile(r"([\w.*, ]+?):\s+(.*)", re.DOTALL)


def inline(text: str) -> str:
    """Return a text in one line, with Markdown's backticks, as a cell of a table holds it."""
    return re.sub(r"``(.+?)``", r"`\1`", " ".join(text.split())).replace("|", "\\|")


def markdown(text: str | None) -> str:
    """Return a docstring as Markdown, its sections as lists."""
    out: list[str] = []
    body: list[str] = []
    title = ""
    for line in [*inspect.cleandoc(text or "").split("\n"), None]:
        is_body = line is not None and (not line or line.startswith(" "))
        if title and not is_body:
            out += _section(title, textwrap.dedent("\n".join(body)))
            title, body = "", []
        if line is None:
            break
        if not title and (match := SECTION.match(line)):
            title = match[1]
        elif title:
            body.append(line)
        else:
            out.append(line)
    return re.sub(r"``(.+?)``", r"`\1`", "\n".join(out), flags=re.DOTALL).strip()


def _section(title: str, body: str) -> list[str]:
    if title in ("Returns", "Yields"):
        return [f"{title}: {' '.join(body.split())}", ""]
    lines = [f"{title}:", ""]
    for entry in re.split(r"\n(?=\S)", body.strip("\n")):
        head, *nested = re.split(r"\n+ +(?=- )", entry)
        match = ENTRY.fullmatch(head.strip())
        name, about = (match[1], match[2]) if match else ("", head)
        lines.append(f"- {f'`{name}`: ' if name else ''}{' '.join(about.split())}")
        lines += [f"  {' '.join(each.split())}" for each in nested]
    return [*lines, ""]


def definition(thing: type | ModuleType | Callable[..., Any]) -> ast.AST:
    """Return the syntax tree of a class, module or function."""
    if isinstance(thing, ModuleType):
        return ast.parse(inspect.getsource(thing))
    return ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]


def attributes(thing: type | ModuleType) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, annotation, default and docstring of each public attribute that a class or module itself declares."""
    node = definition(thing)
    if not isinstance(node, ast.ClassDef | ast.Module):
        return
    for statement, after in zip(node.body, [*node.body[1:], None], strict=True):
        text = after.value if isinstance(after, ast.Expr) else None
        about = text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else ""
        match statement:
            case ast.AnnAssign(target=ast.Name(name), annotation=annotation, value=value):
                default = "" if value is None else ast.unparse(value)
                found = name, ast.unparse(annotation), default, about
            case ast.Assign(targets=[ast.Name(name)], value=value):
                found = name, "", ast.unparse(value), about
            case _:
                continue
        if not name.startswith("_"):
            yield found


def write_or_check(pages: dict[Path, str], *, module: str, check: bool) -> int:
    """Write the pages, or print those that are out of date and return 1."""
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if check:
            print(f"{path.name} is out of date: run python -m {module}")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(pages[path])
    return 1 if check and stale else 0
