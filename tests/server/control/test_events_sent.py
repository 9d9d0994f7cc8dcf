"""Every type of event that the docs count as sent is sent."""

from scene import ConnectionEnded, Frame, Scene, Socket
from tautwire.server.services.administration import people, team
from tautwire.server.services.events import SENT
from tautwire.server.services.people import accounts


async def test_each_type_of_the_list_is_heard(scene: Scene) -> None:
    heard: list[Frame] = [{"type": "hello"}]  # ``connect`` asserts it
    alice, bob = await scene.connect("alice"), await scene.connect("bob")
    workspace, users = scene.server.workspace, scene.users
    await alice.send(type="presence_sub", ids=[users["bob"]])
    await alice.send(type="typing", id=1, channel=scene.general)
    await scene.ok("bob", "users.setPresence", presence="away")
    await scene.ok("bob", "users.profile.set", profile={"status_text": "away"})

    for private in (False, True):
        name = "closed" if private else "town"
        channel = (await scene.ok("alice", "conversations.create", name=name, is_private=private))["channel"]["id"]
        await scene.ok("alice", "conversations.invite", channel=channel, users=users["bob"])
        await scene.ok("bob", "conversations.leave", channel=channel)
        await scene.ok("alice", "conversations.rename", channel=channel, name=f"new-{name}")
        await scene.ok("alice", "conversations.archive", channel=channel)
        await scene.ok("alice", "conversations.unarchive", channel=channel)
        await mark(scene, channel)
    for others in ("bob", "bob,carol"):
        ids = ",".join(users[name] for name in others.split(","))
        direct = (await scene.ok("alice", "conversations.open", users=ids))["channel"]["id"]
        await scene.ok("alice", "conversations.close", channel=direct)
        await mark(scene, direct)
    ts = await scene.post("alice", scene.general, "look")
    where = {"channel": scene.general, "timestamp": ts}
    for method, more in (("reactions.add", {"name": "eyes"}), ("reactions.remove", {"name": "eyes"}), ("pins.add", {}),
                         ("pins.remove", {})):  # fmt: skip
        await scene.ok("alice", method, **where, **more)
    await scene.ok("relaybot", "assistant.threads.setStatus", channel_id=scene.general, thread_ts=ts, status="thinks")
    both = f"{scene.general},{scene.ops}"
    file = (await scene.ok("alice", "files.upload", content="some text", channels=both))["file"]
    await scene.ok("alice", "files.sharedPublicURL", file=file["id"])
    (share,) = file["shares"]["public"][scene.general]
    await scene.ok("alice", "chat.delete", channel=scene.general, ts=share["ts"])
    await scene.ok("alice", "files.delete", file=file["id"])

    await workspace.writer.write(
        lambda tx: people.add(tx, workspace.team, people.NewPerson(name="dora"), [], is_bot=False)
    )
    added = await workspace.writer.write(
        lambda tx: people.add(tx, workspace.team, people.NewPerson(name="newbot"), [], is_bot=True)
    )
    await workspace.writer.write(lambda tx: accounts.deactivate(tx, workspace.team, added.user.id))
    change = team.TeamChange(name="New", domain="new")
    await workspace.writer.write(lambda tx: team.change(tx, change, "https://new.example.test"))
    heard += [*await alice.fence(), *await bob.fence(), await refused(scene, alice)]
    await scene.server.stop()
    heard.append(await alice.until("goodbye"))

    assert {frame["type"] for frame in heard if "reply_to" not in frame} == SENT


async def mark(scene: Scene, channel: str) -> None:
    ts = await scene.post("alice", channel, "read")
    await scene.ok("alice", "conversations.mark", channel=channel, ts=ts)


async def refused(scene: Scene, used: Socket) -> Frame:
    """Return what the server sends on a connection whose ticket was used before."""
    socket = await scene.dial(used.grant)
    found = await socket.frame()
    try:
        await socket.frame()
    except ConnectionEnded:
        return found
    raise AssertionError("the connection stays")
