"""The rules of users: accounts, profiles, presence."""
