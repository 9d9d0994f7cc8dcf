"""How the wait for a reply ends: with the reply, a refusal, or nothing that is known; once."""

import asyncio

import pytest

from tautwire.client.connection.replies import give_up, settle
from tautwire.client.errors import SendRefused, SendUnknown
from tautwire.protocol.frames import Ack
from tautwire.protocol.ids import Ts
from tautwire.session.outgoing import Sent

ACK = Ack(7, Ts("1700000000.000001"), "hi")


def pending() -> Sent:
    sent = Sent(7, b'{"type":"message","id":7}', 0.0, awaits_reply=True)
    sent.waiter = asyncio.get_running_loop().create_future()
    return sent


async def test_a_reply_ends_the_wait_and_whatever_comes_later_changes_nothing() -> None:
    sent = pending()
    settle(sent, ACK)
    settle(sent, SendRefused(2, "no text"))
    give_up(sent)
    assert await sent.waiter is ACK


async def test_a_refusal_is_raised() -> None:
    sent = pending()
    settle(sent, SendRefused(2, "no text"))
    with pytest.raises(SendRefused, match="no text"):
        await sent.waiter


async def test_a_send_that_is_given_up_is_unknown() -> None:
    sent = pending()
    give_up(sent)
    with pytest.raises(SendUnknown, match="may or may not have been stored"):
        await sent.waiter


async def test_a_sender_that_waits_no_more_is_left_alone() -> None:
    sent = pending()
    sent.waiter.cancel()
    settle(sent, ACK)
    give_up(sent)
    assert sent.waiter.cancelled()
