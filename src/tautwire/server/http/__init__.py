"""The HTTP entrance: one listening socket for the Web API, RTM and the probes, and its limits.

``server`` runs uvicorn on our loop · ``front`` reads the first bytes of a connection and answers the two requests of a
reconnect storm · ``shapes`` which bytes the front accepts · ``protocol`` uvicorn's protocol with limits, for all other
requests · ``websocket`` the change to picows · ``connections`` limits of number, origin and waiting time ·
``descriptors`` how many sockets the process may have · ``forwarded`` headers of trusted proxies · ``responses``
responses written without an application · ``application`` paths and what serves them · ``probes`` health and metrics.

Requests are answered by ``web_api``, an upgraded socket goes to the door that ``sockets.handover`` names;
``server.app`` builds the parts and joins them.
"""
