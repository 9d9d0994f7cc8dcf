"""The control door: administration of a running server, and acts of its users, for operators and tests.

HTTP with JSON on a unix socket in the data directory and, if asked for, on the port of the server:
``POST /_control/v1/OPERATION`` with an object of arguments. The rules are in ``services``; here are the routes to them,
and the checks of a request.

``door`` requests and answers · ``operation`` the definition of an operation · ``people``, ``apps``, ``tokens``,
``channels``, ``team``, ``acts``, ``interactions``, ``views``, ``waits``, ``faults``, ``times`` and others the operations · ``conditions`` what a wait wants ·
``watching`` the streams of the journal · ``probe`` looks at sockets for the journal, and breaks them · ``openapi`` the
document that describes all of it · ``rendezvous`` where the socket is, and the secret · ``server`` the door on its
socket.
"""
