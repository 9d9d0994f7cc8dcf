"""Measurements of tautwire: ``python -m bench`` runs them all, ``python -m bench NAME`` one. Linux only.

``bench_*`` one measurement each · ``subject`` the server under test · ``peers`` servers written by hand beside it ·
``grown`` workspaces of any size · ``receivers`` clients under test · ``source`` what floods them · ``raw`` the raw loop
to compare with · ``loops`` its inner loop and the load generator, in C (``loops.c``) or Python · ``report`` tables and
JSON. How to read the figures: docs/performance.md.
"""
