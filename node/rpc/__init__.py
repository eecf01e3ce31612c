"""JSON-RPC 2.0 on loopback."""
