"""The search of messages: which words they have, what a query asks for, and what is answered."""
