"""Makes the documentation site of the pages in ``docs``: a hook of MkDocs, see mkdocs.yml. Run with ``make docs``.

The pages are written for readers of the repository, so three things differ on the site:

- The navigation is read from docs/README.md and the README.md of each folder: there is no second list of pages.
- A link out of ``docs`` leads to a page of the site (README, CHANGELOG and the like) or else into the repository.
- A list may follow a paragraph without an empty line, which Markdown of MkDocs does not know.
"""

import posixpath
import re
import tomllib
from pathlib import Path
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).parent.parent
REPOSITORY: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
OUTSIDE: Final = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security-policy.md",
    "CODE_OF_CONDUCT.md": "code-of-conduct.md",
    "conformance/README.md": "reference/conformance-programs.md",
}
"""Pages of the repository that the site has too, by their path there and on the site."""

_LINK: Final = re.compile(r"(\]\()([^)\s]+)(\))")
_FENCE: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_ITEM: Final = re.compile(r"(?:- |\d+\. )")
_ENTRY: Final = re.compile(r"\[([^\]]+)\]\(([^)\s]+\.md)\)")

Nav = list[Any]


def on_config(config: MkDocsConfig) -> None:
    """Set the navigation."""
    config.nav = navigation(Path(config.docs_dir))


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the pages that are not in ``docs``."""
    for source, place in OUTSIDE.items():
        files.append(File.generated(config, place, content=(ROOT / source).read_text()))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Change what the site reads in another way than the repository's readers do."""
    del config, files
    origin = next((name for name, place in OUTSIDE.items() if place == page.file.src_uri), f"docs/{page.file.src_uri}")
    return adapt(markdown, origin, page.file.src_uri)


def navigation(docs: Path) -> Nav:
    """Return the navigation: the rooms of docs/README.md, each with its groups, and the pages of folders below."""
    nav: Nav = [{"Home": "README.md"}]
    entries: Nav = []
    listed: set[str] = {"README.md"}
    for line in (docs / "README.md").read_text().splitlines():
        if line.startswith("## "):
            entries = []
            nav.append({line[3:].partition(":")[0]: entries})
            group = entries
        elif line.endswith(":") and not line.startswith("-"):
            group = []
            entries.append({line[:-1]: group})
        elif nav[1:]:
            for title, target in _ENTRY.findall(line):
                if target in listed or not (docs / target).is_file():
                    continue
                listed.add(target)
                group.append({title: _folder(docs, target, listed) if target.endswith("/README.md") else target})
    nav.append({"Project": [{_title(ROOT / name): place} for name, place in OUTSIDE.items()]})
    missing = {page.relative_to(docs).as_posix() for page in docs.rglob("*.md")} - listed
    if missing:
        raise SystemExit(f"docs/README.md, or the README.md of the folder, must link to {', '.join(sorted(missing))}")
    return nav


def adapt(text: str, origin: str, place: str) -> str:
    """Return a page as the site needs it.

    Args:
        origin: its path in the repository.
        place: its path on the site.
    """
    parts, at = [], 0
    for fence in _FENCE.finditer(text):
        parts += [_adapt_prose(text[at : fence.start()], origin, place), fence.group()]
        at = fence.end()
    return "".join([*parts, _adapt_prose(text[at:], origin, place)])


def _adapt_prose(text: str, origin: str, place: str) -> str:
    lines: list[str] = []
    for line in text.split("\n"):
        if _ITEM.match(line) and lines and lines[-1].strip() and not _ITEM.match(lines[-1]) and lines[-1][0] != " ":
            lines.append("")
        lines.append(line)
    return _LINK.sub(lambda found: found[1] + _target(found[2], origin, place) + found[3], "\n".join(lines))


def _target(target: str, origin: str, place: str) -> str:
    """Return where a link leads on the site."""
    if re.match(r"[a-z]+:|#", target):
        return target
    path, mark, fragment = target.partition("#")
    found = posixpath.normpath(posixpath.join(posixpath.dirname(origin), path))
    if found.startswith("docs/") and not (ROOT / found).is_dir():
        found = found.removeprefix("docs/")
    elif found in OUTSIDE:
        found = OUTSIDE[found]
    else:
        return f"{REPOSITORY}/blob/main/{found}{mark}{fragment}"
    return posixpath.relpath(found, posixpath.dirname(place) or ".") + mark + fragment


def _folder(docs: Path, index: str, listed: set[str]) -> Nav:
    """Return the pages of a folder: its index, then those to which it links, in that order."""
    folder = posixpath.dirname(index)
    pages: Nav = [index]
    for title, name in _ENTRY.findall((docs / index).read_text()):
        page = posixpath.normpath(posixpath.join(folder, name))
        if page.startswith(folder + "/") and page not in listed and (docs / page).is_file():
            listed.add(page)
            pages.append({title: page})
    return pages


def _title(page: Path) -> str:
    return page.read_text().splitlines()[0].removeprefix("# ")
