"""RTM for Python: a typed client, and a self-hosted server that existing RTM bots connect to unmodified."""

__version__ = "0.1.0"
