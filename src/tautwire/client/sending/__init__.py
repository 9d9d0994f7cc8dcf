"""A frame's way out: a connection, its turn, its reply, and what becomes of it when the connection ends.

sending        the way of a frame from the call to its reply
channel_names  #general and @alice in the place of ids
pacer          messages at a given rate, in order
unanswered     sends whose connection ended before the reply
"""
