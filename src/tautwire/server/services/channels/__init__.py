"""The rules of channels and their members."""
