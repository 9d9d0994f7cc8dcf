"""The ``emoji`` family."""

from tautwire.server.web_api.access import users_and_bots
from tautwire.server.web_api.method import Answer, Arguments, Call, Tier, method


class EmojiList(Arguments, frozen=True, kw_only=True):
    """Arguments of emoji.list."""

    include_categories: bool = False


@method("emoji.list", EmojiList, Tier.TWO, users_and_bots("emoji:read"))
async def list_(call: Call, args: EmojiList) -> Answer:
    """List the emoji of the workspace's own: there are none."""
    answer = {"emoji": {}, "cache_ts": f"{call.workspace.clock.seconds()}.000000"}
    return answer | ({"categories": [], "categories_version": "0"} if args.include_categories else {})
