"""The picture of the demo: what may differ from run to run, and what may not."""

from xml.etree import ElementTree

from tools.demo_svg import TEXT, draw, normalise, same

RUN = """listens at http://127.0.0.1:46053/api/

First:
  bot < {"user":"U9OYB26S80X","ts":"1795695127.363811"}
  bob > {"user":"UGZKHJE6M3B","updated":1795695127}
"""


def test_what_was_equal_stays_equal() -> None:
    other = RUN.replace("U9OYB26S80X", "U0000000001").replace("1795695127", "1800000000").replace("46053", "1024")

    assert normalise(RUN) == normalise(other)
    assert normalise(RUN) != normalise(RUN.replace("UGZKHJE6M3B", "U9OYB26S80X"))
    for changing in ("46053", "U9OYB26S80X", "1795695127"):
        assert changing not in normalise(RUN)


def test_frames_of_a_paragraph_may_come_in_any_order() -> None:
    lines = RUN.splitlines()

    assert same(RUN, "\n".join([*lines[:3], lines[4], lines[3]]))
    assert not same(RUN, "\n".join([lines[2], "", lines[0], *lines[3:]]))
    assert not same(RUN, RUN.replace("bob >", "bob <"))


def test_the_picture_shows_every_line_of_the_text() -> None:
    text = TEXT.read_text()

    root = ElementTree.fromstring(draw(text))  # noqa: S314 - our own picture

    shown = "".join(root.itertext()).replace("\xa0", "").replace(" ", "")
    for line in text.splitlines():
        assert line.replace(" ", "")[:80] in shown
