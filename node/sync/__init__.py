"""Catching up with the chain, and fetching content by its root."""
