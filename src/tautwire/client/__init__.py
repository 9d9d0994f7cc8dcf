"""The RTM client: ``RTMClient`` for asyncio, ``BlockingRTMClient`` for everything else, one implementation.

The public names are exported by ``tautwire``; modules here are rooms of the house, not an interface.
"""
