import logging
import os
from pathlib import Path

HERE = Path(__file__).resolve().parent

BACKEND = "SlackRTM"
BOT_IDENTITY = {"token": os.environ["SLACK_BOT_TOKEN"]}
BOT_ADMINS = ("@alice",)
BOT_DATA_DIR = str(HERE / "data")
Path(BOT_DATA_DIR).mkdir(exist_ok=True)
BOT_EXTRA_PLUGIN_DIR = str(HERE / "plugins")
BOT_LOG_FILE = None
BOT_LOG_LEVEL = logging.INFO
CORE_PLUGINS = ()
