"""The operations of the control door, a module for each family; each is defined with ``control.operation``.

``acts``, ``interactions``, ``views``, ``files`` are what people do · ``people``, ``apps``, ``channels``, ``team``,
``tokens``, ``webhooks`` administer a workspace, ``workspaces`` all of them · ``waits`` (with ``conditions``),
``faults`` and ``times`` are for tests.
"""
