"""The Web API of the upstream for bots.

``proxy`` which call becomes which · ``calls`` one call, whole or as it comes · ``cache`` answers of start-ups ·
``names`` channels by name · ``uploads`` files that bots send, ``spool`` their bytes until the upstream has them ·
``downloads`` files that bots fetch.
"""
