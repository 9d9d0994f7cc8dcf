"""The Web API door: ``/api/<method>`` for every way clients call it.

``method`` what a method is and the registry · ``bodies`` reading a body within limits · ``arguments`` from bodies to
typed arguments · ``door`` the ASGI app · ``limits`` calls per token · ``logins`` wrong tokens per address · ``known``
methods we know but do not serve. The methods themselves stand in a module per family: ``api``, ``auth``, ``bots``,
``chat``, ``conversations``, ``reactions``, ``rtm``, ``team``, ``users``.
"""
