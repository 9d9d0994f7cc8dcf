"""The ``tautwire`` command."""
