"""A running workspace: the server, the front before it, and what happens there.

All coroutines run on the server's loop. The faces of it that tests use (``Workspace``, ``Person``, ``Channel`` and
their blocking twins) only bring calls to that loop.
"""

import contextlib
import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from tautwire.server.app import Server
from tautwire.server.config import Settings
from tautwire.server.services.seed import Seed
from tautwire.testing.acts import Acts
from tautwire.testing.calls import read_call, read_object
from tautwire.testing.clock import TurnedClock
from tautwire.testing.doors import Doors
from tautwire.testing.faults import Faults
from tautwire.testing.heads import Head
from tautwire.testing.link import Link
from tautwire.testing.names import Names
from tautwire.testing.observer import Observer
from tautwire.testing.transcript import Record, records, written
from tautwire.testing.waits import Waits

PEOPLE: Final = ("alice", "bob")
BOTS: Final = ("bot",)
CHANNELS: Final = ("general",)
"""What every workspace has unless it is asked for ``only`` what it names."""

MAX_URLS: Final = 1_000
"""RTM URLs that were not dialled yet, and are remembered."""


def make_seed(people: Sequence[str], bots: Sequence[str], channels: Sequence[str], *, only: bool = False) -> Seed:
    """Return what a workspace has at its beginning: what is named, and unless ``only`` what every workspace has.

    Raises:
        TypeError: a list is a string.
        ValueError: a name cannot be used.
    """
    for what, names in (("people", people), ("bots", bots), ("channels", channels)):
        if isinstance(names, str):
            raise TypeError(f"{what} must be a list of names, got {names!r}: write {what}=[{names!r}]")
    if not only:
        people, bots, channels = (*PEOPLE, *people), (*BOTS, *bots), (*CHANNELS, *channels)
    both = [name for name in people if name in bots]
    if both:
        raise ValueError(f"{both[0]!r} is among people and among bots: give one of them another name")
    seed = {
        "team": {"name": "Test", "domain": "test"},
        "users": [{"name": name} for name in dict.fromkeys(people)],
        "bots": [{"name": name} for name in dict.fromkeys(bots)],
        "channels": [{"name": name} for name in dict.fromkeys(each.removeprefix("#") for each in channels)],
    }
    try:
        return msgspec.convert(seed, Seed)
    except msgspec.ValidationError as error:
        raise ValueError(f"a name of people, bots or channels cannot be used: {error}") from None


class Stage:
    """The server and all that belongs to it.

    Args:
        seed: what the workspace has at its beginning.
        rate_limits: whether the server refuses clients that go too fast.
    """

    def __init__(self, seed: Seed, *, rate_limits: bool = False) -> None:
        self._seed = seed
        self._rate_limits = rate_limits
        self._exit = contextlib.AsyncExitStack()
        self._users_of_urls: dict[str, str] = {}
        self.clock = TurnedClock()
        self.names = Names()
        self.observer = Observer(self.names.learn)
        self.faults = Faults(self._called, self._dialled, self._framed)
        self.doors = Doors(lambda: self.server.api_url, self.names.token)
        self.acts = Acts(self.doors, self.names)
        self.waits = Waits(self.observer, self.faults, self.names)
        self.server: Server
        self.api_url: str

    # -- beginning, end and beginning anew ------------------------------------------------------------------

    async def open(self) -> None:
        """Start everything, or leave nothing behind."""
        try:
            await self._open()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop everything and remove the data."""
        await self._exit.aclose()

    async def reset(self) -> None:
        """Go back to the beginning: the same address, ids and tokens, and nothing that happened since.

        The connections of bots end, and are theirs to make again; calls that come meanwhile wait.
        """
        await self.faults.suspend()
        await self.doors.close()
        await self.server.stop()
        for path in self._data.iterdir():
            path.unlink()
        for name, content in self._pristine.items():
            (self._data / name).write_bytes(content)
        self.clock.reset()
        self.forget()
        await self._serve()
        self.faults.resume(self.server.port)

    def forget(self) -> None:
        """Forget what happened, and what bots called."""
        self.observer.forget()
        self.faults.forget()
        self._users_of_urls.clear()

    async def _open(self) -> None:
        self._data = Path(self._exit.enter_context(tempfile.TemporaryDirectory(prefix="tautwire-test-")))
        await self._serve()
        self._exit.push_async_callback(self._stop_serving)
        self._pristine = {
            "tautwire.db": _snapshot(self._data / "tautwire.db"),
            "tokens.json": (self._data / "tokens.json").read_bytes(),
        }
        self._exit.push_async_callback(self.faults.stop)
        await self.faults.start(self.server.port)
        self._exit.push_async_callback(self.doors.close)
        self.api_url = f"http://127.0.0.1:{self.faults.port}/api/"

    async def _serve(self) -> None:
        settings = Settings(
            data=self._data, port=0, rate_limits=self._rate_limits, durability="normal", drain=0.0, presence_grace=0.0,
            control=False,  # tests have the workspace itself, and no use for a journal
        )  # fmt: skip
        self.server = Server(settings, clock=self.clock, sample=self._seed, administers=False)
        self.server.observe(self.observer)
        await self.server.start()
        self.names.fill(await self.server.directory())

    async def _stop_serving(self) -> None:
        await self.server.stop()

    # -- what the front sees of bots ------------------------------------------------------------------------

    def _called(self, head: Head, body: bytes, answered: bytes) -> None:
        call = read_call(head, body, answered, self.names.by_token)
        url = call.answer.get("url")
        if isinstance(url, str):  # of rtm.connect and rtm.start: who dials it is who called
            self._users_of_urls[urlsplit(url).path] = call.user
            if len(self._users_of_urls) > MAX_URLS:
                del self._users_of_urls[next(iter(self._users_of_urls))]
        self.observer.note_call(call)

    def _dialled(self, path: str) -> str:
        """Return the name of whose RTM URL was dialled."""
        return self._users_of_urls.pop(urlsplit(path).path, "")

    def _framed(self, link: Link, frame: bytes) -> None:
        """Look at a frame: the server's hello, or what a bot sends."""
        if b'"typing"' in frame or b'"user_typing"' in frame:
            typing = read_object(frame)
            if typing.get("type") in ("typing", "user_typing") and isinstance(typing.get("channel"), str):
                self.observer.note_typing(typing["channel"], self.names.user_id(link.user) if link.user else "", typing)
        self.observer.wake()

    # -- records --------------------------------------------------------------------------------------------

    def transcript(self) -> str:
        """Return what happened so far as text."""
        return written(list(self.observer.happenings), self.names)

    def records(self) -> list[Record]:
        """Return what happened so far as plain dicts."""
        return records(list(self.observer.happenings), self.names)


def _snapshot(database: Path) -> bytes:
    """Return a copy of a database that is in use."""
    with (
        contextlib.closing(sqlite3.connect(database)) as there,
        contextlib.closing(sqlite3.connect(":memory:")) as copy,
    ):
        there.backup(copy)
        return copy.serialize()
