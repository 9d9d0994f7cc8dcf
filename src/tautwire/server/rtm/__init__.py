"""The RTM door: sockets in, commands to the services, log entries out.

``connection`` the shell of one session · ``commands`` what a command does · ``door`` tickets, attaching, the sweep and
the end of all connections · ``endings`` why connections end.
"""
