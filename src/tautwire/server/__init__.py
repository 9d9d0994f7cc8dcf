"""The self-hosted workspace: RTM and the Web API on one port, over a durable log.

Floors, from top to bottom: ``app`` builds the parts; ``http`` is the listening socket; ``web_api`` and ``rtm`` are the
doors; ``services`` are the rules; ``hub`` are this node's connections; ``log`` is the truth in order; ``store`` is the
disk. Each imports only floors below it. See docs/explanation/architecture.md.
"""
