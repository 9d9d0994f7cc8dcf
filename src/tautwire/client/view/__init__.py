"""The local view: users, conversations and members, kept current by events.

options        what is kept
view           the view that a program reads
people         users
conversations  conversations and their members
loader         reads the lists, and applies what happened meanwhile
"""
