"""The referee: one element of one operation, recomputed from opened leaves of what it reads (DESIGN 7)."""
