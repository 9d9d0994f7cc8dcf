"""Whether a process has traces. Nothing of OpenTelemetry is imported unless it has."""

from typing import TYPE_CHECKING

from tautwire.protocol.errors import ConfigError

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

    from tautwire.server.traces.tracing import Tracing


def open_tracing(is_on: bool, provider: "TracerProvider | None" = None) -> "Tracing | None":
    """Return the traces of a process, to be closed; None if it has none.

    Args:
        is_on: whether the settings want them; the SDK is then set up from the environment.
        provider: that of a program which has set up the SDK itself; it is not shut down.

    Raises:
        ConfigError: the packages are missing, or a variable cannot be used.
    """
    if not is_on and provider is None:
        return None
    try:
        from tautwire.server.traces.provider import make_provider
        from tautwire.server.traces.tracing import Tracing
    except ImportError as error:
        raise ConfigError(
            f'traces need the package {error.name}: pip install "tautwire[traces]", or leave traces off'
        ) from None
    return Tracing(provider) if provider is not None else Tracing(make_provider(), is_own=True)
