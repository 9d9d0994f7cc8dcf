"""The rules of a workspace: what a user may do, what it changes, and which events it causes.

A rule that writes is a *unit*: a function of a ``Transaction`` (see ``log.writer``) that runs in the writer's thread.
A rule that reads is a function of a ``Query``. Neither knows HTTP or WebSockets; both doors use the same rules. A
refusal is a ``MethodError`` with the error string of the Web API.

``messages``, ``threads``, ``reactions``, ``history`` messages and their pages · ``conversations``, ``room`` channels
and members · ``presence`` active and away · ``identity``, ``tickets`` tokens and RTM URLs · ``lists``, ``arrays`` long
lists · ``events``, ``wire_objects`` JSON · ``seed`` the first content · ``workspace`` the parts that the doors share.
"""
