"""What differs between two states of a workspace: for tests and graders that compare before and after.

``changes`` the kinds of things that are compared, and the limits · ``states`` two databases, row by row · ``entries``
two positions of one log, by its events · ``report`` the answer, with ids and names · ``difference`` its members.
"""
