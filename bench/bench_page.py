"""The web page in Chromium: its first paint, scrolling through a long channel, and a stream of frames.

The server has a core to itself, the browser the others. Chromium has no display here, so a frame costs what it costs to
lay out and paint in memory; the intervals are those of ``requestAnimationFrame``.
"""

import os
import select
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from socket import socket
from statistics import median

from playwright.sync_api import Browser, Page, sync_playwright

from bench import loops
from bench.process import ALL_CORES, LOAD_CORE, SERVER_CORE
from bench.report import Cell, report
from bench.subject import Subject, message

ROUNDS = 20
MESSAGES = 100_000
PORTION = 2_000
"""Messages that are posted before the page has them all."""
STEPS = 300
FRAMES_PER_SECOND = 1_000
SECONDS = 20.0
FRAMES_PER_POST = 3
"""What a post is in the journal: the frame of the sender, its ack, and the event to the person of the page."""
IN_FLIGHT = 200
PATIENCE = 120_000.0
"""Milliseconds for the page to have what was sent."""

PAINT = """async () => {
  const found = () => performance.getEntriesByName("first-contentful-paint");
  while (!found().length) await new Promise((done) => setTimeout(done, 10)); // the document is there before its paint
  return found()[0].startTime;
}"""

SCROLL = """async (steps) => {
  const feed = document.querySelector("#main .feed");
  const next = () => new Promise((done) => requestAnimationFrame(done));
  const step = Math.floor(feed.scrollHeight / steps);
  const taken = [];
  let most = 0;
  let before = await next();
  for (let at = 0; at < steps; at++) {
    feed.scrollTop -= step;
    const now = await next();
    taken.push(now - before);
    before = now;
    most = Math.max(most, feed.querySelectorAll("article").length);
  }
  return { taken, most };
}"""

WATCH = """(seconds) => {
  window.measured = (async () => {
    const { kept } = await import(new URL("wire/kept.js", document.querySelector("script[type=module]").src).href);
    let arrived = 0;
    const stop = kept.topics.on("added", (entries) => { arrived += entries.length; });
    const dropped = kept.dropped;
    const next = () => new Promise((done) => requestAnimationFrame(done));
    const taken = [];
    let most = 0;
    let before = await next();
    const end = before + seconds * 1000;
    while (before < end) {
      const now = await next();
      taken.push(now - before);
      before = now;
      most = Math.max(most, document.querySelectorAll("li.frame").length);
    }
    stop();
    return { taken, most, arrived, dropped: kept.dropped - dropped };
  })();
}"""


def main(
    *,
    rounds: int = ROUNDS,
    messages: int = MESSAGES,
    steps: int = STEPS,
    rate: int = FRAMES_PER_SECOND,
    seconds: float = SECONDS,
) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("page: chromium was not found: install the Debian package chromium")
        return
    with Subject(2, 2, options=("--page", "on")) as subject, browser_at(chromium) as browser, ExitStack() as stack:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(subject.directory["page"])
        page.get_by_role("textbox", name="Message").wait_for()
        paints = [_paint(page) for _ in range(rounds)]
        rows: list[dict[str, Cell]] = [
            {"what": "first paint", "p50 ms": median(paints), "p95 ms": _high(paints), "most ms": max(paints)}
        ]
        sender = stack.enter_context(subject.connect(1))
        payload = message(subject.channel(0), "The build is green, and the release follows.")
        for start in range(0, messages, PORTION):  # a page that is too slow is disconnected, and reads the newest page
            post_all(sender, payload, min(PORTION, messages - start))
            _await_messages(page, min(start + PORTION, messages))
        found = page.evaluate(SCROLL, steps)
        rows.append({"what": "scrolling, a frame", **_frames(found["taken"]), "in document": found["most"]})
        page.evaluate(WATCH, seconds)
        sent = post_at(sender, message(subject.channel(0), "again"), rate / FRAMES_PER_POST, seconds)
        found = page.evaluate("window.measured")
        rows.append({"what": f"{rate:,} frames/s, a frame", **_frames(found["taken"]), "in document": found["most"]})
        columns: dict[str, Cell] = {name: None for row in rows for name in row}
        report(
            "page", "The web page in Chromium", [columns | row for row in rows],
            messages=messages, sent_frames=sent * FRAMES_PER_POST, shown_frames=found["arrived"],
            dropped_frames=found["dropped"], browser=browser.version,
        )  # fmt: skip


@contextmanager
def browser_at(chromium: str) -> Iterator[Browser]:
    """Start the browser on all cores but the server's, if there are others."""
    os.sched_setaffinity(0, ALL_CORES - {SERVER_CORE} or ALL_CORES)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            os.sched_setaffinity(0, {LOAD_CORE})
            yield browser
            browser.close()
    finally:
        os.sched_setaffinity(0, {LOAD_CORE})


def post_all(sock: socket, payload: bytes, count: int) -> None:
    """Post messages, with some in flight, until all have their ack."""
    frame, sent, acked = loops.client_frame(payload), 0, 0
    while acked < count:
        room = min(IN_FLIGHT - (sent - acked), count - sent)
        if room > 0:
            sock.setblocking(True)
            sock.sendall(frame * room)
            sock.setblocking(False)
            sent += room
        acked += _acks(sock, 10.0)


def post_at(sock: socket, payload: bytes, rate: float, seconds: float) -> int:
    """Post so many messages in a second; return their number."""
    frame, began, sent = loops.client_frame(payload), time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        due = int(passed * rate) - sent
        if due > 0:
            sock.setblocking(True)
            sock.sendall(frame * due)
            sock.setblocking(False)
            sent += due
        _acks(sock, 0.005)
    return sent


def _acks(sock: socket, patience: float) -> int:
    """Return the acks that came. Those cut in two are counted by their end: an ack has one ``reply_to``."""
    if not select.select([sock], [], [], patience)[0]:
        return 0
    data = sock.recv(262_144)
    if not data:
        raise loops.LoadError("the connection of the sender was lost")
    return data.count(b"reply_to") + _cut(sock, data)


def _cut(sock: socket, data: bytes) -> int:
    """Return 1 if the data ends within a ``reply_to``: the rest of it is read."""
    word = b"reply_to"
    begun = next((size for size in range(len(word) - 1, 0, -1) if data.endswith(word[:size])), 0)
    if not begun:
        return 0
    sock.setblocking(True)
    rest = sock.recv(len(word) - begun)
    sock.setblocking(False)
    return int(word.startswith(data[-begun:] + rest) and len(rest) == len(word) - begun)


def _paint(page: Page) -> float:
    page.reload()
    page.get_by_role("textbox", name="Message").wait_for()
    paint: float = page.evaluate(PAINT)
    return paint


def _await_messages(page: Page, count: int) -> None:
    """Wait until the page has all messages that were posted."""
    page.evaluate(
        """async ([count, patience]) => {
          const { state } = await import(new URL("state.js", document.querySelector("script[type=module]").src).href);
          const [channel] = state.first.channels.keys();
          const timeline = state.first.timeline(channel);
          const end = performance.now() + patience;
          while (timeline.messages.length < count) {
            const has = timeline.messages.length;
            if (performance.now() > end) throw new Error(`the page has ${has} of ${count} messages`);
            await new Promise((done) => setTimeout(done, 10));
          }
        }""",
        [count, PATIENCE],
    )


def _frames(taken: list[float]) -> dict[str, Cell]:
    """Return how long frames took: those of a display of 60 Hz have 16.7 ms."""
    on_time = sum(each <= 17.5 for each in taken) / len(taken)
    return {"p50 ms": median(taken), "p95 ms": _high(taken), "most ms": max(taken), "% in 17 ms": on_time * 100}


def _high(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]


if __name__ == "__main__":
    main()
