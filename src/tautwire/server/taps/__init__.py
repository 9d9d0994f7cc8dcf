"""The taps of apps: each is a reader of the log that turns entries into events of the Events API, for one app.

``filter`` says which events an entry is for a viewer, ``viewers`` as whom an app gets them, ``kinds`` of what kind a
conversation is, ``envelope`` how events are wrapped, ``window`` which of them wait for an acknowledgement, ``quota``
how many come in an hour, ``tap`` reads the log and sends, ``taps`` has the taps of a workspace. A door (``socket_mode``
or ``events_api``) gives a tap the way to its app, the ``Link``. Requests (commands, actions, views) are not in the log
and do not pass here.
"""
