"""Blocks, transactions, state and their rules, as pure functions."""
