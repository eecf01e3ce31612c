"""Mends for libp2p 0.8.1, one module per defect; `apply_all` before a host is made (ADR 0002)."""
