"""The life of a client: when the functions of its life run, and how it ends.

lifecycle  when on_start, on_ready, on_stop and jobs run; the log of connections
closing    the end: once, in order, in bounded time
"""
