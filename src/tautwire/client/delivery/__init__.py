"""What connections say, on its way to the handlers: which connection counts, what is a copy, what was missed.

delivery    the way of an event to the dispatcher; gaps
duplicates  where it is decided that an event is a copy
"""
