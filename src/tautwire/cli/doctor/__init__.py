"""``tautwire doctor``: the checks of the machine and the settings, and the command."""
