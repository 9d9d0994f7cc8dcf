"""The control door: administration of a running server, for the operator's commands on the same machine.

HTTP with JSON on a unix socket in the data directory: ``POST /_control/v1/OPERATION`` with an object of arguments. The
rules are in ``services.administration``; here are the routes to them, and the checks of a request.

``door`` requests and answers · ``operation`` the definition of an operation · ``people``, ``apps``, ``tokens``,
``channels``, ``team`` the operations · ``rendezvous`` where the socket is, and the secret · ``server`` all together.
"""
