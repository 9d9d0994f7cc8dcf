"""Interactivity: what an app is asked when people use its commands, buttons, menus and shortcuts, and how it answers.

``payloads`` and ``elements`` build what is sent, ``requests`` sends it over the app's door and waits for the answer,
``triggers`` and ``response_urls`` are what an app gets to act with, ``answers`` reads the messages that it gives back,
``webhooks`` are the URLs that post into a channel. ``people`` has the acts of a person. Source: wire/interactivity.md.
"""
