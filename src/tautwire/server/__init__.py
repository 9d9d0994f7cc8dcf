"""The self-hosted workspace: RTM and the Web API on one port, over a durable log.

Floors, from the street down: ``app`` puts the parts together; ``web_api`` and ``rtm`` are the doors; ``services`` are
the rules; ``hub`` are this node's connections; ``log`` is the truth in order; ``store`` is the disk.
"""
