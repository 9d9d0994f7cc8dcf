"""The RTM door: frames of sockets become commands to a backend, log entries become frames.

``door`` opens connections and is their host · ``connection`` a session on a socket · ``commands`` commands to the
backend, and its answers to frames · ``backend`` the port · ``backend_workspace`` this server's workspace behind it ·
``replays`` the last message of a lost connection.

The room holds no rules of the workspace (``services``), no grammar of the protocol (``session.server``) and nothing
about sockets in general (``sockets``): it connects the three.
"""
