"""Interactivity: what an app is asked when people use its commands, buttons, menus and shortcuts, and how it answers.

The acts of a person are in ``commands`` (with shortcuts) and ``actions`` (in messages, whose elements ``targets``
finds); both go through ``asking``. ``payloads`` and ``elements`` build what is sent, ``requests`` sends it over the
app's door and waits for the answer, ``triggers`` and ``response_urls`` are what an app gets to act with, ``answers``
reads the messages that it gives back, ``recent`` is what is remembered for a while. ``webhooks`` are the URLs that post
into a channel. Source: wire/interactivity.md.
"""
