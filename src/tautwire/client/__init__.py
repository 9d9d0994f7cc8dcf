"""The RTM client: ``RTMClient`` for asyncio, ``BlockingRTMClient`` for everything else, one implementation.

The public names are exported by ``tautwire``; the modules here are internal.
"""
