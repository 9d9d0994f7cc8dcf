"""What connections say, on its way to the handlers: which connection counts, what is a copy, what was missed."""
