"""The control door: administration of a running server, and acts of its users, for operators and tests.

HTTP with JSON on a unix socket in the data directory and, if asked for, on the port of the server:
``POST /_control/v1/OPERATION`` with an object of arguments. The rules are in ``services``; here are the routes to them,
and the checks of a request.

``door`` requests and answers · ``operation`` the definition of an operation · ``operations`` all of them · ``watching``
the streams of the journal · ``probe`` looks at sockets for the journal, and breaks them · ``consent_page`` the page on
which an app is installed · ``openapi`` the document that describes all of it · ``rendezvous`` where the socket is, and
the secret · ``server`` the door on its socket.
"""
