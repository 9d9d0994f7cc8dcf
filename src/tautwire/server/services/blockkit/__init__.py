"""Validation of Block Kit: the blocks of messages, and views. No I/O and no storage.

``validation`` is what others call. ``blocks``, ``elements``, ``objects`` and ``rich_text`` are the table, made of the
shapes of ``shapes``; ``check`` compares a value with a shape, ``rules`` are the rules that concern several blocks.
Source: wire/block-kit.md.
"""
