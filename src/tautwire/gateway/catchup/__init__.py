"""What the upstream could not deliver: read from its history, and put into the log where it belongs.

``known`` is what the log has already, ``history`` reads what it has not, ``gate`` holds back live events meanwhile,
``run`` does one after the other.
"""
