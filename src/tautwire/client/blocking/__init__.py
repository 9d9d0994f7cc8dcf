"""The blocking client, and the event loop in a thread that it runs on.

client       BlockingRTMClient: each verb hands its coroutine to the loop and waits
loop_thread  the loop and its thread: how it begins, ends, and is left behind
"""
