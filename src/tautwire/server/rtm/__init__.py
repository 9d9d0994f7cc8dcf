"""The RTM door: frames of sockets become commands to the services, log entries become frames.

``door`` opens, sweeps and closes connections · ``connection`` the socket of one session · ``commands`` what a command
does · ``replays`` the last message of a lost connection · ``endings`` why connections end.

The room holds no rules of the workspace (``services``) and no grammar of the protocol (``session.server``): it connects
the two with sockets.
"""
