"""Which way a program takes to us, and why: read from its command, its files and its packages, without running it.

``program`` finds what a command runs, ``packages`` what is installed for it, ``ways`` has the table of libraries, and
``explanation`` puts the three together. Used by ``tautwire gateway attach --explain``.
"""
