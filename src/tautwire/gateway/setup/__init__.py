"""Setting up the upstream's app: the manifest from which it is created, and checks of what it became."""
