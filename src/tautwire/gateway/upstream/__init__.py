"""The side of the upstream workspace: its Web API and its Socket Mode. Nothing here knows the log or RTM."""
