"""Simplex consensus on 32-byte ids, as a pure step function."""
