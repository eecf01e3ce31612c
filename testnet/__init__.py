"""Whole networks: as real processes, or in virtual time."""
