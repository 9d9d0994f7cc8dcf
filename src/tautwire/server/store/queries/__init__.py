"""The statements of the workspace, a module for each table or a few that belong together. They know no adapter."""
