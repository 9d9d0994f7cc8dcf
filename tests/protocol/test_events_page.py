"""docs/reference/events.md says what the classes say."""

from tautwire.protocol.events import CATALOGUE
from tools import events_page


def test_the_page_is_what_the_classes_say() -> None:
    """If this fails: python -m tools.events_page."""
    assert events_page.PAGE.read_text() == events_page.page()


def test_the_page_has_every_class() -> None:
    headings = [line[4:] for line in events_page.page().splitlines() if line.startswith("### ")]
    assert sorted(headings) == sorted(cls.__name__ for cls in CATALOGUE.values())
