"""The rules of a workspace: what may be done, what it changes, and what events it causes.

A rule that writes is a *unit*: a function of a ``Transaction`` (see ``log.writer``) that runs in the writer's thread.
A rule that reads is a function of a ``Query``. Neither knows HTTP or WebSockets; both doors use the same rules.
Refusals are ``MethodError`` with the error string of the Web API.
"""
