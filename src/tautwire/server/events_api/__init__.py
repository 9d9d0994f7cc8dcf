"""The door of the Events API over HTTP: each event of an app is a signed POST to its request URL.

``delivery`` decides which apps are served and takes events from their taps, ``receiver`` makes one request,
``addresses`` says where it may go, ``signing`` and ``verification`` are the forms on the wire, ``failures`` counts.
"""
