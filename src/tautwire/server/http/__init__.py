"""The HTTP entrance: one listening socket for the Web API, RTM and the probes, and its limits.

``server`` uvicorn inside our loop · ``front`` the first look at a connection, and the two requests that a reconnect
storm is made of · ``shapes`` which bytes the front takes · ``protocol`` uvicorn's protocol with limits, for all
others · ``websocket`` the change to picows · ``connections`` how many connections, from where, and how long they may
wait · ``descriptors`` how many the process may have · ``forwarded`` what trusted proxies say · ``responses`` answers
written without an application · ``application`` which path is served by what · ``probes`` health and metrics.
"""
