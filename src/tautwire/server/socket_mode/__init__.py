"""The door of Socket Mode: apps open WebSockets, get envelopes on any one of them, and acknowledge them.

``door`` opens and ends connections, ``connection`` is one of them, ``pool`` those of an app, between which its events
are spread. What is sent is decided by the app's tap (``taps``). Source: wire/socket-mode.md.
"""
