"""Checks that every relative link in the Markdown files leads to a file, and every fragment to a heading.

Each page of docs begins with the question of a reader that it answers.

Run with ``python -m tools.docs_links``; prints what is broken and exits 1 if anything is.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


def anchors(text: str) -> set[str]:
    """Return the fragments that the headings of a page make."""
    headings = HEADING.findall(FENCE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    """Return a line for each broken link of a page."""
    faults = []
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, fragment = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists():
            faults.append(f"{page.relative_to(ROOT)}: {target} leads nowhere")
        elif fragment and file.suffix == ".md" and fragment not in anchors(file.read_text()):
            faults.append(f"{page.relative_to(ROOT)}: {name or page.name} has no heading for #{fragment}")
    return faults


def lacks_question(page: Path) -> bool:
    """Return whether a page of docs does not begin with a question, in the line below its title."""
    lines = page.read_text().split("\n", 3)
    return page.is_relative_to(ROOT / "docs") and (len(lines) < 4 or "?" not in lines[2])


def main() -> int:
    """Check all pages that git knows of."""
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\n")
    pages = [ROOT / name for name in names if name and (ROOT / name).exists()]
    faults = [fault for page in pages for fault in broken_links(page)]
    faults += [
        f"{page.relative_to(ROOT)}: the first line has to be the question that the page answers"
        for page in pages
        if lacks_question(page)
    ]
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
