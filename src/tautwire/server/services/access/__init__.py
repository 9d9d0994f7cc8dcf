"""Whose a call is and what it may do: tokens, apps, tickets, limits of rate."""
