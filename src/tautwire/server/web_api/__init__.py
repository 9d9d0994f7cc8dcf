"""The Web API door: ``/api/<method>`` for every way clients call it.

``app`` the ASGI application: from a request to a method and back · ``method`` what a method is, and the registry ·
``access`` who may call it · ``bodies`` reading a body within limits · ``file_bodies`` one with a file in it ·
``arguments`` from bodies to typed arguments · ``answers`` from answers to JSON · ``pages`` cursors of long lists ·
``unserved`` errors for methods that exist elsewhere.

The methods themselves are in a module for each family: ``api``, ``assistant``, ``auth``, ``bots``, ``chat`` (with
``chat_scheduled``, ``chat_streams``, and ``content``, which they share), ``conversations``, ``files``, ``pins``,
``reactions``, ``rtm``, ``users``. A method checks its arguments and calls a rule of ``services``; it holds no rules.
"""
