"""Attaching programs that have ``slack.com`` written into them: they reach a gateway or a server of ours unchanged.

A program is led here by its environment: a proxy, a preload of its runtime, a private certificate authority that it
trusts. Used by ``tautwire gateway run`` and ``tautwire serve``.
How it works: docs/how-to/gateway/attach-old-programs.md.
"""
