"""Measurements of tautwire: ``python -m bench`` runs them all, ``python -m bench NAME`` one. Linux only.

``bench_*`` one measurement each · ``subject`` the server under test · ``grown`` workspaces of any size ·
``raw`` the raw loop to compare with · ``loops`` its inner loop and the load generator, in C (``loops.c``) or Python · ``report`` tables and JSON.
How to read the figures: docs/performance.md.
"""
