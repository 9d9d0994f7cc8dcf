"""App manifests: their text, their shape, their rules, and the apps that are made and changed by them."""
