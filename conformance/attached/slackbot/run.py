"""A bot on scrapinghub's slackbot; the token comes from SLACKBOT_API_TOKEN."""

import logging

from slackbot.bot import Bot

logging.basicConfig(level=logging.INFO)
Bot().run()
