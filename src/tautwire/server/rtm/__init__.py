"""The RTM door: frames of sockets become commands to the services, log entries become frames.

``door`` opens connections and is their host · ``connection`` a session on a socket · ``commands`` what a command does ·
``replays`` the last message of a lost connection.

The room holds no rules of the workspace (``services``), no grammar of the protocol (``session.server``) and nothing
about sockets in general (``sockets``): it connects the three.
"""
