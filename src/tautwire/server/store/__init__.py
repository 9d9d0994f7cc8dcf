"""The database: its port, its adapters, its schema, and all SQL. No rules, no events.

``engine`` is the port, ``sqlite`` and ``postgres`` its adapters, and ``engines`` opens one of them. ``reader`` reads in
threads. Each table has a module with its queries and statements: ``users``, ``channels``, ``membership``, ``messages``,
``reactions``, ``workspace``, ``log``, ``tokens``. Services and ``log`` call these; only ``log.writer`` gives out what
statements need. ``backup``, ``backup_file`` and ``check`` handle all tables alike, as ``tables`` finds them in the
schema; the commands call them.
"""
