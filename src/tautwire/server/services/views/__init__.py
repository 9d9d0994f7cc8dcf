"""Views: the modals that apps show, and their Homes; and what a person does with them.

``views`` are the units that open and change them, for the methods. ``shown`` is what a person sees and puts in,
``inputs`` the values. ``actions``, ``submissions`` and ``home`` are the acts of a person, which ask the app by
``services.interactivity``. Source: wire/views.md and wire/interactivity.md.
"""
