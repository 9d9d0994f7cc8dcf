"""Faults on demand: what a test wants to go wrong, and for whom.

``book`` the rules that are in force, and which of them apply to what happens now · ``answers`` what a faulty method
answers · ``frames`` which frames a fault is about. The doors ask the book and do what a rule says; so does the front of
``tautwire.testing``.
"""
