"""The door of the Events API over HTTP: each event of an app is a signed POST to its request URL.

``delivery`` decides which apps are served, ``link`` takes events from the tap of one and keeps their order,
``receiver`` makes one request, ``requests`` asks apps about what people do,
``addresses`` says where it may go, ``verification`` is the challenge, ``failures`` counts.
"""
