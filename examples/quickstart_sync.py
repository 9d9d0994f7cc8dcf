"""The quick start: every step of an RTM bot, in blocking code.

Run a server (``tautwire serve``), set SLACK_API_URL and SLACK_BOT_TOKEN, and start this. You will see the bot connect,
send a message and get its ack, ask for presence, reconnect, and leave.
"""

import queue

from tautwire import (
    BlockingRTMClient,
    Closed,
    Event,
    Message,
    PresenceChangeEvent,
    PresenceQuery,
    PresenceSub,
    Typing,
    UserTypingEvent,
)


def show_typing(event: UserTypingEvent) -> None:
    """Handle one event type; the class says which. Handlers run in threads and may block."""
    print(f"{event.user} is typing in {event.channel}")


def show_frame(text: str) -> None:
    """See every frame as it came."""
    print(f"< {text}")


def show_error(error: BaseException, event: Event | None) -> None:
    """Hear of what goes wrong, in handlers and on the way."""
    print(f"error: {error} {event or ''}")


def show_close(closed: Closed) -> None:
    """Hear of the end of each connection."""
    print(f"closed: {closed.reason}{', another is there or on its way' if closed.will_reconnect else ''}")


def main() -> None:
    """Go through all steps once."""
    client = BlockingRTMClient()

    # Handlers may come and go at any time, also while events flow.
    client.register(show_typing)
    client.add_message_handler(show_frame)
    client.add_error_handler(show_error)
    client.add_close_handler(show_close)
    presence: queue.Queue[PresenceChangeEvent] = queue.Queue()
    client.register(presence.put, PresenceChangeEvent)

    client.connect()  # returns after the hello
    me = client.identity.user
    print(f"connected as {me.name} in {client.identity.team.name}")

    # client.web is slack_sdk's Web API client, with the same token and address.
    channel = client.web.conversations_list()["channels"][0]["id"]

    # A message built by hand, with an id of its own; sending it gives its ack.
    client.send(Typing(channel))
    ack = client.send(Message(channel, "Hello from RTM", id=1_001))
    print(f"stored at {ack.ts} as {ack.text!r}")

    client.send(PresenceSub([me.id]))
    client.send(PresenceQuery([me.id]))
    change = presence.get(timeout=10)
    print(f"presence of {change.users or change.user}: {change.presence}")

    client.deregister(show_typing)
    client.remove_message_handler(show_frame)

    client.reconnect()  # a new connection takes over, subscriptions included
    client.disconnect()
    client.close()  # final, and safe in every state


if __name__ == "__main__":
    main()
