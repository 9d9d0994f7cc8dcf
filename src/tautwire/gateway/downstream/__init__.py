"""What the gateway offers to programs beside RTM: Socket Mode connections, of which each gets every event."""
