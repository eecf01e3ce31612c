"""Limits that several parts share. A limit of one part alone stands in that part, beside what it limits."""

CONTENT_BYTES_MAX = 256 << 20
"""One piece of content. The largest is a model: what a verifier can fetch and load within a job's deadlines."""
