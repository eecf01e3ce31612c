"""Disputes: the canonical result decides who is right about a job (docs/spec/dispute.md)."""
