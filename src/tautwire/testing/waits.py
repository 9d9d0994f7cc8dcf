"""Waiting for what bots do. A wait that ends in vain raises AssertionError with the transcript."""

from collections.abc import Callable
from typing import Any

from tautwire.testing import transcript
from tautwire.testing.calls import Call, fits_argument
from tautwire.testing.faults import Faults
from tautwire.testing.names import Names, UnknownName
from tautwire.testing.observer import Happening, Kind, Line, Observer, Reaction, Text, fits
from tautwire.testing.transcript import quoted


class Waits:
    """Waits for things to happen; on the server's loop. What a wait returned, no later wait returns again."""

    def __init__(self, observer: Observer, faults: Faults, names: Names) -> None:
        self._observer = observer
        self._faults = faults
        self._names = names

    async def message(self, channel: str, text: Text | None, user: str | None, within: float) -> Line:
        """Wait for a message; raise AssertionError with the transcript if it does not come."""
        what = "a message" if text is None else _shown(text)
        return (await self._take("message", channel, what, user, lambda it: self._says(it, text), within)).line

    async def edit(self, channel: str, text: Text | None, of: Line | None, user: str | None, within: float) -> Line:
        """Wait for a message to be edited."""
        what = "an edit" if text is None else f"an edit to {_shown(text)}"

        def is_it(it: Happening) -> bool:
            return (of is None or it.ts == of.ts) and self._says(it, text)

        return (await self._take("edit", channel, what + self._about("of", of), user, is_it, within)).line

    async def deletion(self, channel: str, of: Line | None, user: str | None, within: float) -> Line:
        """Wait for a message to be deleted."""
        what = "a deletion" + self._about("of", of)
        return (await self._take("deletion", channel, what, user, lambda it: of is None or it.ts == of.ts, within)).line

    async def reaction(
        self, channel: str, emoji: str | None, to: Line | None, user: str | None, within: float
    ) -> Reaction:
        """Wait for a reaction."""
        name = None if emoji is None else emoji.strip(":")
        what = ("a reaction" if name is None else f":{name}:") + self._about("to", to)

        def is_it(it: Happening) -> bool:
            return (to is None or it.ts == to.ts) and name in (None, it.text)

        it = await self._take("reaction", channel, what, user, is_it, within)
        return Reaction(it.channel, it.user, it.text, it.ts, it.event)

    async def typing(self, channel: str, user: str | None, within: float) -> None:
        """Wait for a bot to show that it types."""
        await self._take("typing", channel, "typing", user, lambda _: True, within)

    async def call(self, method: str, wanted: dict[str, Any], within: float) -> Call:
        """Wait for a Web API call of a bot."""

        def fit(call: Call) -> bool:
            return call.method == method and all(
                name in call.arguments and fits_argument(value, call.arguments[name], self._id_of)
                for name, value in wanted.items()
            )

        call = await self._observer.take_call(fit, within)
        if call is None:
            made = [
                f"  {each.user or '?'} called {each.method}{_listed(each.arguments)}" for each in self._observer.calls
            ]
            calls = "\n".join(made) or "  (none)"
            asked = f" with{_listed(wanted)}" if wanted else ""
            raise AssertionError(
                f"no bot called {method}{asked} within {within:g} s. Calls:\n{calls}\n{self._transcript()}"
            )
        return call

    async def connection(self, name: str, within: float) -> None:
        """Wait until a bot has an RTM connection through the front that was welcomed."""
        self._names.user_id(name)

        def look() -> bool | None:
            return (
                any(link.user == name and link.is_welcome and not link.is_closed for link in self._faults.links) or None
            )

        if not await self._observer.until(look, within):
            online = sorted({link.user for link in self._faults.links if link.is_welcome})
            raise AssertionError(
                f"{name} is not connected after {within:g} s; connected: {', '.join(online) or 'no bot'}"
            )

    async def silence(self, channel: str | None, user: str | None, seconds: float) -> None:
        """Raise AssertionError with the transcript if a bot's message that no wait returned is there, or comes."""
        where = None if channel is None else self._names.channel_id(channel)
        who = self._names.bots if user is None else {self._names.user_id(user)}

        def look() -> Happening | None:
            for it in self._observer.unfound("message"):
                if it.user in who and where in (None, it.channel):
                    return it
            return None

        noise = await self._observer.until(look, seconds)
        if noise is not None:
            place, by = self._names.label(noise.channel), self._names.user_name(noise.user)
            raise AssertionError(
                f"expected silence for {seconds:g} s, but {by} said {self._names.read(noise.text)!r} in {place}. "
                f"{self._transcript()}"
            )

    async def _take(
        self,
        kind: Kind,
        channel: str,
        what: str,
        user: str | None,
        is_it: Callable[[Happening], bool],
        within: float,
    ) -> Happening:
        where = self._names.channel_id(channel)
        who = None if user is None else self._names.user_id(user)
        found = await self._observer.take(kind, where, lambda it: who in (None, it.user) and is_it(it), within)
        if found is None:
            by = f" by {user}" if user is not None else ""
            raise AssertionError(
                f"{what}{by} did not come to {self._names.label(where)} within {within:g} s. {self._transcript()}"
            )
        return found

    def _says(self, it: Happening, text: Text | None) -> bool:
        """Return whether a text is the one that is meant, as it is on the wire or with ``@name`` for mentions."""
        return fits(text, it.text) or (isinstance(text, str) and self._names.read(it.text) == text)

    def _id_of(self, name: str) -> str | None:
        """Return the id of ``#channel`` or ``@user``, None if the name is unknown."""
        try:
            return self._names.channel_id(name) if name.startswith("#") else self._names.user_id(name)
        except UnknownName:
            return None

    def _about(self, word: str, line: Line | None) -> str:
        return "" if line is None else f" {word} {quoted(self._names.read(line.text))}"

    def _transcript(self) -> str:
        happened = transcript.written(self._observer.happenings, self._names, mark_found=True)
        return f"Transcript:\n{happened}"


def _shown(text: Text) -> str:
    return repr(getattr(text, "pattern", text))


def _listed(arguments: dict[str, Any]) -> str:
    return "".join(f" {name}={value!r}" for name, value in arguments.items())
