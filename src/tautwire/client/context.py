"""Contexts: an event with the client that got it, and the two answers bots give most, a reply and a reaction.

A handler that annotates a parameter with one of these classes, or with a subclass of its own, is given one for each
event. What both share, and how parameters are filled, is in ``client/handlers``; this module stands above the clients,
so that ``client`` has its type.
"""

import asyncio
import concurrent.futures
import inspect
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar, cast

from slack_sdk.errors import SlackApiError

from tautwire.client.blocking.client import BlockingRTMClient
from tautwire.client.errors import ClientClosed
from tautwire.client.handlers.context import AnyContext
from tautwire.client.net.api_errors import read_refusal
from tautwire.client.rtm_client import RTMClient
from tautwire.client.signals import result_on
from tautwire.protocol.frames import Ack

R = TypeVar("R")


class Context(AnyContext[RTMClient]):
    """What a coroutine handler needs for an answer. ``client`` is the asyncio client, also inside a blocking one.

    @client.hears("deploy", mention=True)
    async def deploy(event: MessageEvent, context: Context) -> None:
        await context.react("eyes")
        await context.reply("deploying")
    """

    IS_BLOCKING: ClassVar = False

    async def reply(self, text: str, *, in_thread: bool | None = None, reply_broadcast: bool | None = None) -> Ack:
        """Say something where the event happened; otherwise as ``RTMClient.say``.

        Args:
            text: up to 4,000 characters; ``&``, ``<`` and ``>`` have to be escaped by then.
            in_thread: None (the default) replies in the thread if the event is in one, else in the channel. True
                starts a thread under the message if there is none. False replies in the channel.
            reply_broadcast: whether a reply in a thread is shown in the channel as well.

        Raises:
            ValueError: the event belongs to no conversation, or a thread is wanted and there is no message.
        """
        channel, thread = self._where(in_thread)
        return await self.client.say(channel, text, thread_ts=thread, reply_broadcast=reply_broadcast)

    async def react(self, name: str) -> None:
        """Put an emoji on the message the event is about, by ``reactions.add``. Does nothing if it is there already.

        Args:
            name: of the emoji, such as ``eyes``; colons around it are left out.

        Raises:
            ValueError: the event is about no message.
            SlackApiError: the server refuses, for example with ``invalid_name``.
        """
        arguments = self._reaction(name)
        with _may_be_there():
            await self.client.web.reactions_add(**arguments)


class BlockingContext(AnyContext[RTMClient | BlockingRTMClient]):
    """What a plain handler needs for an answer: its verbs block the handler's thread until the server has answered.

    ``client`` is the client the program made. Under ``BlockingRTMClient`` these are its own calls. Under ``RTMClient``
    a plain handler runs in a thread too; the verbs here hand the work to the client's loop
    (``asyncio.run_coroutine_threadsafe``) and wait for it, so they work just the same, while those of ``client`` are
    coroutine methods there. In no case may they be called on the loop itself.
    """

    IS_BLOCKING: ClassVar = True

    def reply(self, text: str, *, in_thread: bool | None = None, reply_broadcast: bool | None = None) -> Ack:
        """See ``Context.reply``.

        Raises:
            RuntimeError: the caller runs on the client's loop.
        """
        channel, thread = self._where(in_thread)
        self._check_caller()
        return self._result(self.client.say(channel, text, thread_ts=thread, reply_broadcast=reply_broadcast))

    def react(self, name: str) -> None:
        """See ``Context.react``.

        Raises:
            RuntimeError: the caller runs on the client's loop.
        """
        arguments = self._reaction(name)
        self._check_caller()
        with _may_be_there():
            self._result(cast("Any", self.client.web.reactions_add(**arguments)))

    def _check_caller(self) -> None:
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            return
        if running is self.client.callbacks.loop:
            raise RuntimeError("this runs on the client's loop and would wait for itself: use a Context there")

    def _result(self, given: R | Coroutine[Any, Any, R]) -> R:
        """Return what a call of the client gave, or wait for it if the client is the asyncio one."""
        if not inspect.iscoroutine(given):
            return cast("R", given)
        loop = self.client.callbacks.loop
        if loop is None:  # the event came from no connection
            given.close()
            raise ClientClosed
        try:
            return cast("R", result_on(loop, given, unless=loop.is_closed))
        except concurrent.futures.CancelledError:
            raise ClientClosed from None


@contextmanager
def _may_be_there() -> Iterator[None]:
    """Take a reaction that is there already for one that was added now: after a resume an event may come twice."""
    try:
        yield
    except SlackApiError as error:
        if read_refusal(error).code != "already_reacted":
            raise
