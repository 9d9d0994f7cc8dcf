"""Back-fill: messages of the time away, read from the history of channels."""
