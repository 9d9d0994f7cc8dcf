"""The rules of messages: posting, growing, scheduling, and what members attach to them."""
