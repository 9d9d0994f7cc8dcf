"""The gateway: RTM for apps to which Slack does not offer it. Needs the extra ``server``.

Bots talk RTM and the old Web API to it, as to a server of ours. It talks Socket Mode and the Web API to the upstream
workspace, with the tokens of a modern app. ``gateway`` is its composition root; docs/explanation/gateway.md has the way
of an event and of a message.
"""
