"""The user's handlers: which of them an event is for, how each is run, and the queue before it.

dispatcher      event handlers: added, and picked for each event
decorators      ``on``, with its types
client_handlers where a client's handlers of all kinds are added and removed
registration    what a program gets for a handler; is it callable at all?
event_types     which events a class, name or pair stands for
predicates      ``when=``: conditions on an event
text_filter     ``hears``: conditions on a text
event_facts     whose doing an event is, and which message and thread it is about
arguments       what a handler is called with, by its annotations
context         marks of what handlers may ask for
binding         one handler with the way it is run, and its options
queue           what waits for a handler, and what happens when it is too much
workers         the tasks and threads that run what waits
callbacks       handlers of everything but events, and reports of failures
hooks           functions of a client's life: on_start, on_ready, on_stop, every
steps           one such function, whose end is awaited
jobs            a function that runs every so often
"""
