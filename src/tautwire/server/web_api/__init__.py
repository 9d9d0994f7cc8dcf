"""The Web API door: ``/api/<method>`` for every way clients call it.

``app`` the ASGI application: from a request to a method and back · ``method`` what a method is, and the registry ·
``access`` who may call it · ``bodies`` reading a body within limits · ``file_bodies`` one with a file in it ·
``fallback`` the port to what answers for other methods · ``credentials`` where tokens stand · ``arguments`` from bodies
to typed arguments · ``content`` the arguments of a message · ``answers`` from answers to JSON · ``replies`` status and
headers · ``streams`` answers that are passed on as they come · ``pages`` cursors of long lists · ``spoiling`` faults
that a test asked for · ``unserved`` errors for methods that exist elsewhere.

The methods themselves are in ``methods``, a module for each family. A method checks its arguments and calls a rule of
``services``; it holds no rules.
"""
