"""The PostgreSQL adapter: one workspace in a schema of a database, over psycopg 3 in pipeline mode.

``address`` where it is · ``engine`` connections, the schema, one server at a time · ``sessions`` the writer's and the
readers' connections · ``outcome`` of a COMMIT that was not answered · ``wire`` the socket under a connection ·
``values`` rows, arrays, text, statements · ``errors`` of psycopg as errors of the port.

What differs from SQLite, and is translated here: marks of values (``?``), the way many rows are inserted (arrays and
``unnest``), joined text (``string_agg``), NUL, which text cannot hold in PostgreSQL, and a failed query, which ends the
transaction unless there is a mark.

One server at a time serves a workspace: it holds an advisory lock on a connection of its own. Other writers do no harm
(``log.transaction`` finds their entries), but presence and typing would not reach the connections of another server.
"""
