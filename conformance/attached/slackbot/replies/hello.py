import re

from slackbot.bot import listen_to


@listen_to("^hello$", re.IGNORECASE)
def hello(message):
    message.send("hello from slackbot")
