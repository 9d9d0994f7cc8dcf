"""Administration of a workspace: what an operator may see and change, beside what members do over the Web API.

``refusals`` errors with advice · ``lookup`` users, channels and apps by id or name · ``people`` users and bots ·
``apps``, ``tokens`` what they have · ``channels`` channels and their members · ``team`` name, domain and icon.
"""
