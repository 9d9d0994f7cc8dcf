"""The RTM client: ``RTMClient`` for asyncio, ``BlockingRTMClient`` for everything else, one implementation.

The public names are exported by ``tautwire``; the modules here are internal. Rooms stand from top to bottom, each
imports only what is below it; ``help()`` of a room lists its modules.

    context       what handlers are given for an answer: reply, react
    blocking      the blocking client
    rtm_client    the asyncio client: verbs and properties
    parts         how a client is put together
    lifecycle     when functions of a client's life run, and how it ends
    delivery      events on their way to the handlers: copies, gaps
    sending       frames on their way out
    handlers      the user's functions: picked, queued, run
    connection    one connection, kept up
    backfill      messages of the time away
    view          users, conversations, members
    metrics       hooks that are called with what the client does
    net           Web API calls of the client's own
    notices       the values that users are handed besides events
    guard         one failure stays one; waits that leave nothing behind
    backpressure  which queues are full, so that the socket is not read
    settings, errors, log, signals, clock
"""
