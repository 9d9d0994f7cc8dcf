"""placeholder to be replaced below."""


def demo() -> None:
    """Show the main job."""
