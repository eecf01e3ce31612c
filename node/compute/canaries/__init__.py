"""Canaries of this node's worker: jobs that it provides wrongly on purpose, and confesses to."""
