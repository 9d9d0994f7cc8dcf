"""Back-fill: messages of the time away, read from the history of channels.

options   which channels, and how much
filler    when to fill, and what to hold back meanwhile
channel   one channel's filling: history and live events in one order, each once
history   the pages of conversations.history
marked    which messages of a history are ours
"""
