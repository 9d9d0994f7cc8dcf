"""``python -m tautwire`` is the ``tautwire`` command."""

from tautwire.cli.main import main

main()
