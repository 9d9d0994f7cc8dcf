"""A bot with threads, reactions, presence, a job and an orderly end. Say `@bot buy milk`, then `@bot list`."""

import asyncio
import re

from tautwire import Context, MessageEvent, PresenceChangeEvent, ReactionAddedEvent, Ready, RTMClient, from_people

client = RTMClient()  # SLACK_BOT_TOKEN and SLACK_API_URL
todos: dict[str, str] = {}  # what is to be done, by the ts of its message


@client.on_ready
async def watch(ready: Ready) -> None:
    users = await client.web.users_list()
    await client.presence_sub([each["id"] for each in users["members"] if not each["is_bot"]])


@client.hears(r"^list$", mention=True, when=from_people)
async def list_all(event: MessageEvent, context: Context) -> None:
    await context.reply("\n".join(f"• {each}" for each in todos.values()) or "nothing to do", in_thread=True)


@client.hears(r"^(?!list$).+", mention=True, when=from_people)
async def add(event: MessageEvent, found: re.Match[str], context: Context) -> None:
    todos[event.ts] = found[0]
    await context.react("memo")


@client.on(ReactionAddedEvent, when=from_people)
async def done(event: ReactionAddedEvent, context: Context) -> None:
    if event.reaction == "white_check_mark" and (what := todos.pop(context.message_ts or "", None)):
        await context.reply(f"done: {what}", in_thread=True)


@client.on(PresenceChangeEvent)
async def greet(event: PresenceChangeEvent) -> None:
    print(f"{', '.join(event.ids)}: {event.presence}")


@client.every(3600)
async def remind() -> None:
    print(f"{len(todos)} to do")


@client.on_stop
async def stop() -> None:
    print(f"stopped with {len(todos)} to do")


asyncio.run(client.run())
